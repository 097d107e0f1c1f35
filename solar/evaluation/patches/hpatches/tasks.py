"""The three tasks of HPatches (Balntas, Lenc et al., CVPR 2017), from descriptors.

Defined as the benchmark's Python code computes them (hpatches/hpatches-benchmark,
`python/utils/tasks.py` and `metrics.py`), written anew from that definition. Descriptors come as
one array (16, N, D) a sequence, its strips in the order of `solar.datasets.patches.hpatches.KINDS`;
distances are Euclidean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import numpy.typing as npt

from solar.datasets.patches.hpatches import KINDS, NOISES, kind_of
from solar.evaluation.average_precision import ranked_average_precision
from solar.evaluation.patches.hpatches.lists import (
    PAIR_IMAGES,
    PairList,
    RetrievalLists,
    VerificationLists,
)
from solar.evaluation.patches.metrics import roc_auc, verification_ap
from solar.matching.nearest import nearest, squared_distances
from solar.typing import Descriptors

POOLS = (100, 500, 1000, 5000, 10_000, 15_000, 20_000)
_POSITIVES = 5  # a query's patch in images 1 to 5
_ROWS = 16_384  # pairs at a time
_QUERIES = 128  # queries at a time

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class VerificationResult:
    """Verification of one descriptor.

    Attributes:
        auc: balanced ROC AUC, 0 to 1, by noise and by "intra" or "inter" negatives.
        ap: imbalanced average precision, likewise.
        pairs: of each list.
    """

    auc: dict[str, dict[str, float]]
    ap: dict[str, dict[str, float]]
    pairs: int

    @property
    def mean_auc(self) -> float:
        """Mean over noises and kinds of negatives."""
        return fmean(value for kinds in self.auc.values() for value in kinds.values())

    @property
    def mean_ap(self) -> float:
        """Mean over noises and kinds of negatives: the published "verification" figure."""
        return fmean(value for kinds in self.ap.values() for value in kinds.values())

    def to_json(self) -> dict[str, object]:
        """Plain values, with the means."""
        means = {"mean_ap": self.mean_ap, "mean_auc": self.mean_auc, "pairs": self.pairs}
        return {**means, "imbalanced_ap": self.ap, "balanced_auc": self.auc}


@dataclass(frozen=True)
class MatchingResult:
    """Matching of one descriptor.

    Attributes:
        ap: average precision, 0 to 1, by sequence and noise, of images 1 to 5.
    """

    ap: dict[str, dict[str, list[float]]]

    def map_of(self, noise: str, change: str | None = None) -> float:
        """Mean AP of a noise over the sequences of a change.

        Args:
            noise: "easy", "hard" or "tough".
            change: "i" for illumination, "v" for viewpoint; None for the mean of those present,
                each counted once however many sequences it has, as the benchmark does.
        """
        if change is None:
            return fmean(self.map_of(noise, present) for present in self.changes)
        return fmean(fmean(noises[noise]) for name, noises in self.ap.items() if name[0] == change)

    @property
    def changes(self) -> list[str]:
        """First letters of the sequences' names, in alphabetical order."""
        return sorted({name[0] for name in self.ap})

    @property
    def mean_ap(self) -> float:
        """Mean over noises and changes: the published "matching" figure."""
        return fmean(self.map_of(noise) for noise in NOISES)

    @property
    def mean_ap_of_sequences(self) -> float:
        """Mean over all sequences and noises alike, of whatever change."""
        return fmean(value for noises in self.ap.values() for ap in noises.values() for value in ap)

    def to_json(self) -> dict[str, object]:
        """Plain values, with the means."""
        means = {"mean_ap": self.mean_ap, "mean_ap_of_sequences": self.mean_ap_of_sequences}
        return {**means, "map": {noise: self.map_of(noise) for noise in NOISES}, "ap": self.ap}


@dataclass(frozen=True)
class RetrievalResult:
    """Retrieval of one descriptor.

    Attributes:
        map: mAP, 0 to 1, by noise and pool size.
        queries: how many were asked.
        distractors: how many there were.
    """

    map: dict[str, dict[int, float]]
    queries: int
    distractors: int

    def map_of(self, noise: str) -> float:
        """Mean over the pool sizes."""
        return fmean(self.map[noise].values())

    @property
    def mean_ap(self) -> float:
        """Mean over noises and pool sizes: the published "retrieval" figure."""
        return fmean(self.map_of(noise) for noise in self.map)

    def to_json(self) -> dict[str, object]:
        """Plain values, with the mean."""
        by_size = {n: {str(size): ap for size, ap in by.items()} for n, by in self.map.items()}
        counts = {"queries": self.queries, "distractors": self.distractors}
        return {"mean_ap": self.mean_ap, **counts, "map": by_size}


