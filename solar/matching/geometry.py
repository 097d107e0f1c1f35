"""Homographies between two photos of one plane."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from solar.matching.opencv import opencv

FloatArray = npt.NDArray[np.floating[Any]]
Matrix = npt.NDArray[np.float64]


def project(homography: FloatArray, xy: FloatArray) -> npt.NDArray[np.float64]:
    """Points (N, 2) mapped by a homography (3, 3); points at infinity become inf or nan."""
    mapped = np.column_stack([xy.astype(np.float64), np.ones(len(xy))]) @ homography.T
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(mapped[:, :2] / mapped[:, 2:])


def fit_homography(
    first: FloatArray, second: FloatArray, *, threshold: float = 3.0
) -> tuple[Matrix | None, npt.NDArray[np.bool_]]:
    """The homography that maps `first` (N, 2) to `second` (N, 2), by MAGSAC++ in OpenCV.

    Args:
        first: points of photo 1, pixels.
        second: their matches in photo 2.
        threshold: upper bound of an inlier's reprojection error, pixels.

    Returns:
        The matrix (3, 3), None where none was found (always below four matches), and the (N,)
        mask of inliers. The same points give the same matrix.
    """
    outliers = np.zeros(len(first), bool)
    if len(first) < 4:
        return None, outliers
    cv2 = opencv()
    matrix, mask = cv2.findHomography(
        first.astype(np.float64),
        second.astype(np.float64),
        method=cv2.USAC_MAGSAC,
        ransacReprojThreshold=threshold,
        maxIters=10_000,
        confidence=0.9999,
    )
    if matrix is None:
        return None, outliers
    return np.asarray(matrix, np.float64), mask.ravel().astype(bool)


def corner_error(estimate: Matrix | None, truth: Matrix, shape: tuple[int, int]) -> float:
    """Mean distance, in pixels, of a photo's four corners mapped by two homographies.

    Args:
        estimate: (3, 3), or None for a failure.
        truth: (3, 3).
        shape: (height, width) of photo 1.

    Returns:
        The error; infinite for a failure or a corner sent to infinity.
    """
    if estimate is None:
        return float("inf")
    height, width = shape
    right, bottom = width - 1.0, height - 1.0
    corners = np.array([(0.0, 0.0), (right, 0.0), (right, bottom), (0.0, bottom)])
    error = np.linalg.norm(project(estimate, corners) - project(truth, corners), axis=1).mean()
    return float(error) if np.isfinite(error) else float("inf")
