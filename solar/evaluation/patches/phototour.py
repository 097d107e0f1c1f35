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
from solar.features.keypoints import FloatArray
from solar.features.patch_descriptor import PatchDescriptor

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


def score_pairs(
    distances: npt.NDArray[np.float64],
    matching: npt.NDArray[np.bool_],
    *,
    scene: str,
    trained_on: str | None = None,
    pairs: str = PUBLISHED_PAIRS,
) -> PhotoTourResult:
    """Score pairs by their distances.

    Args:
        distances: (P,).
        matching: (P,) bool.
        scene: tested on.
        trained_on: scene of the training, if any.
        pairs: the file of pairs.

    Raises:
        UsageError: there is no matching pair, or no other.
    """
    positive, negative = distances[matching], distances[~matching]
    return PhotoTourResult(
        scene=scene,
        trained_on=trained_on,
        pairs=pairs,
        positives=len(positive),
        negatives=len(negative),
        fpr95=fpr95(positive, negative),
        fpr95_hardnet=fpr95_hardnet(positive, negative),
        fdr95=fdr95(positive, negative),
    )


def evaluate_phototour(
    scene: PhotoTour,
    descriptor: PatchDescriptor,
    folder: PatchFolder,
    *,
    trained_on: str | None = None,
    pairs_name: str = PUBLISHED_PAIRS,
) -> PhotoTourResult:
    """Describe the patches that a file of pairs names, each once, and score the pairs.

    Args:
        scene: tested on.
        descriptor: of patches.
        folder: where descriptors are kept; its settings must identify `descriptor`.
        trained_on: scene of the training, for the column of the table.
        pairs_name: file of pairs in the scene's folder.

    Raises:
        SolarError: a file is missing or damaged.
        UsageError: the file has no matching pair, or no other.
    """
    pairs = scene.pairs(pairs_name)
    numbers = np.unique(np.concatenate([pairs.first, pairs.second]))

    def describe() -> FloatArray:
        parts = [
            descriptor.of_patches(scene.patches(numbers[start : start + _CHUNK]))
            for start in range(0, len(numbers), _CHUNK)
        ]
        return np.concatenate(parts)

    descriptors = folder.load_or_make(f"{scene.name}.{Path(pairs_name).stem}", describe)
    if descriptors.ndim != 2 or len(descriptors) != len(numbers):
        raise SolarError(
            f"{folder.folder}: descriptors of {scene.name} are {descriptors.shape}, but its pairs "
            f"name {len(numbers)} patches; choose another folder"
        )
    return score_pairs(
        _distances(descriptors, numbers, pairs),
        pairs.matching,
        scene=scene.name,
        trained_on=trained_on,
        pairs=pairs_name,
    )


def _distances(
    descriptors: FloatArray, numbers: npt.NDArray[np.int64], pairs: PatchPairs
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


@dataclass(frozen=True)
class PhotoTourRow:
    """A line of the table, in per cent.

    Attributes:
        name: of the descriptor.
        columns: FPR95 in the order of `COLUMNS`, None where unknown.
        mean: of the six; None where unknown.
    """

    name: str
    columns: tuple[float | None, ...]
    mean: float | None

    @classmethod
    def of(cls, name: str, results: Sequence[PhotoTourResult]) -> PhotoTourRow:
        """The line of some results; one without a training scene stands in both its columns."""
        by_column = {(result.trained_on, result.scene): 100 * result.fpr95 for result in results}
        columns = [
            by_column.get((trained_on, scene), by_column.get((None, scene)))
            for trained_on, scene in COLUMNS
        ]
        known = [figure for figure in columns if figure is not None]
        return cls(name, tuple(columns), fmean(known) if len(known) == len(COLUMNS) else None)


def markdown(rows: Sequence[PhotoTourRow]) -> str:
    """A table of FPR95 in per cent: a line a descriptor, the six columns and their mean."""
    heads = [f"{train} → {test}" for train, test in COLUMNS]
    lines = [
        "| FPR95, % (train → test) | " + " | ".join(heads) + " | mean |",
        "| --- |" + " ---: |" * (len(heads) + 1),
    ]
    for row in rows:
        cells = ["–" if value is None else f"{value:.2f}" for value in (*row.columns, row.mean)]
        lines.append(f"| {row.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
