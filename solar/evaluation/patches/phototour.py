"""PhotoTour: FPR at 95 % recall of a patch descriptor on 100,000 pairs of each scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
import numpy.typing as npt

from solar.datasets.patches.phototour import PUBLISHED_PAIRS, PatchPairs, PhotoTour
from solar.errors import SolarError
from solar.evaluation.patches.folder import PatchFolder
from solar.evaluation.patches.metrics import fdr95, fpr95, fpr95_hardnet
from solar.evaluation.patches.published import figures
from solar.evaluation.patches.report import PatchReport
from solar.evaluation.report import Table, figure
from solar.features.patch_descriptor import PatchDescriptor, open_patch_descriptor
from solar.typing import AnyPath, Descriptors, Progress

COLUMNS = (
    ("notredame", "liberty"),
    ("yosemite", "liberty"),
    ("liberty", "notredame"),
    ("yosemite", "notredame"),
    ("liberty", "yosemite"),
    ("notredame", "yosemite"),
)
"""(trained on, tested on), in the order of the published tables."""

_CHUNK = 8192  # patches held as pixels at a time


def phototour(
    scenes: Sequence[AnyPath],
    descriptor: str | PatchDescriptor,
    to: AnyPath,
    *,
    trained_on: str | None = None,
    overwrite: bool = False,
    device: str = "auto",
    progress: Progress | None = None,
) -> PatchReport:
    """The benchmark: describe the patches of scenes, each once, and score their published pairs.

    Args:
        scenes: folders of liberty, notredame, yosemite.
        descriptor: a patch descriptor, or what `open_patch_descriptor` takes.
        to: folder of descriptors and of the report; what it has is kept, so that it resumes.
        trained_on: scene of the training, for the column of the table.
        overwrite: replace what was described otherwise.
        device: where a named descriptor runs.
        progress: told patches described and in all, scene by scene.

    Raises:
        UsageError: the folder holds other descriptors, or there is no such descriptor or device.
        SolarError: a file is missing or damaged.
    """
    found = open_patch_descriptor(descriptor, device) if isinstance(descriptor, str) else descriptor
    folder = PatchFolder(
        to, {"data": "PhotoTour", "descriptor": found.fingerprint}, overwrite=overwrite
    )
    results = [
        score_scene(PhotoTour(scene), found, folder, trained_on=trained_on, progress=progress)
        for scene in scenes
    ]
    report = PatchReport(
        f"PhotoTour: {found.name}",
        {"descriptor": found.name, "scenes": [result.to_json() for result in results]},
        [table(found.name, results)],
    )
    report.write(to)
    return report


@dataclass(frozen=True)
class PhotoTourResult:
    """The pairs of one scene, scored.

    Attributes:
        scene: tested on.
        trained_on: scene of the training, None for a descriptor trained elsewhere or not at all.
        pairs: the file of pairs.
        positives: matching pairs in it.
        negatives: other pairs.
        fpr95: share of negatives at or below the ceil(0.95 P)-th positive distance, 0 to 1.
        fpr95_hardnet: the same as HardNet's code counts it.
        fdr95: false discovery rate at 95 % recall, which some early papers print as FPR95.
    """

    scene: str
    trained_on: str | None
    pairs: str
    positives: int
    negatives: int
    fpr95: float
    fpr95_hardnet: float
    fdr95: float

    def to_json(self) -> dict[str, object]:
        """Plain values for a report."""
        return asdict(self)


def score_scene(
    scene: PhotoTour,
    descriptor: PatchDescriptor,
    folder: PatchFolder,
    *,
    trained_on: str | None = None,
    pairs_name: str = PUBLISHED_PAIRS,
    progress: Progress | None = None,
) -> PhotoTourResult:
    """Describe the patches that a file of pairs names, each once, and score the pairs.

    Args:
        scene: tested on.
        descriptor: of patches.
        folder: where descriptors are kept; its settings must identify `descriptor`.
        trained_on: scene of the training, for the column of the table.
        pairs_name: file of pairs in the scene's folder.
        progress: told patches described and in all.

    Raises:
        SolarError: a file is missing or damaged.
        UsageError: the file has no matching pair, or no other.
    """
    pairs = scene.pairs(pairs_name)
    numbers = np.unique(np.concatenate([pairs.first, pairs.second]))

    def describe() -> Descriptors:
        parts = []
        for start in range(0, len(numbers), _CHUNK):
            parts.append(descriptor.of_patches(scene.patches(numbers[start : start + _CHUNK])))
            if progress:
                progress(min(start + _CHUNK, len(numbers)), len(numbers))
        return np.concatenate(parts)

    descriptors = folder.load_or_make(f"{scene.name}.{Path(pairs_name).stem}", describe)
    if descriptors.ndim != 2 or len(descriptors) != len(numbers):
        raise SolarError(
            f"{folder.folder}: descriptors of {scene.name} are {descriptors.shape}, but its pairs "
            f"name {len(numbers)} patches; choose another folder"
        )
    distances = _distances(descriptors, numbers, pairs)
    positive, negative = distances[pairs.matching], distances[~pairs.matching]
    return PhotoTourResult(
        scene=scene.name,
        trained_on=trained_on,
        pairs=pairs_name,
        positives=len(positive),
        negatives=len(negative),
        fpr95=fpr95(positive, negative),
        fpr95_hardnet=fpr95_hardnet(positive, negative),
        fdr95=fdr95(positive, negative),
    )


def _distances(
    descriptors: Descriptors, numbers: npt.NDArray[np.int64], pairs: PatchPairs
) -> npt.NDArray[np.float64]:
    """(P,) Euclidean distances; row n of the descriptors belongs to patch `numbers[n]`."""
    first = np.searchsorted(numbers, pairs.first)
    second = np.searchsorted(numbers, pairs.second)
    distances = np.empty(len(pairs))
    for start in range(0, len(pairs), _CHUNK):
        rows = slice(start, start + _CHUNK)
        difference = descriptors[first[rows]].astype(np.float64) - descriptors[second[rows]]
        distances[rows] = np.sqrt((difference**2).sum(axis=1))
    return distances


def table(name: str, results: Sequence[PhotoTourResult]) -> Table:
    """FPR95 in per cent, of a descriptor and of published ones: the six columns and their mean.

    A result without a training scene stands in both its columns.
    """
    by_column = {(result.trained_on, result.scene): 100 * result.fpr95 for result in results}
    own = [by_column.get(column, by_column.get((None, column[1]))) for column in COLUMNS]
    known = [value for value in own if value is not None]
    rows = [[name, *map(figure, (*own, fmean(known) if len(known) == len(COLUMNS) else None))]]
    for published, entry in figures("phototour"):
        columns = entry["columns"] or [None] * len(COLUMNS)
        rows.append([published, *map(figure, (*columns, entry["mean"]))])
    heads = [f"{train} → {test}" for train, test in COLUMNS]
    return Table(["FPR95, % (train → test)", *heads, "mean"], rows)
