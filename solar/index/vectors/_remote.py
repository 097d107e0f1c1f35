"""Rows of a collection, to read and to search; see `solar.index.vectors.milvus`."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solar.errors import IndexDamaged
from solar.index.vectors._address import Address
from solar.index.vectors._collection import DESCRIPTOR, MOST, ROW, batch_rows
from solar.index.vectors._ranking import least_of, margin, scores_of
from solar.index.vectors._server import Collection

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

SETTLED = 10.0
"""Seconds after which all servers have what was there before.

Milvus promises that to every search that does not ask for more (`common.gracefulTime`, 5 s).
"""

_QUERIES, _ANSWERS = 1000, 1 << 18  # At once.
_LEAST_EFFORT, _PROBES = 128, 64  # Of HNSW, and of IVF.


class MilvusVectors:
    """The rows of a commit; see `Vectors`."""

    def __init__(self, folder: Path, address: Address | None, dimensions: int, rows: int) -> None:
        """Use a collection; None if there are no rows."""
        self._folder, self._address = folder, address
        self._dimensions, self._rows = dimensions, rows
        self._lock, self._settled = threading.Lock(), 0.0

    def __len__(self) -> int:
        return self._rows

    @cached_property
    def _collection(self) -> Collection:
        """The collection, once it was seen to hold all rows."""
        assert self._address is not None  # noqa: S101
        collection = Collection.at(self._address, self._folder)
        asked: dict[str, Any] = {"filter": f"{ROW} < {self._rows}", "output_fields": ["count(*)"]}
        ((found),) = collection.ask("query", **asked, consistency_level="Strong")
        if int(found["count(*)"]) < self._rows:
            raise IndexDamaged(
                f"collection {collection.name} on {collection.server.uri} was cut short: it holds "
                f"{found['count(*)']} rows where the catalogue says {self._rows}; restore it from "
                "a copy, or describe the photos again",
                self._folder,
            )
        self._settled = time.monotonic() + SETTLED
        return collection

    def _ask(self, what: str, **given: Any) -> Any:
        with self._lock:
            collection = self._collection
        return collection.ask(what, **given, consistency_level=self._level)

    @property
    def _level(self) -> str:
        """As strict as it must be for every row of the commit to be seen, and no stricter."""
        return "Strong" if time.monotonic() < self._settled else "Bounded"

    def read(self, rows: Ids) -> Floats:
        """See `Vectors.read`; not a number where the server has no such row."""
        found = np.full((len(rows), self._dimensions), np.nan, np.float32)
        if not len(rows):
            return found
        wanted = np.unique(rows)
        kept = np.full((len(wanted), self._dimensions), np.nan, np.float32)
        step = batch_rows(self._dimensions)
        for start in range(0, len(wanted), step):
            part = f"{ROW} in {wanted[start : start + step].tolist()}"
            for each in self._ask("query", filter=part, output_fields=[ROW, DESCRIPTOR]):
                kept[np.searchsorted(wanted, each[ROW])] = each[DESCRIPTOR]
        return kept[np.searchsorted(wanted, rows)]

    def damaged(self, rows: Ids) -> NDArray[np.bool_]:
        """See `Vectors.damaged`."""
        return np.zeros(len(rows), np.bool_)

    def lengths(self, start: int) -> Floats:
        """See `Vectors.lengths`; 1: those that are found are looked at, and `verify` reads all."""
        return np.ones(max(self._rows - start, 0), np.float32)

    def search(self, queries: Floats, owners: Ids, top: int) -> tuple[Floats, Ids]:
        """See `Vectors.search`."""
        alive = np.flatnonzero(owners >= 0)
        top = min(top, len(alive))
        scores = np.empty((len(queries), top), np.float32)
        ids = np.empty((len(queries), top), np.int64)
        if scores.size == 0:
            return scores, ids
        candidates = self._candidates(queries, alive, top)
        held, where = np.unique(np.concatenate(candidates), return_inverse=True)
        descriptors, start = self.read(held), 0
        for position, rows in enumerate(candidates):
            mine = descriptors[where[start : start + len(rows)]]
            start += len(rows)
            found = scores_of(queries[position], rows, partial(_of, rows, mine))
            order = np.lexsort((owners[rows], -found))[:top]
            scores[position], ids[position] = found[order], owners[rows[order]]
        return scores, ids

    def _candidates(self, queries: Floats, alive: Ids, top: int) -> list[Ids]:
        """For each query rows, rising, among which the best are."""
        errors, found = margin(queries), [alive] * len(queries)
        reach, waiting = min(top + top // 2 + 32, len(alive)), np.arange(len(queries))
        while len(waiting):
            filters, limit, whole = filters_of(alive, self._rows, reach)
            again = []
            answers = self._near(queries[waiting], filters, limit, alive)
            for position, (rows, rough) in zip(waiting.tolist(), answers, strict=True):
                if len(rows) < top:
                    again.append(position)
                    continue
                least = least_of(rough[top - 1], errors[position])
                if whole or reach == MOST or rough[-1] < least:
                    found[position] = np.sort(rows[rough >= least])
                else:  # More of them may be as near.
                    again.append(position)
            if whole:
                break
            waiting = np.array(again, np.int64)
            reach = min(MOST if reach < MOST <= 4 * reach else 4 * reach, len(alive))
        return found

    def _near(
        self, queries: Floats, filters: Sequence[str], limit: int, alive: Ids
    ) -> Iterator[tuple[Ids, Floats]]:
        """For each query the rows that the server finds, best first, and rough scores."""
        effort = {"ef": min(max(2 * limit, _LEAST_EFFORT), 2 * MOST), "nprobe": _PROBES}
        step = max(1, min(_QUERIES, _ANSWERS // limit))
        counts = np.zeros(self._rows, np.bool_)
        counts[alive] = True
        for start in range(0, len(queries), step):
            asked = {"data": list(queries[start : start + step]), "limit": limit}
            asked["search_params"] = {"params": effort}
            found = [self._ask("search", filter=each, **asked) for each in filters]
            for answers in zip(*found, strict=True):
                rows = np.concatenate([np.array(each.ids, np.int64) for each in answers])
                rough = np.concatenate([np.array(each.distances, np.float32) for each in answers])
                rows, first = np.unique(rows, return_index=True)
                rough = rough[first]
                kept = (rows < self._rows) & counts[np.minimum(rows, self._rows - 1)]
                rows, rough = rows[kept], rough[kept]
                order = np.lexsort((rows, -rough))
                yield rows[order], rough[order]


def _of(rows: Ids, descriptors: Floats, chosen: Ids) -> Floats:
    return descriptors[np.searchsorted(rows, chosen)]


def filters_of(alive: Ids, rows: int, reach: int) -> tuple[list[str], int, bool]:
    """What to ask a server for: it takes long to read a filter that names many rows.

    Where few rows count, or few do not, they are named; else more are asked for than are wanted,
    and left out here; and where that would not do, all rows are named, some at a time.

    Args:
        alive: rows that count, rising.
        rows: how many there are.
        reach: how many of those that count to find.

    Returns:
        Filters that let through all rows that count, and perhaps others; how many answers to ask
        for of each; and whether that is all.
    """
    gone = rows - len(alive)
    if reach <= MOST:
        if len(alive) <= MOST and gone:
            return [f"{ROW} in {alive.tolist()}"], reach, reach == len(alive)
        if gone <= MOST:
            left_out = np.setdiff1d(np.arange(rows), alive, assume_unique=True).tolist()
            but = f" and {ROW} not in {left_out}" if left_out else ""
            return [f"{ROW} < {rows}{but}"], reach, reach == len(alive)
        more = -(-reach * rows // len(alive))
        if more <= MOST:
            return [f"{ROW} < {rows}"], more, False
    parts = (alive[start : start + MOST].tolist() for start in range(0, len(alive), MOST))
    return [f"{ROW} in {part}" for part in parts], min(reach, MOST), reach >= MOST
