"""Local features of two photos matched, and what of it one camera geometry explains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solar.matching import Matches, distinct_matches, mutual_nearest, verify_matches

RATIO = 0.8
"""Of Lowe's test, as in COLMAP."""
FEWEST = 15
"""Inliers of two photos that see the same thing; COLMAP's mapper takes no fewer."""
THRESHOLD = 2.0
"""Pixels that an inlier may lie from its epipolar line, in the copy where it was found.

MAGSAC++ lets in more than the RANSAC that COLMAP has with 4: docs/sfm.md says what either gives.
"""


@dataclass(frozen=True, eq=False)
class Local:
    """What is matched of a photo.

    Attributes:
        xy: (N, 2) float32, pixels of the stored photo.
        descriptors: (N, D) float32, unit rows.
        scales: (N,) float32: standard deviations of the Gaussians where they were found.
        angles: (N,) float32, degrees.
        size: (width, height) of the stored photo.
    """

    xy: NDArray[np.float32]
    descriptors: NDArray[np.float32]
    scales: NDArray[np.float32]
    angles: NDArray[np.float32]
    size: tuple[int, int]


Matcher = Callable[[Local, Local], Matches]
"""Anything that matches two photos: pairs of rows, each row of either in at most one."""


@dataclass(frozen=True, eq=False)
class Matched:
    """The matches of two photos.

    Attributes:
        matches: K pairs of rows that are each other's nearest.
        inliers: (K,) mask of those that agree with `fundamental`.
        fundamental: (3, 3), between points whose pixel centres have whole coordinates; None where
            fewer than `FEWEST` agree.
    """

    matches: Matches
    inliers: NDArray[np.bool_]
    fundamental: NDArray[np.float64] | None


def nearest(first: Local, second: Local) -> Matches:
    """Those that are each other's nearest, by the ratio test."""
    return mutual_nearest(first.descriptors, second.descriptors, ratio=RATIO)


def match_local(
    first: Local, second: Local, matcher: Matcher = nearest, *, image_size: int | None = None
) -> Matched:
    """Match two photos, and look which matches agree with one geometry.

    Args:
        first: one.
        second: the other.
        matcher: of their features.
        image_size: longest side, pixels, of the copies in which keypoints were found; None for the
            photos themselves.
    """
    found = distinct_matches(first.xy, second.xy, matcher(first, second))
    longest = max(*first.size, *second.size)
    threshold = THRESHOLD * max(1, longest / (image_size or longest))
    agreed = verify_matches(first.xy, second.xy, found, geometry="fundamental", threshold=threshold)
    if len(agreed) < FEWEST:
        return Matched(found, np.zeros(len(found), bool), None)
    return Matched(found, agreed.inliers, agreed.matrix)
