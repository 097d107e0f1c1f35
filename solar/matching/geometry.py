"""Two photos of one plane or of one rigid scene: homographies and fundamental matrices."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from solar.photos.plane import FloatArray, Matrix, project

Geometry = Literal["homography", "fundamental"]

_FEWEST: dict[Geometry, int] = {"homography": 4, "fundamental": 8}  # matches that fix one

MAX_SCALE = 10.0
"""A plausible homography enlarges or shrinks by at most so much."""
MAX_STRETCH = 10.0
"""A plausible homography enlarges in one direction at most so many times as much as across it.

A plane that turns from facing the camera to 84 degrees away is stretched so; SIFT's keypoints and
their likes are found again up to about 60 degrees, which is 2.
"""


def fit(
    geometry: Geometry, first: FloatArray, second: FloatArray, *, threshold: float = 3.0
) -> tuple[Matrix | None, npt.NDArray[np.bool_]]:
    """The geometry of two photos that most matches agree with, by MAGSAC++ in OpenCV.

    Args:
        geometry: a homography maps `first` to `second`; a fundamental matrix F has
            `[x2, y2, 1] F [x1, y1, 1]` = 0 for a match.
        first: points (N, 2) of photo 1, pixels.
        second: their matches in photo 2.
        threshold: upper bound of an inlier's error, pixels: of reprojection, or the distance from
            its epipolar line.

    Returns:
        The matrix (3, 3), None where none was found (always below four matches, or eight), and the
        (N,) mask of inliers. The same points give the same matrix.
    """
    none = None, np.zeros(len(first), bool)
    if len(first) < _FEWEST[geometry]:
        return none
    import cv2

    find = cv2.findHomography if geometry == "homography" else cv2.findFundamentalMat
    matrix, mask = find(
        first.astype(np.float64),
        second.astype(np.float64),
        method=cv2.USAC_MAGSAC,
        ransacReprojThreshold=threshold,
        maxIters=10_000,
        confidence=0.9999,
    )
    if matrix is None or not np.isfinite(matrix).all():
        return none
    return np.asarray(matrix, np.float64), mask.ravel().astype(bool)


def plausible_homography(homography: Matrix, xy: FloatArray) -> bool:
    """Whether a camera could see one plane in two such ways.

    The derivative of the mapping at every point must keep its handedness (no mirror, no point
    beyond the horizon), and enlarge by 1 / `MAX_SCALE` to `MAX_SCALE`, in one direction at most
    `MAX_STRETCH` times as much as in the other. A mapping that collapses many points into one, or
    onto a line, fails.

    Args:
        homography: (3, 3), finite.
        xy: (N, 2) points of photo 1 where it must hold: its inliers.
    """
    x, y = xy.astype(np.float64).T
    across, down, w = homography @ np.stack([x, y, np.ones_like(x)])
    with np.errstate(all="ignore"):  # what is not finite is not plausible
        mapped = np.stack([across, down]) / w  # (2, N)
        slopes = (homography[:2, :2, None] - mapped[:, None] * homography[2, :2, None]) / w
        area = slopes[0, 0] * slopes[1, 1] - slopes[0, 1] * slopes[1, 0]  # s t of stretches s, t
        stretch = (slopes**2).sum(axis=(0, 1)) / area  # s / t + t / s
    plausible = (area >= MAX_SCALE**-2) & (area <= MAX_SCALE**2)
    plausible &= stretch <= MAX_STRETCH + 1 / MAX_STRETCH
    return bool(plausible.all())


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
