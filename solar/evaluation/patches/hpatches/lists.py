"""The task lists of HPatches, sampled as the benchmark samples them.

The benchmark (hpatches/hpatches-benchmark, `python/utils/tasks.py`) samples its lists with NumPy's
legacy generator and seed 42, one call after another. `numpy.random.RandomState` is frozen, so the
same sequences in the same order give the published lists; the order of the calls below matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from solar.errors import UsageError

SEED = 42
# As many times more are sampled, before flat and repeated patches are dropped.
_SPARE_QUERIES, _SPARE_DISTRACTORS = 4, 10
# Pairs come from the reference and images 1 to 4; the benchmark never takes image 5.
PAIR_IMAGES = 5

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ListSizes:
    """How much is sampled; other sizes than the published ones give other lists and figures.

    Attributes:
        pairs: of each list of the verification task.
        queries: of the retrieval task, at most.
        distractors: of the retrieval task, at most.
    """

    pairs: int = 1_000_000
    queries: int = 10_000
    distractors: int = 20_000


PUBLISHED_SIZES = ListSizes()


@dataclass(frozen=True)
class PairList:
    """Pairs of patches.

    Attributes:
        sequence: (P, 2) numbers of sequences, in the order of the split.
        image: (P, 2) 0 for the reference, 1 to 4 for the others.
        patch: (P, 2) numbers of patches.
    """

    sequence: IntArray
    image: IntArray
    patch: IntArray

    def __len__(self) -> int:
        return len(self.sequence)


@dataclass(frozen=True)
class VerificationLists:
    """Positive pairs, and negatives within one sequence and between any two.

    The second patch of `inter` is sampled freely, as the benchmark does: now and then it is of the
    same sequence, or even the same patch.
    """

    positive: PairList
    intra: PairList
    inter: PairList


@dataclass(frozen=True)
class PatchList:
    """Patches of reference images: (Q,) numbers of sequences, and (Q,) of patches."""

    sequence: IntArray
    patch: IntArray

    def __len__(self) -> int:
        return len(self.sequence)


@dataclass(frozen=True)
class RetrievalLists:
    """Queries and distractors; none is in both."""

    queries: PatchList
    distractors: PatchList


def verification_lists(
    lengths: Sequence[int], pairs: int = PUBLISHED_SIZES.pairs
) -> VerificationLists:
    """Sample the pairs of the verification task.

    Args:
        lengths: patches of every test sequence, in the order of the split; each 2 or more.
        pairs: of each list; takes about 20 µs a pair.

    Raises:
        UsageError: a sequence has fewer than two patches.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    if len(sizes) == 0 or sizes.min() < 2:
        raise UsageError("the verification task needs sequences of two patches or more")
    random = np.random.RandomState(SEED)
    sequence = random.choice(len(sizes), pairs)
    patch = _two_of_each(random, sizes[sequence])
    image = _two_of_each(random, np.full(pairs, PAIR_IMAGES))
    other = random.choice(len(sizes), pairs)
    other_patch = random.randint(sizes[other])
    same = np.column_stack([sequence, sequence])
    return VerificationLists(
        positive=PairList(same, image, patch[:, [0, 0]]),
        intra=PairList(same, image, patch),
        inter=PairList(
            np.column_stack([sequence, other]), image, np.column_stack([patch[:, 0], other_patch])
        ),
    )


def retrieval_lists(
    textured: Sequence[npt.NDArray[np.bool_]],
    queries: int = PUBLISHED_SIZES.queries,
    distractors: int = PUBLISHED_SIZES.distractors,
) -> RetrievalLists:
    """Sample the queries and distractors of the retrieval task.

    Args:
        textured: for every test sequence, in the order of the split, which patches of its
            reference image have a standard deviation above 10; flat ones are not taken.
        queries: how many at most.
        distractors: how many at most.

    Raises:
        UsageError: a sequence is empty, or no textured patch is left for a list.
    """
    sizes = np.array([len(mask) for mask in textured], dtype=np.int64)
    if len(sizes) == 0 or sizes.min() < 1:
        raise UsageError("the retrieval task needs sequences with patches")
    random = np.random.RandomState(SEED)
    all_queries = _sample(random, sizes, _SPARE_QUERIES * queries)
    all_distractors = _sample(random, sizes, _SPARE_DISTRACTORS * distractors)
    flags = np.concatenate(textured)
    asked = _first_of_each(all_queries[flags[all_queries]])[:queries]
    others = _first_of_each(all_distractors[flags[all_distractors]])
    others = others[~np.isin(others, asked)][:distractors]
    if len(asked) == 0 or len(others) == 0:
        raise UsageError("the retrieval task needs more textured patches than its queries take")
    return RetrievalLists(_patch_list(asked, sizes), _patch_list(others, sizes))


def _two_of_each(random: np.random.RandomState, sizes: IntArray) -> IntArray:
    """(P, 2): two different numbers below each size, as `choice(size, 2, replace=False)`."""
    result = np.empty((len(sizes), 2), np.int64)
    for row, size in enumerate(sizes.tolist()):
        result[row] = random.permutation(size)[:2]
    return result


def _sample(random: np.random.RandomState, sizes: IntArray, count: int) -> IntArray:
    """Numbers of patches, counted through all sequences."""
    starts = np.cumsum(sizes) - sizes
    sequence = random.choice(len(sizes), count)
    return np.asarray(starts[sequence] + random.randint(sizes[sequence]), dtype=np.int64)


def _first_of_each(numbers: IntArray) -> IntArray:
    """Without repeats, in order of first appearance."""
    return numbers[np.sort(np.unique(numbers, return_index=True)[1])]


def _patch_list(numbers: IntArray, sizes: IntArray) -> PatchList:
    ends = np.cumsum(sizes)
    sequence = np.searchsorted(ends, numbers, side="right")
    return PatchList(sequence, numbers - (ends - sizes)[sequence])
