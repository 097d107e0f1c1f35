"""Which matches of two photos agree with one plausible geometry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from solar.matching.geometry import Geometry, fit, plausible_homography
from solar.matching.nearest import Matches
from solar.photos.plane import FloatArray, Matrix


@dataclass(frozen=True)
class Verified:
    """A geometry and the matches that agree with it.

    Attributes:
        matrix: (3, 3), as `fit` describes it; None where no
            plausible one was found.
        inliers: (K,) mask of the matches; all false without a matrix.
    """

    matrix: Matrix | None
    inliers: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        """How many matches agree."""
        return int(self.inliers.sum())


def verify_matches(
    first_xy: FloatArray,
    second_xy: FloatArray,
    matches: Matches,
    *,
    geometry: Geometry = "homography",
    threshold: float = 3.0,
) -> Verified:
    """Fit a geometry to the matches of two photos, and refuse one that no camera makes.

    Args:
        first_xy: (N, 2) keypoints of photo 1, pixels.
        second_xy: (M, 2) keypoints of photo 2.
        matches: K pairs of their rows. Where points have several orientations, pass
            `distinct_matches`, lest one point counts twice.
        geometry: what to fit; a homography must pass `plausible_homography` at its inliers.
        threshold: see `fit`; pixels.
    """
    first, second = first_xy[matches.first], second_xy[matches.second]
    matrix, inliers = fit(geometry, first, second, threshold=threshold)
    if matrix is None or not inliers.any():
        return Verified(None, np.zeros_like(inliers))
    if geometry == "homography" and not plausible_homography(matrix, first[inliers]):
        return Verified(None, np.zeros_like(inliers))
    return Verified(matrix, inliers)


def chance_inliers(geometry: Geometry, matches: int) -> int:
    """How many of some matches of unrelated photos may agree with one geometry by chance.

    A homography is hardly ever found by chance, whatever the number of matches; a fundamental
    matrix, which asks of a match only that it lie near a line, agrees the more the more there are.
    The rules were set above every one of 900 pairs of photos of different places (264 photos of 5
    places, SIFT's keypoints with RootSIFT, ratio tests at 0.8, 0.9 and none, threshold 3 px): at
    most 8 matches agreed with a homography, at most 3.11 times the square root of their number
    with a fundamental matrix. Checked, ratio test at 0.9 and none, on 998 pairs of 30 other places:
    at most 8, and 3.43; and on 500 pairs of the 5 places with solar-local: at most 8, and 2.90.

    Args:
        geometry: what was fitted.
        matches: to how many.
    """
    return 10 if geometry == "homography" else int(3.5 * matches**0.5)


def distinct_matches(first_xy: FloatArray, second_xy: FloatArray, matches: Matches) -> Matches:
    """One match, the nearest, where several join the same two points (N, 2), (M, 2).

    Detectors give a point with several orientations once for each.
    """
    points = np.column_stack([first_xy[matches.first], second_xy[matches.second]])
    nearest_first = np.argsort(matches.distance, kind="stable")
    kept = nearest_first[np.unique(points[nearest_first], axis=0, return_index=True)[1]]
    kept = np.sort(kept)
    return Matches(matches.first[kept], matches.second[kept], matches.distance[kept])
