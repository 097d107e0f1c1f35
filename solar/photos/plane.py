"""Plane geometry: points, and the homographies that map them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
Matrix = npt.NDArray[np.float64]


def project(homography: FloatArray, xy: FloatArray) -> npt.NDArray[np.float64]:
    """Points (N, 2) mapped by a homography (3, 3); points at infinity become inf or nan."""
    mapped = np.column_stack([xy.astype(np.float64), np.ones(len(xy))]) @ homography.T
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(mapped[:, :2] / mapped[:, 2:])
