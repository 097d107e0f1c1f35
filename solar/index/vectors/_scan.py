"""Products of queries with all float16 rows, at the speed of memory or of multiplication.

A few queries wait for memory: FAISS reads the rows where they lie. Many wait for the processor:
blocks of rows become float32 while they are near it, and meet all queries at once. Threads take
one part of the rows after the other, and FAISS uses one in each, because threads that share a
product wait for each other.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solar.files.threads import cores, threads
from solar.index.vectors._best import Best, Floats, Rows
from solar.index.vectors._bytes import Bytes, UnpackedBytes
from solar.index.vectors._rows import SCALE, UNSCALED, Halves, Unpacked

_FEW, _FEW_TOP = 5, 1024  # Queries, and rows to find, for which FAISS is faster than products.
_SMALL = 1 << 23  # Numbers, of rows that one thread searches before FAISS is loaded.
_BLOCK = 1 << 20  # Numbers, 4 MB of float32: fewer calls, and still near the processor.
_PARTS = 8  # For FAISS, in each thread.

Alive = NDArray[np.bool_]
Searched = Halves | Bytes
Work = Callable[[Iterator[tuple[int, int]]], Best]


def best(queries: Floats, halves: Searched, alive: Alive, reach: int) -> list[tuple[Rows, Floats]]:
    """The rows with the largest products.

    Args:
        queries: (Q, D).
        halves: (N, D), of float16 or of bytes.
        alive: (N,) which rows count.
        reach: how many to find, 1 or more.

    Returns:
        For each query its rows and their products, falling.
    """
    least = np.full(len(queries), -np.inf, np.float32)
    few = len(queries) <= _FEW and reach <= _FEW_TOP and halves.size > _SMALL
    if few and not isinstance(halves, Bytes):
        return _by_faiss(queries, halves, alive, Best(least, reach), reach)
    return _by_products(queries, halves, alive, Best(least, reach), reach)


def above(queries: Floats, halves: Searched, alive: Alive, least: Floats) -> list[Rows]:
    """For each query the rows whose products are not below a limit (Q,)."""
    found = Best(np.nextafter(least, np.float32(-np.inf)))
    return [rows for rows, _ in _by_products(queries, halves, alive, found, None)]


def in_memory(rows: Searched) -> Searched:
    """Rows that can be multiplied; those at an address are read."""
    if isinstance(rows, Bytes):
        return rows if isinstance(rows.numbers, np.ndarray) else rows[:]
    return rows if isinstance(rows, np.ndarray) else rows[:]


def _by_products(
    queries: Floats, halves: Searched, alive: Alive, found: Best, reach: int | None
) -> list[tuple[Rows, Floats]]:
    step = max(64, _BLOCK // halves.shape[1])
    small = halves.size <= _SMALL
    factors = halves.factors if isinstance(halves, Bytes) else None
    multiply = _multiplied(queries * UNSCALED if factors is None else queries, small=small)
    whole = bool(alive.all())

    def work(parts: Iterator[tuple[int, int]]) -> Best:
        part_found, unpacked = Best(found.least, reach), _unpacked(halves, step)
        products = np.empty((step, len(queries)), np.float32)
        for start, stop in parts:
            part = products[: stop - start]
            multiply(unpacked(start, stop), part)
            if factors is not None:
                part *= factors[start:stop, None]
            if not whole:
                part[~alive[start:stop]] = -np.inf
            part_found.add(part, start)
        return part_found

    return _in_threads(work, len(halves), step, found, 1 if small else cores())


def _unpacked(rows: Searched, step: int) -> Unpacked | UnpackedBytes:
    return UnpackedBytes(rows, step) if isinstance(rows, Bytes) else Unpacked(rows, step)


def _multiplied(queries: Floats, *, small: bool) -> Callable[[Floats, Floats], object]:
    """What writes the products (n, Q) of rows (n, D) and all queries into an array."""
    if small:
        return lambda rows, products: np.matmul(rows, queries.T, out=products)
    faiss = faiss_here()
    if len(queries) == 1:  # A product of matrices takes several times as long.
        size, one = faiss.swig_ptr, np.ascontiguousarray(queries)
        inner = faiss.fvec_inner_products_ny
        return lambda rows, out: inner(size(out), size(one), size(rows), one.shape[1], len(rows))
    transform = faiss.LinearTransform(queries.shape[1], len(queries), False)
    faiss.copy_array_to_vector(np.ascontiguousarray(queries).ravel(), transform.A)
    transform.is_trained = True
    pointer = faiss.swig_ptr
    return lambda rows, out: transform.apply_noalloc(len(rows), pointer(rows), pointer(out))


def _by_faiss(
    queries: Floats, halves: Halves, alive: Alive, found: Best, reach: int
) -> list[tuple[Rows, Floats]]:
    faiss = faiss_here()
    whole = bool(alive.all())

    def work(parts: Iterator[tuple[int, int]]) -> Best:
        part_found = Best(found.least, reach)
        for start, stop in parts:
            living = None
            if not whole:
                bits = np.packbits(alive[start:stop], bitorder="little")
                living = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits))
            index = _flat(halves[start:stop])
            products, rows = index.search(queries, min(reach, stop - start), params=living)
            query, position = np.nonzero(rows >= 0)
            part_found.put(query, rows[query, position] + start, products[query, position] / SCALE)
        return part_found

    number = cores()
    step = -(-len(halves) // (_PARTS * number))
    return _in_threads(work, len(halves), step, found, number)


def _flat(halves: Halves) -> Any:
    """FAISS's index of float16 rows, without a copy of them: keep these for as long."""
    faiss = faiss_here()
    sizes = halves.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    index = faiss.IndexScalarQuantizer(*sizes)
    codes = halves.view(np.uint8).reshape(-1)
    view = faiss.MaybeOwnedVectorUInt8.create_view
    index.codes = view(faiss.swig_ptr(codes), codes.nbytes, index.codes.owner)
    index.ntotal = len(halves)
    return index


def _in_threads(
    work: Work, count: int, step: int, found: Best, number: int
) -> list[tuple[Rows, Floats]]:
    """Let some threads work on parts of the rows, and put together what they find."""
    starts = deque(range(0, count, step))

    def parts() -> Iterator[tuple[int, int]]:
        while starts:
            try:
                start = starts.popleft()
            except IndexError:  # Another took the last.
                return
            yield start, min(start + step, count)

    def alone() -> Best:
        faiss_here().omp_set_num_threads(1)  # Of products that this thread asks for.
        return work(parts())

    if number == 1:
        found.merge(work(parts()))
    else:
        with threads(number) as pool:
            for each in [pool.submit(alone) for _ in range(number)]:
                found.merge(each.result())
    return found.found()


@cache
def faiss_here() -> Any:
    """FAISS, loaded with the first search of many rows."""
    logging.getLogger("faiss.loader").setLevel(logging.WARNING)
    import faiss

    return faiss
