"""Descriptors in a few bits a number, and as rows of unit length again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from solar.features.keypoints import FloatArray
from solar.features.orb import unpacked

BITS = (1, 4, 8)
"""Of a number: 1 where every one is one of two, without loss; 4 where none is negative; 8."""

Compact = npt.NDArray[np.uint8]

_LEVELS = {4: 15, 8: 127}


def packed(descriptors: FloatArray, bits: int) -> Compact:
    """Make descriptors compact.

    Numbers become whole ones, times 15 (4 bits) or 127 (8 bits) over the largest of their row.
    Rows are made unit again, so that factor need not be kept. The cosine of a row of RootSIFT's
    with the original is 0.999 with 4 bits (at least 0.998), and above 0.9999 with 8.

    Args:
        descriptors: (N, D) whose D is a multiple of 8 / bits.
        bits: one of `BITS`.

    Returns:
        (N, D * bits / 8).
    """
    if bits == 1:
        return np.packbits(descriptors > 0, axis=1)
    largest = np.abs(descriptors).max(axis=1, keepdims=True, initial=1e-12)
    levels = np.round(descriptors * (_LEVELS[bits] / largest))
    if bits == 8:
        return np.asarray(levels.astype(np.int8).view(np.uint8))
    first, second = np.hsplit(levels.clip(0).astype(np.uint8), 2)
    return np.asarray(first | second << 4)


def unit_rows(compact: Compact, bits: int) -> FloatArray:
    """Compact descriptors as float32 (N, D) of unit length; a row of zeros stays one.

    The cosine of two binary ones is 1 - 2 h / D where h bits differ.
    """
    if bits == 1:
        return unpacked(compact)
    if bits == 8:
        rows = compact.view(np.int8).astype(np.float32)
    else:
        half = compact.shape[1]
        rows = np.empty((len(compact), 2 * half), np.float32)
        rows[:, :half], rows[:, half:] = compact & 15, compact >> 4
    squares = np.einsum("nd,nd->n", rows, rows)
    rows /= np.sqrt(np.maximum(squares, 1))[:, None]
    return rows
