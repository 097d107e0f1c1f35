"""PhotoTour: FPR at 95 % recall of a patch descriptor on 100,000 pairs of each scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean

import numpy as np
import numpy.typing as npt

from solar.datasets.patches.phototour import PUBLISHED_PAIRS, PatchPairs, PhotoTour
from solar.evaluation.kept import kept_at, load_or_make, open_in_precision, state_of
from solar.evaluation.patches.metrics import fdr95, fpr95, fpr95_hardnet
from solar.evaluation.report import PatchReport, Table, figure, published_patches
from solar.features.patch_descriptor import PatchDescriptor
from solar.files import claim_folder
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
    engine: str = "auto",
    device: str = "auto",
    precision: str = "float32",
    progress: Progress | None = None,
) -> PatchReport:
    """The benchmark: describe the patches of scenes, each once, and score their published pairs.

    Args:
        scenes: folders of liberty, notredame, yosemite.
        descriptor: a patch descriptor, or what `open_patch_descriptor` takes.
        to: folder of the report; descriptors are kept in the user's cache.
        trained_on: scene of the training, for the column of the table.
        overwrite: replace a report of another descriptor.
        engine: that runs a named descriptor; see `solar.open_extractor`.
        device: where it runs.
        precision: that it computes in: float32, bfloat16, float16 or auto.
        progress: told patches described and in all, scene by scene.

    Raises:
        UsageError: the folder holds another report, or there is no such descriptor or device.
        SolarError: a file is missing or damaged.
    """
    found = open_in_precision(descriptor, device, precision, engine)
    settings = {"benchmark": "phototour", "descriptor": found.fingerprint}
    claim_folder(to, settings, ["report.*"], overwrite=overwrite)
    results = [
        score_scene(PhotoTour(scene), found, trained_on=trained_on, progress=progress)
        for scene in scenes
    ]
    report = PatchReport(
        f"PhotoTour: {found.name}",
        {
            "benchmark": "phototour",
            "data": "",
            "protocol": {"descriptor": found.name, "fingerprint": found.fingerprint},
            "engine": found.engine,
            "descriptor": found.name,
            "scenes": [result.to_json() for result in results],
            "figures": {f"FPR95 {each.scene}": {"value": each.fpr95} for each in results},
        },
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
    *,
    trained_on: str | None = None,
    pairs_name: str = PUBLISHED_PAIRS,
    progress: Progress | None = None,
) -> PhotoTourResult:
    """Describe the patches that a file of pairs names, each once, and score the pairs.

    Args:
        scene: tested on.
        descriptor: of patches.
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

    mosaics = [state_of(path) for path in sorted(scene.folder.glob("patches*.bmp"))]
    state = state_of(scene.folder / pairs_name)
    path = kept_at("patches", descriptor.fingerprint, scene.name, pairs_name, state, mosaics)
    descriptors = load_or_make(path, describe)
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
    for published, entry in published_patches("phototour"):
        columns = entry["columns"] or [None] * len(COLUMNS)
        rows.append([published, *map(figure, (*columns, entry["mean"]))])
    heads = [f"{train} → {test}" for train, test in COLUMNS]
    words = {
        "FPR95": "share of the other pairs at or below the distance within which 95 % of the "
        "matching pairs lie; lower is better",
        "train → test": "scenes; what was trained on none stands in both columns of a scene",
    }
    return Table(["FPR95, % (train → test)", *heads, "mean"], rows, words)
