"""What an epoch of training sees: pairs of photos of one place, and a pool to mine negatives from.

As in the published procedure, drawn anew for each epoch, by random permutations: no pair is used
twice before all were used once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solar.errors import UsageError


@dataclass(frozen=True, eq=False)
class Draw:
    """Photo numbers of one epoch.

    Attributes:
        queries: (Q,).
        positives: (Q,), each another photo of its query's place.
        pool: (P,), all different, of any place.
    """

    queries: NDArray[np.int64]
    positives: NDArray[np.int64]
    pool: NDArray[np.int64]


def draw_epoch(
    places: NDArray[np.int32],
    pairs: NDArray[np.int64] | None,
    queries: int,
    pool: int,
    random: np.random.Generator,
) -> Draw:
    """Draw queries, their positives and the pool of an epoch.

    With pairs, they are drawn uniformly; without, queries are drawn uniformly from the photos that
    share their place with another, and each one's positive uniformly from these others. Where there
    are fewer pairs or photos than asked for, all there are.

    Args:
        places: (N,), the place of each photo.
        pairs: (K, 2) numbers of a query and its positive, or None.
        queries: how many to draw.
        pool: how many photos to draw for the pool.
        random: the only source of chance.

    Raises:
        UsageError: there is no pair to draw, or a pair names no photo or joins two places.
    """
    if queries < 1 or pool < 1:
        raise UsageError(f"{queries} queries and a pool of {pool} photos: need at least 1 of each")
    if pairs is None:
        drawn, positives = _from_places(places, queries, random)
    else:
        drawn, positives = _from_pairs(places, pairs, queries, random)
    return Draw(drawn, positives, random.permutation(len(places))[:pool])


def _from_pairs(
    places: NDArray[np.int32], pairs: NDArray[np.int64], count: int, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not len(pairs):
        raise UsageError(f"need (K, 2) pairs of photo numbers to train on, not {pairs.shape}")
    if pairs.min() < 0 or pairs.max() >= len(places):
        raise UsageError(f"pairs name photos {pairs.min()} to {pairs.max()} of {len(places)}")
    apart = np.flatnonzero(places[pairs[:, 0]] != places[pairs[:, 1]])
    if len(apart):
        # The positive of one could be mined as its own negative.
        raise UsageError(f"pair {apart[0]}: {pairs[apart[0]].tolist()} show two different places")
    chosen = pairs[random.permutation(len(pairs))[:count]].astype(np.int64)
    return chosen[:, 0], chosen[:, 1]


def _from_places(
    places: NDArray[np.int32], count: int, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    order = np.argsort(places, kind="stable")  # photos of a place stand together
    _, first, sizes = np.unique(places[order], return_index=True, return_counts=True)
    first, sizes = np.repeat(first, sizes), np.repeat(sizes, sizes)  # (N,), along the order
    partnered = np.flatnonzero(sizes > 1)
    if not len(partnered):
        raise UsageError(
            f"none of the {len(places)} photos shares its place with another: "
            "training needs places with two photos or more"
        )
    at = random.permutation(partnered)[:count]
    onwards = random.integers(1, sizes[at])  # steps around the place, never back to the query
    positives = first[at] + (at - first[at] + onwards) % sizes[at]
    return order[at], order[positives]
