"""Homographies and fundamental matrices fitted to points that follow known ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solar.matching.geometry import (
    corner_error,
    fit,
    plausible_homography,
)
from solar.photos.plane import project

TRUTH = np.array([[0.9, 0.1, 30], [-0.15, 1.05, -12], [1e-4, -5e-5, 1]])


def scattered(seed: int, count: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.random.default_rng(seed).uniform((0, 0), (640, 480), (count, 2))


def test_the_homography_is_found_among_outliers() -> None:
    first = scattered(0, 300)
    second = project(TRUTH, first)
    second[:120] = scattered(1, 120)
    estimate, inliers = fit("homography", first, second)
    assert corner_error(estimate, TRUTH, (480, 640)) < 0.1
    assert inliers[120:].all()
    assert inliers[:120].sum() < 6


def test_the_same_points_give_the_same_homography() -> None:
    first = scattered(0, 60)
    second = project(TRUTH, first) + np.random.default_rng(2).normal(0, 2, (60, 2))
    one, two = fit("homography", first, second)[0], fit("homography", first, second)[0]
    assert one is not None
    assert two is not None
    assert np.array_equal(one, two)


def test_too_few_or_degenerate_points_give_none() -> None:
    assert fit("homography", scattered(0, 3), scattered(0, 3))[0] is None
    same = np.full((10, 2), 5.0)
    estimate, inliers = fit("homography", same, same)
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


def test_the_fundamental_matrix_is_found_among_outliers() -> None:
    random = np.random.default_rng(4)
    space = np.column_stack([random.uniform(-3, 3, (300, 2)), random.uniform(4, 12, 300)])
    camera = np.array([[500, 0, 320], [0, 500, 240], [0, 0, 1.0]])
    turn = np.array([[np.cos(0.2), 0, np.sin(0.2)], [0, 1, 0], [-np.sin(0.2), 0, np.cos(0.2)]])
    first = project(camera, space[:, :2] / space[:, 2:])
    moved = space @ turn.T + [1.0, 0.2, 0.1]
    second = project(camera, moved[:, :2] / moved[:, 2:])
    second[:120] = scattered(1, 120)
    matrix, inliers = fit("fundamental", first, second, threshold=1.0)
    assert matrix is not None
    lines = np.column_stack([first, np.ones(300)]) @ matrix.T
    distance = (np.column_stack([second, np.ones(300)]) * lines).sum(axis=1)
    distance /= np.linalg.norm(lines[:, :2], axis=1)
    assert np.abs(distance[120:]).max() < 0.1
    assert inliers[120:].all()
    assert inliers[:120].sum() < 12
    again = fit("fundamental", first, second, threshold=1.0)[0]
    assert again is not None
    assert np.array_equal(matrix, again)


def test_too_few_or_degenerate_points_give_no_fundamental_matrix() -> None:
    for points in (scattered(0, 7), np.full((20, 2), 5.0)):
        matrix, inliers = fit("fundamental", points, points)
        assert matrix is None
        assert len(inliers) == len(points)
        assert not inliers.any()


def _similarity(scale: float, angle: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cos, -sin, 40], [sin, cos, -7], [0, 0, 1.0]])


@given(st.floats(0.11, 9), st.floats(-4, 4), st.sampled_from([1.0, -2.5, 1e-3]))
def test_a_turned_and_scaled_photo_is_plausible_and_its_mirror_is_not(
    scale: float, angle: float, factor: float
) -> None:
    matrix = factor * _similarity(scale, angle)  # a homography has no scale of its own
    points = scattered(3, 20)
    assert plausible_homography(matrix, points)
    assert not plausible_homography(matrix @ np.diag([-1.0, 1, 1]), points)


@pytest.mark.parametrize(
    "matrix",
    [
        np.diag([0.05, 0.05, 1]),
        np.diag([20.0, 20, 1]),
        np.diag([5.0, 0.4, 1]),  # stretched 12.5 times
        np.array([[1.0, 0, 0], [2, 0, 0], [0, 0, 1]]),  # onto a line
        np.array([[0.0, 0, 5], [0, 0, 5], [0, 0, 1]]),  # into a point
        np.array([[1.0, 0, 0], [0, 1, 0], [-1 / 320, 0, 1]]),  # the horizon amid the points
    ],
)
def test_what_no_camera_makes_is_not_plausible(
    matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]],
) -> None:
    assert not plausible_homography(matrix, scattered(3, 40))


def test_a_strong_but_possible_view_is_plausible() -> None:
    assert plausible_homography(TRUTH, scattered(3, 40))
    assert plausible_homography(np.diag([2.0, 0.25, 1]), scattered(3, 40))  # 8 times, a steep plane
