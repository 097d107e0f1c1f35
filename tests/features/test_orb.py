"""ORB of given keypoints: the distances, and that it turns and scales with them."""

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from solar.features.detectors import SiftDetector
from solar.features.features import Features
from solar.features.keypoints import FloatArray, Keypoints
from solar.features.orb import orb
from solar.matching.nearest import squared_distances
from tests.scenes import scene

PHOTO = np.asarray(scene(2, (400, 300)).convert("L"))
KEYPOINTS = SiftDetector(200)(PHOTO)


def hamming(a: FloatArray, b: FloatArray) -> float:
    """Mean number of bits that differ."""
    return float(((a > 0) != (b > 0)).sum(1).mean())


def test_euclidean_order_is_hamming_order() -> None:
    rows = orb(PHOTO, KEYPOINTS)
    assert set(np.unique(rows)) == {-1 / 16, 1 / 16}
    bits = ((rows[:, None] > 0) != (rows[None] > 0)).sum(2)
    np.testing.assert_allclose(squared_distances(rows, rows), bits / 64, atol=1e-9)


def test_a_bit_a_number_keeps_every_distance() -> None:
    rows = orb(PHOTO, KEYPOINTS)
    kept = Features.of(KEYPOINTS, rows, PHOTO.shape, bits=1)
    assert kept.descriptors.shape == (len(rows), 32)
    assert kept.rows().shape == (len(rows), 8 + 32)
    again = Features.from_rows(400, 300, kept.rows(), bits=1)
    np.testing.assert_array_equal(again.unit_descriptors, rows)
    packed = again.descriptors.view(np.uint8)
    bits = np.unpackbits(packed[:, None] ^ packed[None], axis=2).sum(2)
    np.testing.assert_array_equal(again.unit_descriptors @ rows.T, 1 - bits / 128)


def test_bits_are_those_of_opencv() -> None:
    keypoints = Keypoints(
        np.array([[120, 90], [200, 150]], np.float32),
        np.full(2, 31 / 6, np.float32),  # 31 pixels of the photo itself
        np.array([30, 250], np.float32),
        np.ones(2, np.float32),
    )
    points = [cv2.KeyPoint(120, 90, 31, 30, 1, 0), cv2.KeyPoint(200, 150, 31, 250, 1, 0)]
    packed = cv2.ORB_create().compute(PHOTO, points)[1]
    expected = np.unpackbits(packed, axis=1)
    assert (expected == (orb(PHOTO, keypoints) > 0)).all()


def test_it_turns_and_scales_with_the_keypoints() -> None:
    rows = orb(PHOTO, KEYPOINTS)
    height = PHOTO.shape[0]
    x, y = KEYPOINTS.xy.T
    turned = Keypoints(
        np.column_stack([height - 1 - y, x]),
        KEYPOINTS.size,
        (KEYPOINTS.angle + 90) % 360,
        KEYPOINTS.response,
    )
    others = hamming(rows, np.roll(rows, 1, axis=0))
    assert hamming(rows, orb(np.ascontiguousarray(np.rot90(PHOTO, -1)), turned)) < 0.25 * others
    large = Keypoints(
        KEYPOINTS.xy * 2 + 0.5, KEYPOINTS.size * 2, KEYPOINTS.angle, KEYPOINTS.response
    )
    enlarged = cv2.resize(PHOTO, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    assert hamming(rows, orb(enlarged, large)) < 0.3 * others


@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.lists(st.tuples(*[st.floats(0, 59)] * 2, st.floats(0.5, 200)), max_size=5),
)
def test_any_keypoint_of_any_photo_gets_a_row(
    height: int, width: int, rows: list[tuple[float, float, float]]
) -> None:
    table = np.array(rows, np.float32).reshape(-1, 3)
    zeros = np.zeros(len(table), np.float32)
    xy = table[:, :2].clip(0, (width - 1, height - 1))
    keypoints = Keypoints(np.asarray(xy, np.float32), table[:, 2], zeros, zeros)
    described = orb(PHOTO[:height, :width], keypoints)
    assert described.shape == (len(table), 256)
    np.testing.assert_allclose(np.linalg.norm(described, axis=1), 1)
