"""Matches that agree with one plausible geometry."""

import numpy as np
import pytest

from solar.matching.geometry import Geometry
from solar.matching.nearest import Matches
from solar.matching.verification import distinct_matches, verify_matches
from solar.photos.plane import project
from tests.matching.test_geometry import TRUTH, scattered


def _pairs(count: int, second: np.ndarray[tuple[int], np.dtype[np.int64]] | None = None) -> Matches:
    rows = np.arange(count)
    return Matches(rows, rows if second is None else second, np.linspace(0, 1, count))


def test_inliers_are_found_through_the_rows_of_the_matches() -> None:
    first = scattered(0, 200)
    shuffled = np.random.default_rng(5).permutation(200)
    second = np.empty_like(first)
    second[shuffled] = project(TRUTH, first)
    second[shuffled[:80]] = scattered(1, 80)
    found = verify_matches(first, second, _pairs(200, shuffled))
    assert found.matrix is not None
    assert found.inliers[80:].all()
    assert 120 <= len(found) < 126


def test_a_mirrored_photo_is_refused() -> None:
    first = scattered(0, 60)
    found = verify_matches(first, first * [-1, 1] + [640, 0], _pairs(60))
    assert found.matrix is None
    assert len(found) == 0 and found.inliers.shape == (60,)


def test_points_that_collapse_are_refused() -> None:
    first = scattered(0, 60)
    second = np.random.default_rng(1).normal(100, 0.5, (60, 2))  # one corner, found 60 times
    assert len(verify_matches(first, second, _pairs(60))) == 0


@pytest.mark.parametrize("geometry", ["homography", "fundamental"])
@pytest.mark.parametrize("count", [0, 1, 3, 7])
def test_a_few_matches_are_no_error(geometry: Geometry, count: int) -> None:
    first, second = scattered(0, 9), scattered(1, 9)
    found = verify_matches(first, second, _pairs(count), geometry=geometry)
    assert found.inliers.shape == (count,)


def test_two_places_are_joined_once_by_the_nearest_match() -> None:
    first = np.array([(1, 1), (1, 1), (5, 5), (9, 9)], np.float32)
    second = np.array([(2, 2), (2, 2), (2, 2), (7, 7)], np.float32)
    matches = Matches(np.arange(4), np.arange(4), np.array([0.5, 0.2, 0.1, 0.4]))
    found = distinct_matches(first, second, matches)
    assert found.first.tolist() == found.second.tolist() == [1, 2, 3]
    assert found.distance.tolist() == [0.2, 0.1, 0.4]


def test_no_match_remains_none() -> None:
    nothing = np.empty((0, 2), np.float32)
    assert len(distinct_matches(nothing, nothing, _pairs(0))) == 0