def verification(
    descriptors: Sequence[Descriptors], lists: VerificationLists
) -> VerificationResult:
    """Tell pairs of the same patch from pairs of different ones, by distance.

    Balanced: area under the ROC curve with all pairs. Imbalanced: average precision of the first
    fifth of the positives among all negatives (0.2 million to 1 million). In a tie the negative
    comes first.

    Args:
        descriptors: (16, N, D) of every test sequence, in the order of the split.
        lists: of these sequences.
    """
    auc: dict[str, dict[str, float]] = {}
    ap: dict[str, dict[str, float]] = {}
    lengths = np.array([strips.shape[1] for strips in descriptors])
    for noise in NOISES:
        table = _pair_table(descriptors, noise)
        positive = _pair_distances(table, lengths, lists.positive)
        few = positive[: len(positive) // 5]
        auc[noise], ap[noise] = {}, {}
        for kind, pairs in (("intra", lists.intra), ("inter", lists.inter)):
            negative = _pair_distances(table, lengths, pairs)
            auc[noise][kind] = roc_auc(positive, negative)
            ap[noise][kind] = verification_ap(few, negative)
    return VerificationResult(auc, ap, len(lists.positive))


def matching(names: Sequence[str], descriptors: Sequence[Descriptors]) -> MatchingResult:
    """Match the reference patches of each sequence to those of images 1 to 5.

    Every reference patch takes its nearest patch in the other image (the first of equals). The
    matches are ranked by distance; one is right if it is the same patch. AP counts all reference
    patches as positives, so that a wrong nearest neighbour costs recall.

    Args:
        names: of the test sequences.
        descriptors: (16, N, D) of each.
    """
    ap: dict[str, dict[str, list[float]]] = {}
    for name, strips in zip(names, descriptors, strict=True):
        ap[name] = {}
        reference = strips[0]
        own = np.arange(len(reference))
        for noise in NOISES:
            ap[name][noise] = []
            for image in range(1, 6):
                found, distance = nearest(reference, _strip(strips, noise, image))
                value = ranked_average_precision(distance, found == own, len(own))
                ap[name][noise].append(value)
    return MatchingResult(ap)


def retrieval(
    descriptors: Sequence[Descriptors],
    lists: RetrievalLists,
    pools: Sequence[int] = POOLS,
) -> RetrievalResult:
    """Find a reference patch's five other views in pools of growing size.

    A query's pool of size k is its five positives (images 1 to 5 of one noise) and the first
    k - 5 distractors from other sequences, fewer if there are no more. In a tie the positive
    comes first.

    Args:
        descriptors: (16, N, D) of every test sequence, in the order of the split.
        lists: of these sequences.
        pools: sizes, ascending, each above 5.
    """
    sums = {noise: np.zeros(len(pools)) for noise in NOISES}
    queries, others = lists.queries, lists.distractors
    pool = np.stack(
        [descriptors[s][0, p] for s, p in zip(others.sequence, others.patch, strict=True)]
    )
    for sequence in np.unique(queries.sequence):
        strips = descriptors[sequence]
        allowed = pool[others.sequence != sequence]
        patches = queries.patch[queries.sequence == sequence]
        for start in range(0, len(patches), _QUERIES):
            rows = patches[start : start + _QUERIES]
            asked = strips[0, rows]
            negative = squared_distances(asked, allowed)
            for noise in NOISES:
                positive = _positive_distances(asked, strips[:, rows], noise)
                sums[noise] += _pool_aps(positive, negative, pools).sum(axis=0)
    mean = {
        noise: {
            size: float(total / len(queries)) for size, total in zip(pools, values, strict=True)
        }
        for noise, values in sums.items()
    }
    return RetrievalResult(mean, len(queries), len(others))


def _strip(strips: Descriptors, noise: str, image: int) -> Descriptors:
    return np.asarray(strips[KINDS.index(kind_of(noise, image))])


def _pair_table(descriptors: Sequence[Descriptors], noise: str) -> Descriptors:
    """All descriptors that pairs of a noise may name, one row each: sequence, image, patch."""
    kinds = [KINDS.index(kind_of(noise, image)) for image in range(PAIR_IMAGES)]
    return np.concatenate([strips[kinds].reshape(-1, strips.shape[-1]) for strips in descriptors])


def _pair_distances(
    table: Descriptors, lengths: npt.NDArray[np.int64], pairs: PairList
) -> FloatArray:
    """(P,) distances of pairs of rows of the table."""
    starts = PAIR_IMAGES * (np.cumsum(lengths) - lengths)
    rows = starts[pairs.sequence] + pairs.image * lengths[pairs.sequence] + pairs.patch
    distances = np.empty(len(pairs))
    for start in range(0, len(pairs), _ROWS):
        first, second = rows[start : start + _ROWS].T
        difference = table[first].astype(np.float64) - table[second]
        distances[start : start + _ROWS] = np.sqrt((difference**2).sum(axis=1))
    return distances


def _positive_distances(asked: Descriptors, views: Descriptors, noise: str) -> FloatArray:
    """(Q, 5) squared distances of queries (Q, D) to their other views (16, Q, D), ascending."""
    columns = []
    for image in range(1, 6):
        difference = asked.astype(np.float64) - _strip(views, noise, image)
        columns.append((difference**2).sum(axis=1))
    return np.sort(np.round(np.column_stack(columns), 12), axis=1)


def _pool_aps(positive: FloatArray, negative: FloatArray, pools: Sequence[int]) -> FloatArray:
    """(Q, pools) AP of positives (Q, 5), ascending, among the first distractors of (Q, M)."""
    ends = [min(size - _POSITIVES, negative.shape[1]) for size in pools]
    result = np.zeros((len(positive), len(pools)))
    for j in range(_POSITIVES):  # the sum of `average_precision`, for all queries at once
        nearer = negative < positive[:, j : j + 1]
        before = np.zeros(len(positive))
        start = 0
        for column, end in enumerate(ends):
            before = before + nearer[:, start:end].sum(axis=1)
            start = end
            left = np.divide(j, j + before, out=np.ones(len(before)), where=before > 0)
            result[:, column] += (left + (j + 1) / (j + 1 + before)) / (2 * _POSITIVES)
    return result
