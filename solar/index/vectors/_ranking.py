"""Exact rankings from float16 rows: candidates by a proven margin, ranked in double precision.

Let x be a descriptor, q a query, h the float16 row of x (its numbers divided by 2^15), and s what
single precision makes of the product of h and q. With u = 2^-24, g = D u / (1 - D u) and lengths
|x| <= L and |q|:

    |h - x|  <= 2^-11 |x| + 2^-29 sqrt(D)    each number to the nearest of 11 digits; below 2^-29
                                             float16 is subnormal, and may count as zero
    |s - hq| <= g |h| |q|                    any order of summation, with fused products or without
    |t - xq| <= 2^-23 |x| |q|                t is the score: summed in double precision, D < 2^29,
                                             and rounded to float32

    |s - t|  <= E = |q| ((2^-11 + 2^-23 + g (1 + 2^-10)) L + 2^-28 sqrt(D))

Of the best k rows by s, all have t >= s_k - E. So a row with s < s_k - 2E has t below k others,
ties left out, and all of the best k by t are among the rows with s >= s_k - 2E. Scores are cut off
at 1, where rows that were not equal become so: those count too, hence s >= min(s_k, 1) - 2E.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from solar.index.vectors._best import Floats, Rows
from solar.index.vectors._rows import lengths_of
from solar.index.vectors._scan import Searched, above, best, in_memory

LENGTH = 1.01
"""Which no descriptor's length exceeds, and below whose inverse none is."""

ROUNDED = 2.0**-11
"""How far float16 rows are from the descriptors that they were made of."""

_SELECTED = 8  # Where fewer than one row of so many counts, these are copied before all else.
_ROWS_AT_ONCE = 4096  # Of candidates, ranked in double precision.

Read = Callable[[Rows], Floats]


class OddRow(Exception):
    """A row that was found is no descriptor.

    Attributes:
        row: its number.
        length: that is far from 1, or not finite.
    """

    def __init__(self, row: int, length: float) -> None:
        """Say which."""
        super().__init__(f"row {row} has length {length:.3g} instead of 1")
        self.row, self.length = row, length


def margin(queries: Floats, off: float = 0.0) -> Floats:
    """E (Q,) of some queries (Q, D): how far a rough score may be from the exact one.

    Args:
        queries: of any length.
        off: how far the rows that are searched are from the descriptors, each relative to its
            length; `ROUNDED` for float16 rows of others, 0 where only the summation is rough.
    """
    dimensions = queries.shape[1]
    summed = dimensions * 2.0**-24 / (1 - dimensions * 2.0**-24)
    each = 2.0**-23 + summed * (1 + 2.0**-10) + off
    lengths = np.linalg.norm(queries.astype(np.float64), axis=1)
    found = lengths * (each * LENGTH + 2.0**-28 * dimensions**0.5)
    errors: Floats = np.nextafter(found.astype(np.float32), np.float32(np.inf))
    return errors


def ranked(
    queries: Floats,
    halves: Searched,
    owners: NDArray[np.int64],
    top: int,
    errors: Floats,
    read: Read,
) -> tuple[Floats, NDArray[np.int64]]:
    """The best rows of each query; see `Vectors.search`.

    Args:
        queries: (Q, D).
        halves: (N, D), from which candidates are chosen.
        owners: (N,), see `Vectors.search`.
        top: how many to find.
        errors: (Q,) how far products with `halves` may be from scores.
        read: gives the descriptors of some rows, of which scores are made.

    Raises:
        OddRow: one of these is no descriptor.
    """
    alive = owners >= 0
    count = int(np.count_nonzero(alive))
    top = min(top, count)
    scores = np.empty((len(queries), top), np.float32)
    found = np.empty((len(queries), top), np.int64)
    if scores.size == 0:
        return scores, found
    chosen = None
    if _SELECTED * count < len(owners):
        chosen = np.flatnonzero(alive)
        halves, alive = halves[chosen], np.ones(count, np.bool_)
    halves = in_memory(halves)
    reach = min(top + top // 2 + 32, count)
    candidates, unsure = [], []
    for position, (rows, rough) in enumerate(best(queries, halves, alive, reach)):
        least = least_of(rough[top - 1], errors[position])
        candidates.append(rows[rough >= least])
        if reach < count and rough[-1] >= least:  # It may go on beyond.
            unsure.append((position, least))
    if unsure:
        positions = [position for position, _ in unsure]
        limits = np.array([least for _, least in unsure], np.float32)
        for position, rows in zip(
            positions, above(queries[positions], halves, alive, limits), strict=True
        ):
            candidates[position] = rows
    for position, (query, rows) in enumerate(zip(queries, candidates, strict=True)):
        rows = rows if chosen is None else chosen[rows]
        exact = scores_of(query, rows, read)
        order = np.lexsort((owners[rows], -exact))[:top]
        scores[position], found[position] = exact[order], owners[rows[order]]
    return scores, found


def least_of(last: np.float32, error: np.float32) -> float:
    """The rough score that every row of the best has, by the last of as many rough ones."""
    least = min(float(last), 1.0) - 2 * float(error)
    return float(np.nextafter(np.float32(least), np.float32(-np.inf)))


def scores_of(query: Floats, rows: Rows, read: Read) -> Floats:
    """Inner products (K,) summed in double precision, equal for equal rows, at most 1."""
    scores = np.empty(len(rows), np.float32)
    precise = query.astype(np.float64)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        descriptors = read(rows[part])
        lengths = lengths_of(descriptors)
        odd = ~((lengths < LENGTH) & (lengths > 1 / LENGTH))  # NaN as well.
        if odd.any():
            which = int(np.argmax(odd))
            raise OddRow(int(rows[part][which]), float(lengths[which]))
        scores[part] = (descriptors * precise).sum(axis=1)
    return np.clip(scores, -1, 1, out=scores)
