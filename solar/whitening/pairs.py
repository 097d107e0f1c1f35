"""Which matching pairs of photos a whitening is learned from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from solar.datasets.places import Places

PAIRS_PER_PLACE = 100


def all_pairs(places: Places) -> NDArray[np.int64]:
    """(K, 2) numbers of photos: the pairs that the places name, else any two photos of a place."""
    if places.pairs is not None:
        return places.pairs
    same = [np.flatnonzero(places.places == place) for place in range(len(places.names))]
    return np.concatenate([members[np.argwhere(np.tri(len(members), k=-1))] for members in same])


def matching_pairs(places: Places) -> NDArray[np.int64]:
    """At most `PAIRS_PER_PLACE` pairs of each place, always the same.

    Where the places name pairs, those are taken. Else each photo and the next of its place, in a
    random order and around: the differences of all other pairs are sums of theirs. The number of
    all pairs grows with the square of a place's photos, so a few large places would decide alone.

    Returns:
        (K, 2) numbers of photos.
    """
    random = np.random.default_rng(0)
    if places.pairs is None:
        order, rank, size = _shuffled_within(places.places, random)
        onwards = np.where(rank + 1 < size, 1, 1 - size)
        pairs = np.stack([order, order[np.arange(len(order)) + onwards]], 1)
        # A photo alone has no next one; of two, each is the other's.
        return pairs[(rank < PAIRS_PER_PLACE) & (rank < np.where(size > 2, size, size - 1))]
    order, rank, _ = _shuffled_within(places.places[places.pairs[:, 0]], random)
    return places.pairs[order[rank < PAIRS_PER_PLACE]]


def _shuffled_within(
    groups: NDArray[np.integer], random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Items group by group, shuffled within; each one's rank in its group; its group's size."""
    order = np.lexsort((random.random(len(groups)), groups))
    _, first, counts = np.unique(groups[order], return_index=True, return_counts=True)
    return order, np.arange(len(order)) - np.repeat(first, counts), np.repeat(counts, counts)
