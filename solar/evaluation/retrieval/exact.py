"""Exact places of the labelled photos in a ranking that is never sorted, in one pass of blocks.

Every score is computed without rounding, so it depends neither on the size of the blocks nor on
the linear algebra library, its threads or its order of summation: components are multiples of
2^-26 (which all float16 numbers below 1 are, and to which float32 descriptors are rounded as they
are exported), products are multiples of 2^-52, and the sums of a unit descriptor's products stay
below 2, so float64 with its 53 bits holds each of them exactly. Equal scores are therefore truly
equal, and the photo that stands first in the database wins, as in a stable sort; distractors stand
after the database. A full sort of float64 products of the exported descriptors gives the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solar.datasets.ground_truth import Positions
from solar.errors import SolarError
from solar.evaluation.retrieval.metrics import Placed
from solar.extraction.shards import on_grid

Descriptors = NDArray[np.floating]

_MAX_BLOCK = 8192
_MAX_SCORES = 2**23


@dataclass(frozen=True, eq=False)
class Ranked:
    """What one pass over the database and its distractors found.

    Attributes:
        placed: per query, the places of its labelled photos among all.
        top: (Q, K) positions of the best, best first; distractors count on from the database.
        top_scores: (Q, K) float64, their scores.
        total: how many photos were ranked.
    """

    placed: list[Placed]
    top: NDArray[np.int64]
    top_scores: NDArray[np.float64]
    total: int


def rank(
    queries: Descriptors,
    database: Descriptors,
    labelled: Sequence[Positions],
    distractors: Iterable[Descriptors] = (),
    *,
    dimensions: int | None = None,
    top: int = 0,
) -> Ranked:
    """Place the labelled photos exactly where a full stable sort by score would.

    Args:
        queries: (Q, D) unit rows.
        database: (N, D) unit rows.
        labelled: per query, the sorted database positions to be placed.
        distractors: blocks of (n, D) unit rows, read once and in order.
        dimensions: use the first of them only, normalised again; None for all.
        top: how many of the best to name per query.

    Raises:
        SolarError: a row is not of unit length, or sizes differ.
    """
    tally = _Tally(_checked(queries, dimensions, "queries"), database, labelled, dimensions, top)
    for rows in _blocks(database, tally.block):
        tally.add(rows, "database")
    for number, block in enumerate(distractors):
        for rows in _blocks(block, tally.block):
            tally.add(rows, f"distractors, block {number}")
    return Ranked(tally.placed(), tally.top_positions, tally.top_scores, tally.seen)


def scores(
    queries: Descriptors, database: Descriptors, dimensions: int | None = None
) -> NDArray[np.float64]:
    """All (Q, N) scores, the very numbers that ``rank`` compares."""
    rows = _checked(queries, dimensions, "queries")
    columns = _checked(database, dimensions, "database")
    product: NDArray[np.float64] = rows @ columns.T
    return product


def _checked(
    rows: Descriptors,
    dimensions: int | None,
    source: str,
    buffer: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """The rows in float64 on the grid, cut to the first dimensions and normalised where asked."""
    if rows.ndim != 2 or (dimensions is not None and not 1 <= dimensions <= rows.shape[1]):
        raise SolarError(
            f"{source}: no {dimensions} dimensions in descriptors of shape {rows.shape}"
        )
    exact = np.empty(rows.shape) if buffer is None else buffer[: len(rows)]
    np.copyto(exact, rows)
    squares = np.einsum("nd,nd->n", exact, exact)
    unit = np.abs(squares - 1) < 0.02
    if not unit.all():
        wrong = int(np.argmin(unit))
        raise SolarError(
            f"{source}: row {wrong} has length {squares[wrong] ** 0.5:.4g}, descriptors have 1"
        )
    if dimensions is not None and dimensions < rows.shape[1]:
        cut = on_grid(exact[:, :dimensions])
        return on_grid(cut / np.maximum(np.linalg.norm(cut, axis=1, keepdims=True), 1e-12))
    return exact if rows.dtype == np.float16 else on_grid(exact)


class _Tally:
    """Counts, per query, the photos that stand before each labelled one, block by block."""

    def __init__(
        self,
        queries: NDArray[np.float64],
        database: Descriptors,
        labelled: Sequence[Positions],
        dimensions: int | None,
        top: int,
    ) -> None:
        self.queries, self.labelled, self.dimensions = queries, labelled, dimensions
        self.block = int(np.clip(_MAX_SCORES // max(len(queries), 1), 64, _MAX_BLOCK))
        self.seen = 0
        self.before = [np.zeros(len(positions), np.int64) for positions in labelled]
        self.targets = [
            _checked(database[positions], dimensions, "database") @ query
            for query, positions in zip(queries, labelled, strict=True)
        ]
        self.top_positions = np.empty((len(queries), 0), np.int64)
        self.top_scores = np.empty((len(queries), 0))
        self.top = top
        self.buffer = np.empty((self.block, database.shape[1]))

    def add(self, rows: Descriptors, source: str) -> None:
        if rows.ndim != 2 or rows.shape[1] != self.buffer.shape[1]:
            raise SolarError(
                f"{source}: descriptors of shape {rows.shape}, "
                f"the database has {self.buffer.shape[1]} dimensions"
            )
        exact = _checked(rows, self.dimensions, source, self.buffer)
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

    def placed(self) -> list[Placed]:
        return [
            Placed(positions, places)
            for positions, places in zip(self.labelled, self.before, strict=True)
        ]


def _blocks(rows: Descriptors, size: int) -> Iterator[Descriptors]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
