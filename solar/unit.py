"""Rows of unit length, and what becomes of a row that has no length.

Networks divide by their own least length, 1e-6, as the published ones do; vectors of strangers are
refused where they have none (`solar.extraction.given`).
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Rows = TypeVar("Rows", NDArray[np.float32], NDArray[np.float64])

_LEAST = 1e-12


def of_unit_length(rows: Rows) -> Rows:
    """Each row (N, D) divided by its length, in its own precision; a row of zeros stays one."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    made: Rows = rows / np.maximum(lengths, rows.dtype.type(_LEAST))
    return made
