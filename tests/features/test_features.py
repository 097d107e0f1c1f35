"""Features: what is lost by a byte for each number, and what is not."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from solar.features.features import KEYPOINT, Features
from solar.features.keypoints import Keypoints


def random_keypoints(count: int, width: int, height: int, seed: int) -> Keypoints:
    chance = np.random.default_rng(seed)
    places = chance.uniform((-0.5, -0.5), (width - 0.5, height - 0.5), (count, 2))
    size, angle = chance.uniform(1, 500, count), chance.uniform(0, 360, count)
    columns = [column.astype(np.float32) for column in (places, size, angle, size)]
    return Keypoints(*columns)


@given(st.integers(0, 300), st.integers(1, 4000), st.integers(1, 4000), st.integers(0, 2**32 - 1))
def test_keypoints_come_back_almost_as_they_were(
    count: int, width: int, height: int, seed: int
) -> None:
    keypoints = random_keypoints(count, width, height, seed)
    chance = np.random.default_rng(seed)
    descriptors = chance.standard_normal((count, 128)).astype(np.float32)
    features = Features.of(keypoints, descriptors, (height, width))
    again = Features.from_rows(width, height, features.rows())
    assert len(again) == count
    assert features.rows().shape == (count, KEYPOINT.itemsize + 128)
    np.testing.assert_array_equal(again.rows(), features.rows())
    off = np.abs(again.xy - keypoints.xy)
    assert (off <= np.array([width, height]) / 2**16 + 1e-3).all()
    turn = again.turn_and_size / (keypoints.size * np.exp(1j * np.deg2rad(keypoints.angle)))
    assert (np.abs(turn - 1) < 1e-3).all()


@given(st.integers(1, 200), st.integers(0, 2**32 - 1), st.floats(0.1, 4))
def test_descriptors_keep_their_direction(count: int, seed: int, peaked: float) -> None:
    """RootSIFT's rows are more peaked than a network's: so are powers of normal numbers."""
    chance = np.random.default_rng(seed)
    rows = np.abs(chance.standard_normal((count, 128))) ** peaked
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    features = Features.of(random_keypoints(count, 640, 480, seed), rows, (480, 640))
    units = features.unit_descriptors
    np.testing.assert_allclose(np.linalg.norm(units, axis=1), 1, atol=1e-5)
    assert ((units * rows).sum(axis=1) > 0.999).all()


def test_a_row_of_zeros_and_no_row_at_all() -> None:
    features = Features.of(random_keypoints(1, 9, 9, 0), np.zeros((1, 128), np.float32), (9, 9))
    np.testing.assert_array_equal(features.unit_descriptors, np.zeros((1, 128)))
    empty = Features.of(random_keypoints(0, 9, 9, 0), np.empty((0, 128), np.float32), (9, 9))
    assert Features.from_rows(9, 9, empty.rows()).unit_descriptors.shape == (0, 128)
