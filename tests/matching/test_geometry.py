"""Homographies fitted to points that follow a known one."""

import numpy as np
import pytest

from solar.matching.geometry import corner_error, fit_homography, project

pytest.importorskip("cv2")

TRUTH = np.array([[0.9, 0.1, 30], [-0.15, 1.05, -12], [1e-4, -5e-5, 1]])


def _points(seed: int, count: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.random.default_rng(seed).uniform((0, 0), (640, 480), (count, 2))


def test_the_homography_is_found_among_outliers() -> None:
    first = _points(0, 300)
    second = project(TRUTH, first)
    second[:120] = _points(1, 120)
    estimate, inliers = fit_homography(first, second)
    assert corner_error(estimate, TRUTH, (480, 640)) < 0.1
    assert inliers[120:].all()
    assert inliers[:120].sum() < 6


def test_the_same_points_give_the_same_homography() -> None:
    first = _points(0, 60)
    second = project(TRUTH, first) + np.random.default_rng(2).normal(0, 2, (60, 2))
    one, two = fit_homography(first, second)[0], fit_homography(first, second)[0]
    assert one is not None
    assert two is not None
    assert np.array_equal(one, two)


def test_too_few_or_degenerate_points_give_none() -> None:
    assert fit_homography(_points(0, 3), _points(0, 3))[0] is None
    same = np.full((10, 2), 5.0)
    estimate, inliers = fit_homography(same, same)
    assert estimate is None
    assert not inliers.any()


def test_corner_error_by_hand() -> None:
    shift = np.array([[1.0, 0, 3], [0, 1, 4], [0, 0, 1]])
    assert corner_error(shift, np.eye(3), (48, 64)) == pytest.approx(5.0)
    assert corner_error(None, np.eye(3), (48, 64)) == float("inf")
    to_infinity = np.array([[1.0, 0, 0], [0, 1, 0], [1, 0, 0]])
    assert corner_error(to_infinity, np.eye(3), (48, 64)) == float("inf")


def test_project_by_hand() -> None:
    scale = np.diag([2.0, 2.0, 4.0])
    assert project(scale, np.array([[6.0, 8.0]])).tolist() == [[3.0, 4.0]]
