"""Exact places of the labelled photos in a ranking that is never sorted, in one pass of blocks.

Every score is computed without rounding, so it depends neither on the size of the blocks nor on
the linear algebra library, its threads or its order of summation: components are multiples of
2^-26 (which all float16 numbers below 1 are, and to which float32 descriptors are rounded as they
are kept), products are multiples of 2^-52, and the sums of a unit descriptor's products stay
below 2, so float64 with its 53 bits holds each of them exactly. Equal scores are therefore truly
equal, and the photo that stands first in the database wins, as in a stable sort; distractors stand
after the database. A full sort of float64 products of the kept descriptors gives the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from solar.errors import SolarError
from solar.extraction.shard import on_grid
from solar.ranking import Ranking
from solar.typing import Ids
from solar.unit import of_unit_length

Rows = NDArray[np.floating]

_MAX_BLOCK = 8192
_MAX_SCORES = 2**23


def rank(
    queries: Rows,
    database: Rows,
    labelled: Sequence[Ids],
    distractors: Iterable[Rows] = (),
    *,
    top: int = 0,
) -> list[Ranking]:
    """Rank the database exactly as a full stable sort by score would.

    Args:
        queries: (Q, D) unit rows.
        database: (N, D) unit rows.
        labelled: per query, the sorted rows of the database whose places are wanted.
        distractors: blocks of (n, D) unit rows, read once and in order.
        top: how many of the best to find per query.

    Returns:
        Per query, the best and the labelled photos. Ids are rows of the database; distractors
        count on from it.

    Raises:
        SolarError: a row is not of unit length, or sizes differ.
    """
    tally = _Tally(_checked(queries, "queries"), database, labelled, top)
    for rows in _blocks(database, tally.block):
        tally.add(rows, "database")
    for number, block in enumerate(distractors):
        for rows in _blocks(block, tally.block):
            tally.add(rows, f"distractors, block {number}")
    return [tally.ranking(query) for query in range(len(queries))]


def cut(rows: Rows, dimensions: int | None) -> Rows:
    """The first of some dimensions (N, D), normalised again; None for the rows as they are.

    Raises:
        SolarError: there are not so many.
    """
    if dimensions is None or dimensions == rows.shape[1]:
        return rows
    if not 1 <= dimensions <= rows.shape[1]:
        raise SolarError(f"no {dimensions} dimensions in descriptors of shape {rows.shape}")
    part = on_grid(rows[:, :dimensions])
    unit = of_unit_length(part)
    return on_grid(unit).astype("f4")


def _checked(
    rows: Rows, source: str, buffer: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """The rows in float64 on the grid."""
    if rows.ndim != 2:
        raise SolarError(f"{source}: descriptors of shape {rows.shape}, not (N, D)")
    exact = np.empty(rows.shape) if buffer is None else buffer[: len(rows)]
    np.copyto(exact, rows)
    squares = np.einsum("nd,nd->n", exact, exact)
    unit = np.abs(squares - 1) < 0.02
    if not unit.all():
        wrong = int(np.argmin(unit))
        raise SolarError(
            f"{source}: row {wrong} has length {squares[wrong] ** 0.5:.4g}, descriptors have 1"
        )
    return exact if rows.dtype == np.float16 else on_grid(exact)


class _Tally:
    """Counts, per query, the photos that stand before each labelled one, block by block."""

    def __init__(
        self, queries: NDArray[np.float64], database: Rows, labelled: Sequence[Ids], top: int
    ) -> None:
        self.queries, self.labelled = queries, labelled
        self.block = int(np.clip(_MAX_SCORES // max(len(queries), 1), 64, _MAX_BLOCK))
        self.seen = 0
        self.before = [np.zeros(len(positions), np.int64) for positions in labelled]
        self.targets = [
            _checked(database[positions], "database") @ query
            for query, positions in zip(queries, labelled, strict=True)
        ]
        self.top_positions = np.empty((len(queries), 0), np.int64)
        self.top_scores = np.empty((len(queries), 0))
        self.top = top
        self.buffer = np.empty((self.block, database.shape[1]))

    def add(self, rows: Rows, source: str) -> None:
        if rows.ndim != 2 or rows.shape[1] != self.buffer.shape[1]:
            raise SolarError(
                f"{source}: descriptors of shape {rows.shape}, "
                f"the database has {self.buffer.shape[1]} dimensions"
            )
        exact = _checked(rows, source, self.buffer)
        block = self.queries @ exact.T
        if self.top:
            self.keep_best(block)
        for query, row in enumerate(block):
            self.count(query, row)
        self.seen += len(rows)

    def count(self, query: int, row: NDArray[np.float64]) -> None:
        targets, positions = self.targets[query], self.labelled[query]
        ordered = np.sort(row)
        better = len(row) - np.searchsorted(ordered, targets, "right")
        level = len(row) - np.searchsorted(ordered, targets, "left") - better
        # A photo of equal score stands before only if it comes first in the database.
        after = np.clip(positions - self.seen, 0, len(row))
        for i in np.flatnonzero((level > 0) & (after < len(row))):
            level[i] = np.count_nonzero(row[: after[i]] == targets[i])
        self.before[query] += better + level

    def keep_best(self, block: NDArray[np.float64]) -> None:
        width = min(self.top, block.shape[1])
        least = np.partition(block, -width, axis=1)[:, -width]
        kept_scores, kept_positions = [], []
        for query, row in enumerate(block):
            candidates = np.flatnonzero(row >= least[query])
            values = np.concatenate([self.top_scores[query], row[candidates]])
            positions = np.concatenate([self.top_positions[query], candidates + self.seen])
            best = np.argsort(-values, kind="stable")[: self.top]
            kept_scores.append(values[best])
            kept_positions.append(positions[best])
        self.top_scores, self.top_positions = np.stack(kept_scores), np.stack(kept_positions)

    def ranking(self, query: int) -> Ranking:
        """The best, and the labelled ones further down."""
        best, beyond = self.top_positions[query], self.before[query] >= self.top_positions.shape[1]
        order = np.argsort(self.before[query][beyond])
        ids, scores, places = (
            np.concatenate([first, others[beyond][order]])
            for first, others in (
                (best, self.labelled[query]),
                (self.top_scores[query], self.targets[query]),
                (np.arange(len(best)), self.before[query]),
            )
        )
        return Ranking(ids, scores.astype(np.float32), places)


def _blocks(rows: Rows, size: int) -> Iterator[Rows]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
