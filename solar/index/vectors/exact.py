"""Searching descriptors: exact inner product, by FAISS, block by block."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from solar.errors import UsageError

_BLOCK_BYTES = 64 << 20  # Of descriptors, searched at a time: the memory that a search needs.
_ROWS_AT_ONCE = 4096  # Of candidates, ranked in double precision.
_TIE = 1e-5  # FAISS sums in single precision; scores that close may come in any order.


def checked_queries(descriptors: ArrayLike, dimensions: int) -> NDArray[np.float32]:
    """Query descriptors as a searcher wants them.

    Args:
        descriptors: (Q, D).
        dimensions: D of the index.

    Raises:
        UsageError: the shape is another, or a number is not finite.
    """
    queries = np.ascontiguousarray(descriptors, np.float32)
    if queries.ndim != 2 or queries.shape[1] != dimensions:
        raise UsageError(
            f"query descriptors of shape {queries.shape}: this index is searched with "
            f"(Q, {dimensions}), made by its own model"
        )
    if not np.isfinite(queries).all():
        raise UsageError("the query descriptors hold numbers that are not finite")
    return queries


class Searcher(Protocol):
    """Finds, for each query, the database descriptors with the largest inner product."""

    def search(
        self,
        queries: NDArray[np.float32],
        descriptors: NDArray[np.float32],
        ids: NDArray[np.int64],
        top: int,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Search.

        Args:
            queries: (Q, D).
            descriptors: (N, D), unit rows, perhaps memory-mapped.
            ids: (N,) of the descriptors; those with -1 are left out.
            top: how many to find.

        Returns:
            Scores (Q, K) in descending order and the ids (Q, K) they belong to, where K is `top`,
            or the number of descriptors if that is smaller. Of equal scores, the lower id is first.
        """
        ...


class FaissSearcher:
    """Exact: every descriptor is compared. FAISS chooses candidates, double precision ranks them.

    Single precision alone would order duplicates by chance, and the same search would differ
    between two machines.
    """

    def search(
        self,
        queries: NDArray[np.float32],
        descriptors: NDArray[np.float32],
        ids: NDArray[np.int64],
        top: int,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """See `Searcher.search`."""
        count = int(np.count_nonzero(ids >= 0))
        top = min(top, count)
        scores = np.empty((len(queries), top), np.float32)
        found = np.empty((len(queries), top), np.int64)
        if scores.size == 0:
            return scores, found
        reach = min(top + top // 8 + 16, count)
        rough, rows = _candidates(queries, descriptors, ids, reach)
        for place, query in enumerate(queries):
            candidates = rows[place]
            least = rough[place, top - 1] - _TIE * max(1.0, float(np.linalg.norm(query)))
            if reach < count and rough[place, -1] >= least:  # The tie may go on beyond.
                candidates = _at_least(least, query, descriptors, ids)
            exact = _scores(query, descriptors, candidates)
            order = np.lexsort((ids[candidates], -exact))[:top]
            scores[place], found[place] = exact[order], ids[candidates[order]]
        return scores, found


def _candidates(
    queries: NDArray[np.float32],
    descriptors: NDArray[np.float32],
    ids: NDArray[np.int64],
    reach: int,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Rough scores (Q, reach), descending, and the rows (Q, reach) of the best descriptors."""
    import faiss

    best = faiss.ResultHeap(len(queries), reach, keep_max=True)
    for start, stop in _blocks(descriptors):
        rows = start + np.flatnonzero(ids[start:stop] >= 0)
        if len(rows) == 0:
            continue
        whole = len(rows) == stop - start
        block = descriptors[start:stop] if whole else descriptors[rows]
        scores, places = faiss.knn(
            queries, block, min(reach, len(rows)), faiss.METRIC_INNER_PRODUCT
        )
        best.add_result(scores, rows[places])
    best.finalize()
    return best.D, best.I


def _at_least(
    least: float,
    query: NDArray[np.float32],
    descriptors: NDArray[np.float32],
    ids: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Rows of all descriptors whose score is not below the least."""
    found = []
    for start, stop in _blocks(descriptors):
        scores = descriptors[start:stop] @ query
        found.append(start + np.flatnonzero((scores >= least) & (ids[start:stop] >= 0)))
    return np.concatenate(found)


def _scores(
    query: NDArray[np.float32], descriptors: NDArray[np.float32], rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Inner products (K,) summed in double precision, equal for equal rows."""
    scores = np.empty(len(rows), np.float32)
    precise = query.astype(np.float64)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        scores[part] = (descriptors[rows[part]] * precise).sum(axis=1)
    return scores


def _blocks(descriptors: NDArray[np.float32]) -> list[tuple[int, int]]:
    count, dimensions = descriptors.shape
    step = max(1, _BLOCK_BYTES // (4 * dimensions))
    return [(start, min(start + step, count)) for start in range(0, count, step)]
