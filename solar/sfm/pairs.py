"""Which photos are matched with which: those whose descriptors are nearest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from solar.index import Index

_AT_ONCE = 256

Pair = tuple[int, int]


def pairs_of(index: Index, ids: Sequence[int], top: int) -> list[Pair]:
    """Each photo with its nearest, no pair twice.

    Args:
        index: that holds the photos.
        ids: of those that are matched, rising.
        top: how many of the nearest each is paired with.

    Returns:
        Positions among `ids`: of each photo, in order, the pairs that no photo before it gave,
        nearest first.

    Raises:
        UsageError: `top` is not positive.
    """
    near = _searched(index, ids, top) if len(ids) == len(index) else _compared(index, ids, top)
    pairs: dict[Pair, None] = {}
    for mine, others in enumerate(near):
        for other in others:
            if (other, mine) not in pairs:
                pairs[mine, other] = None
    return list(pairs)


def _searched(index: Index, ids: Sequence[int], top: int) -> Iterator[list[int]]:
    """The nearest of each, as the index finds them."""
    position = {number: row for row, number in enumerate(ids)}
    for start in range(0, len(ids), _AT_ONCE):
        for ranking in index.neighbours(ids[start : start + _AT_ONCE], top):
            yield [position[other] for other in ranking.ids.tolist()]


def _compared(index: Index, ids: Sequence[int], top: int) -> Iterator[list[int]]:
    """The nearest of each among some photos of an index, which are all compared."""
    rows = index.descriptors(ids)
    for start in range(0, len(ids), _AT_ONCE):
        scores = rows[start : start + _AT_ONCE] @ rows.T
        mine = np.arange(len(scores))
        scores[mine, start + mine] = -np.inf
        best = np.argsort(-scores, axis=1, kind="stable")[:, : min(top, len(ids) - 1)]
        yield from best.tolist()
