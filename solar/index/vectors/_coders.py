"""What FAISS does for lists: learns middles and codes, makes codes of rows, and scans them.

FAISS is never given a file. Its fast-scan codes are kept as the blocks of 32 rows that it makes of
them, in arrays of our own, and copied into its lists when a list is looked at for the first time.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from solar.files.threads import cores, threads
from solar.index.vectors._scan import faiss_here

Floats = NDArray[np.float32]
IN_A_BLOCK = 32
_A_BOOK = 16  # Entries: four bits.
_ITERATIONS = 8
_SEED = 1

Task = TypeVar("Task")
Result = TypeVar("Result")

Told = Callable[[float], None]
"""Called with the part that is done, 0 to 1."""


@dataclass(frozen=True)
class Trained:
    """What was learned from a sample; P is D, up to the next multiple of 8.

    Attributes:
        coder: `rabitq`, a bit a number and two factors; `pq`, four bits for each four numbers.
        middles: (L, P) of the lists, unit rows.
        books: (P / 4, 16, 4) of `pq`, else empty.
    """

    coder: str
    middles: Floats
    books: Floats

    @property
    def block_bytes(self) -> int:
        """Of a block of 32 rows."""
        side = int(self.middles.shape[1])
        return IN_A_BLOCK * (side // 8 + (8 if self.coder == "rabitq" else 0))

    def turned(self, descriptors: Floats) -> Floats:
        """Descriptors (N, D), turned: (N, P)."""
        return turned(descriptors, self.middles.shape[1])


def turned(descriptors: Floats, side: int) -> Floats:
    """Descriptors (N, D), turned so that no number says more than another: (N, P)."""
    found: Floats = descriptors @ rotation(side)[: descriptors.shape[1]]
    return found


@lru_cache(maxsize=4)
def rotation(side: int) -> Floats:
    """The rotation (P, P) of all lists of P numbers; it is made, and so takes no byte of an index.

    S C T C, with the orthonormal cosine transform C and random signs S and T, is as good as any
    (Ailon and Chazelle, STOC 2006), and the same on every machine up to rounding: NumPy keeps the
    bits of PCG64 as they are.
    """
    steps = np.arange(side)
    cosines = np.cos(np.pi / side * np.outer(steps, steps + 0.5)) * (2 / side) ** 0.5
    cosines[0] /= 2**0.5
    signs = 1.0 - 2.0 * (np.random.PCG64(_SEED).random_raw(2 * side) >> np.uint64(63))
    before, between = signs.reshape(2, side)
    found: Floats = (before[:, None] * cosines @ (between[:, None] * cosines)).astype(np.float32)
    found.flags.writeable = False
    return found


def train(coder: str, sample: Floats, lists: int, told: Told) -> Trained:
    """Learn from a sample (S, D), S >= `lists`."""
    faiss = faiss_here()
    side = -(-sample.shape[1] // 8) * 8
    rows = turned(sample, side)
    chosen = np.random.default_rng(_SEED).choice(len(rows), lists, replace=False)
    middles = rows[np.sort(chosen)]
    for step in range(_ITERATIONS):
        means = faiss.Kmeans(
            side, lists, niter=1, spherical=True, seed=_SEED,
            min_points_per_centroid=1, max_points_per_centroid=len(sample),
        )  # fmt: skip
        means.train(rows, init_centroids=middles)
        middles = means.centroids
        told((step + 1) / (_ITERATIONS + 2))
    trained = Trained(coder, middles.reshape(lists, side).copy(), _NO_BOOKS)
    if coder == "pq":
        quantizer = faiss.ProductQuantizer(side, side // 4, 4)
        quantizer.cp.niter, quantizer.cp.min_points_per_centroid = 12, 1
        quantizer.train(rows)
        books = faiss.vector_to_array(quantizer.centroids).reshape(side // 4, _A_BOOK, 4)
        trained = Trained(coder, trained.middles, books.copy())
    return trained


_NO_BOOKS = np.zeros((0, _A_BOOK, 4), np.float32)


def middles_of(query: Floats, trained: Trained) -> Floats:
    """The products (L,) of a turned query (P,) with the middles of all lists."""
    faiss = faiss_here()
    middles = np.ascontiguousarray(trained.middles)
    products = np.empty(len(middles), np.float32)
    pointer = faiss.swig_ptr
    given = pointer(products), pointer(query), pointer(middles)
    faiss.fvec_inner_products_ny(*given, len(query), len(middles))
    return products


def alone(work: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
    """Do tasks, one in each thread; FAISS uses no threads of its own in any."""
    faiss = faiss_here()

    def one(task: Task) -> Result:
        faiss.omp_set_num_threads(1)  # Of this thread alone.
        return work(task)

    if len(tasks) > 1:
        with threads(min(cores(), len(tasks))) as pool:
            return list(pool.map(one, tasks))
    before = faiss.omp_get_max_threads()
    try:
        return [one(task) for task in tasks]
    finally:
        faiss.omp_set_num_threads(before)


class Coded:
    """Lists of codes that FAISS scans."""

    def __init__(self, trained: Trained) -> None:
        """Make empty lists."""
        faiss = faiss_here()
        count, side = trained.middles.shape
        self._faiss = faiss
        self._middles = faiss.IndexFlatIP(side)  # Kept: FAISS only points at it.
        self._middles.add(trained.middles)
        shared = self._middles, side, count
        if trained.coder == "rabitq":
            self._index = faiss.IndexIVFRaBitQFastScan(*shared, faiss.METRIC_INNER_PRODUCT)
        else:
            self._index = faiss.IndexIVFPQFastScan(
                *shared, side // 4, 4, faiss.METRIC_INNER_PRODUCT
            )
            faiss.copy_array_to_vector(trained.books.ravel(), self._index.pq.centroids)
        self._index.is_trained = True
        self._lists = faiss.downcast_InvertedLists(self._index.invlists)
        if self._lists.block_size != trained.block_bytes:
            raise RuntimeError(f"FAISS {faiss.__version__} keeps codes in another form")
        self._writing = threading.Lock()

    def add(self, turned: Floats, rows: NDArray[np.int64]) -> None:
        """Add turned descriptors (N, P) under row numbers (N,)."""
        self._index.add_with_ids(turned, rows)

    def taken(self, number: int) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
        """The rows (K,) of a list, and their blocks (bytes,)."""
        faiss, count = self._faiss, self._lists.list_size(number)
        if count == 0:
            return np.zeros(0, np.uint32), np.zeros(0, np.uint8)
        size = -(-count // IN_A_BLOCK) * self._lists.block_size
        rows = faiss.rev_swig_ptr(self._lists.get_ids(number), count)
        blocks = faiss.rev_swig_ptr(self._lists.get_codes(number), size)
        return rows.astype(np.uint32), blocks.copy()

    def put(self, number: int, rows: NDArray[np.uint32], blocks: NDArray[np.uint8]) -> None:
        """Fill an empty list with what `taken` gave."""
        wide = rows.astype(np.int64)
        with self._writing:
            if len(rows) == 0 or self._lists.list_size(number):
                return
            self._lists.resize(number, len(rows))
            ctypes.memmove(int(self._lists.get_ids(number)), wide.ctypes.data, wide.nbytes)
            codes = int(self._lists.get_codes(number))
            ctypes.memmove(codes, blocks.ctypes.data, blocks.nbytes)

    def scan(
        self,
        query: Floats,
        lists: NDArray[np.int64],
        products: Floats,
        most: int,
        alive: NDArray[np.uint8] | None,
    ) -> tuple[NDArray[np.int64], Floats]:
        """The rows with the largest estimated products with a turned query (P,).

        Args:
            query: turned.
            lists: (K,) to look at.
            products: (K,) of their middles with the query.
            most: rows to find.
            alive: bits, a row each; None if all count.

        Returns:
            Row numbers and their estimates, as many as there are, falling.
        """
        faiss = self._faiss
        chosen = {} if alive is None else {"sel": faiss.IDSelectorBitmap(alive)}
        asked = faiss.SearchParametersIVF(nprobe=len(lists), **chosen)
        found, estimates = np.empty(most, np.int64), np.empty(most, np.float32)
        pointer = faiss.swig_ptr
        self._index.search_preassigned_c(
            1, pointer(query), most, pointer(lists), pointer(products),
            pointer(estimates), pointer(found), False, asked, None,
        )  # fmt: skip
        there = found >= 0
        return found[there], estimates[there]
