"""Local matching on homography sequences: photo 1 of each against all others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from solar.datasets.sequences import HomographySequence
from solar.evaluation.patches.homography_results import (
    ACCURACY_THRESHOLDS,
    HomographyResult,
    Pace,
    PairResult,
)
from solar.evaluation.patches.metrics import ranked_average_precision
from solar.features.keypoints import (
    DescribeKeypoints,
    Detector,
    FloatArray,
    GrayImage,
    Keypoints,
)
from solar.matching.geometry import corner_error, fit_homography
from solar.matching.nearest import mutual_nearest, nearest
from solar.photos.plane import project

CORRECT = 3.0
"""Pixels within which a match counts for repeatability and average precision."""

Matrix = npt.NDArray[np.float64]
Points = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class DescribedPhoto:
    """A photo's (height, width), keypoints, and (N, D) descriptors."""

    shape: tuple[int, int]
    keypoints: Keypoints
    descriptors: FloatArray


def evaluate_sequences(
    sequences: Sequence[HomographySequence],
    detector: Detector,
    descriptor: DescribeKeypoints,
    *,
    ratio: float | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> HomographyResult:
    """Detect, describe and match; photo 1 of every sequence against each of the others.

    Args:
        sequences: one or more.
        detector: finds keypoints.
        descriptor: describes them.
        ratio: of Lowe's test on top of mutual nearest neighbours; None for none.
        progress: called with the photos done and all.

    Raises:
        SolarError: a photo is damaged.
    """
    pace = Pace(0, 0, 0.0, 0.0)
    total = sum(len(sequence.photos) for sequence in sequences)
    pairs: list[PairResult] = []
    for sequence in sequences:
        first = None
        for number in range(len(sequence.photos)):
            described, seconds = _described(sequence.photo(number), detector, descriptor)
            pace = pace.plus(len(described.keypoints), *seconds)
            if first is None:
                first = described
            else:
                homography = sequence.homographies[number - 1]
                scored = score_pair(
                    first, described, homography, sequence.name, number + 1, ratio=ratio
                )
                pairs.append(scored)
            if progress is not None:
                progress(pace.photos, total)
    return HomographyResult(tuple(pairs), pace)


def _described(
    photo: GrayImage, detector: Detector, descriptor: DescribeKeypoints
) -> tuple[DescribedPhoto, tuple[float, float]]:
    """A photo's keypoints and descriptors; the seconds of finding and of describing them."""
    start = perf_counter()
    keypoints = detector(photo)
    found = perf_counter()
    descriptors = descriptor(photo, keypoints)
    done = perf_counter()
    height, width = photo.shape
    described = DescribedPhoto((height, width), keypoints, descriptors)
    return described, (found - start, done - found)


def score_pair(
    first: DescribedPhoto,
    other: DescribedPhoto,
    homography: Matrix,
    sequence: str,
    photo: int,
    *,
    ratio: float | None = None,
) -> PairResult:
    """Match two photos and compare with the truth.

    Args:
        first: photo 1.
        other: the other photo.
        homography: (3, 3), pixels of photo 1 to the other.
        sequence: its name, for the result.
        photo: number of the other photo, for the result.
        ratio: see `evaluate_sequences`.
    """
    a, b = first.keypoints.xy, other.keypoints.xy
    matches = mutual_nearest(first.descriptors, other.descriptors, ratio=ratio)
    left, right = a[matches.first], b[matches.second]
    errors = np.linalg.norm(project(homography, left) - right, axis=1)
    positives = int((_distance_to_nearest(project(homography, a), b) <= CORRECT).sum())
    estimate, _ = fit_homography(left, right)
    return PairResult(
        sequence=sequence,
        photo=photo,
        keypoints=(len(a), len(b)),
        matches=len(matches),
        accuracy=tuple(
            float((errors <= threshold).mean()) if len(errors) else 0.0
            for threshold in ACCURACY_THRESHOLDS
        ),
        repeatability=repeatability(a, b, homography, first.shape, other.shape),
        ap=ranked_average_precision(matches.distance, errors <= CORRECT, positives),
        corner_error=corner_error(estimate, homography, first.shape),
    )


def repeatability(
    a: Points,
    b: Points,
    homography: Matrix,
    shape_a: tuple[int, int],
    shape_b: tuple[int, int],
) -> float:
    """Share of the keypoints seen by both photos that were found in both, within 3 px.

    Args:
        a: (N, 2) keypoints of photo A.
        b: (M, 2) keypoints of photo B.
        homography: (3, 3), A to B.
        shape_a: (height, width) of A.
        shape_b: (height, width) of B.

    Returns:
        (found of A + found of B) / (all of A + all of B), counting keypoints whose place in the
        other photo lies within its frame; distances are measured in B. 0 if there are none.
    """
    mapped = project(homography, a)
    mapped = mapped[_inside(mapped, shape_b)]
    seen = b[_inside(project(np.linalg.inv(homography), b), shape_a)]
    if len(mapped) + len(seen) == 0:
        return 0.0
    found = (_distance_to_nearest(mapped, seen) <= CORRECT).sum()
    found += (_distance_to_nearest(seen, mapped) <= CORRECT).sum()
    return float(found / (len(mapped) + len(seen)))


def _inside(points: Points, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    height, width = shape
    x, y = points[:, 0], points[:, 1]
    return np.asarray((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1))


def _distance_to_nearest(points: Points, others: Points) -> Matrix:
    """(N,) distances of points to the nearest of others; infinite if there is none."""
    distances = np.full(len(points), np.inf)
    finite = np.isfinite(points).all(axis=1)
    if len(others) and finite.any():
        distances[finite] = nearest(points[finite], others)[1]
    return distances
