"""The largest of many products, as they come, for many queries at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

_LARGEST = 2**31 - 1  # Of int32.


class Best:
    """For each query the rows with the largest products; or all those above a limit.

    Attributes:
        least: (Q,) which a product must exceed to be kept.
    """

    def __init__(self, least: Floats, reach: int | None = None) -> None:
        """Keep nothing yet.

        Args:
            least: (Q,) what products must exceed.
            reach: how many rows to keep of each query, 1 or more; None for all.
        """
        self.least = least.copy()
        self._reach = reach
        self._parts: list[tuple[Rows, Rows]] = []  # Keys, see `_keys`, and rows.
        self._pending = 0

    def add(self, products: Floats, start: int) -> None:
        """Look at products (n, Q) of the rows from one on; -inf for a row that does not count."""
        flat = np.flatnonzero(products > self.least)
        if len(flat):
            rows, queries = np.divmod(flat, products.shape[1])
            self.put(queries, rows + start, products.ravel()[flat])

    def put(self, queries: Rows, rows: Rows, products: Floats) -> None:
        """Keep products (K,) of some queries with some rows, in any order."""
        self._put(_keys(queries, products), rows)

    def merge(self, other: Best) -> None:
        """Keep what another found, too."""
        for part in other._parts:
            self._put(*part)

    def _put(self, keys: Rows, rows: Rows) -> None:
        self._parts.append((keys, rows))
        self._pending += len(keys)
        if self._reach is not None and self._pending > 2 * self._reach * len(self.least):
            self._shrink(self._reach)

    def _sorted(self) -> tuple[Rows, Rows, Rows]:
        """(K,) keys, rising, and rows; and where the keys of each query start, (Q + 1,)."""
        if not self._parts:
            return (np.zeros(0, np.int64),) * 2 + (np.zeros(len(self.least) + 1, np.int64),)
        keys, rows = map(np.concatenate, zip(*self._parts, strict=True))
        order = np.argsort(keys)
        keys, rows = keys[order], rows[order]
        return keys, rows, np.searchsorted(keys, np.arange(len(self.least) + 1) << 32)

    def _shrink(self, reach: int) -> None:
        keys, rows, starts = self._sorted()
        counts = np.diff(starts)
        kept = np.arange(len(keys)) - np.repeat(starts[:-1], counts) < reach
        full = counts >= reach
        self.least[full] = _products(keys[starts[:-1][full] + reach - 1])
        self._parts = [(keys[kept], rows[kept])]
        self._pending = 0

    def found(self) -> list[tuple[Rows, Floats]]:
        """For each query its rows (K,) and their products, falling."""
        if self._reach is not None and self._parts:
            self._shrink(self._reach)
        keys, rows, starts = self._sorted()
        ends, products = starts[1:-1], _products(keys)
        return list(zip(np.split(rows, ends), np.split(products, ends), strict=True))


def _keys(queries: Rows, products: Floats) -> Rows:
    """Numbers that rise with the query, and within a query as the product falls.

    They are sorted several times as fast as pairs. The bits of a float32 rise with it if it is
    positive, and fall if it is negative.
    """
    rising = _turned(np.ascontiguousarray(products).view(np.int32))
    return (queries << 32) + (_LARGEST - rising.astype(np.int64))


def _products(keys: Rows) -> Floats:
    """The products that some keys stand for."""
    return _turned((_LARGEST - (keys & 0xFFFFFFFF)).astype(np.int32)).view(np.float32)


def _turned(bits: NDArray[np.int32]) -> NDArray[np.int32]:
    turned: NDArray[np.int32] = bits ^ ((bits >> 31) & np.int32(_LARGEST))
    return turned
