"""Descriptors as directions on a grid: whole numbers from -127 to 127, a byte each.

The numbers of a row are its descriptor's divided by the largest of them, times 127, and rounded.
Their own length is kept beside them, as its inverse: what is read has length 1 again, and what is
made of that are the same numbers. Nothing is learned from other rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MOST = 127
_ODD = np.float32(1e30)  # As the inverse length of what is no descriptor: it is found, and told.
_CLOSE = 1e-2  # How far from 1 a length may be.


@dataclass(frozen=True)
class Bytes:
    """Rows of bytes, perhaps memory-mapped.

    Attributes:
        numbers: (N, D) int8.
        factors: (N,) the inverse length of each row of numbers.
    """

    numbers: NDArray[np.int8]
    factors: NDArray[np.float32]

    @classmethod
    def of(cls, descriptors: NDArray[np.float32]) -> Bytes:
        """Descriptors (N, D), each to the grid of its own largest number."""
        with np.errstate(over="ignore", invalid="ignore"):
            lengths = np.sqrt(np.einsum("nd,nd->n", descriptors, descriptors))
            good = np.abs(lengths - 1) < _CLOSE  # Not NaN.
            sound = descriptors if good.all() else np.where(good[:, None], descriptors, 1)
            largest = np.abs(sound).max(axis=1, keepdims=True, initial=0)
            numbers = np.rint(sound * (_MOST / largest)).astype(np.int8)
            squares = np.einsum("nd,nd->n", numbers, numbers, dtype=np.int32)
            factors = np.where(good, 1 / np.sqrt(squares.astype(np.float64)), _ODD)
        return cls(numbers, factors.astype("<f4"))

    def descriptors(self) -> NDArray[np.float32]:
        """What these rows stand for, (N, D)."""
        rows: NDArray[np.float32] = self.numbers * self.factors[:, None]
        return rows

    def lengths(self) -> NDArray[np.float32]:
        """1 for each row (N,) whose inverse length may be right, infinite for others."""
        shortest, longest = _MOST, _MOST * self.shape[1] ** 0.5
        possible = (self.factors * shortest <= 1.001) & (self.factors * longest >= 0.999)
        found: NDArray[np.float32] = np.where(possible, np.float32(1), np.float32(np.inf))
        return found

    @property
    def shape(self) -> tuple[int, ...]:
        """N, D."""
        return self.numbers.shape

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return self.numbers.size

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> Bytes:
        """Some rows."""
        return Bytes(self.numbers[rows], self.factors[rows])


class UnpackedBytes:
    """Rows of bytes as float32, a block at a time in the same memory, without their factors."""

    def __init__(self, rows: Bytes, step: int) -> None:
        """Prepare for blocks of some rows."""
        self._numbers = rows.numbers
        self._block = np.empty((step, rows.shape[1]), np.float32)

    def __call__(self, start: int, stop: int) -> NDArray[np.float32]:
        """Rows from one to another, (K, D), until the next call."""
        block = self._block[: stop - start]
        np.copyto(block, self._numbers[start:stop])
        return block
