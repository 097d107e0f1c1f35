"""Patches cut from the pyramid, against crops and warps done otherwise."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from solar.features.keypoints import Keypoints
from solar.features.patches import PhotoPyramid
from solar.typing import GrayImage


def smooth_photo(height: int = 240, width: int = 320) -> GrayImage:
    noise = np.random.default_rng(3).uniform(0, 255, (height, width)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 6)
    spread = (blurred - blurred.min()) / (blurred.max() - blurred.min())
    return np.asarray(255 * spread, np.uint8)


def keypoint(x: float, y: float, size: float, angle: float = 0.0) -> Keypoints:
    return Keypoints(
        np.array([[x, y]], np.float32),
        np.array([size], np.float32),
        np.array([angle], np.float32),
        np.ones(1, np.float32),
    )


def cut(photo: GrayImage, points: Keypoints, magnification: float = 6.0) -> npt.NDArray[np.float32]:
    patches = PhotoPyramid(photo).patches(points, magnification=magnification)
    return np.asarray(patches[:, 0])


def bilinear(
    image: npt.NDArray[np.float32], xy: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Samples of an image at (2, N) places; beyond it the border repeats."""
    height, width = image.shape
    x, y = np.clip(xy[0], 0, width - 1), np.clip(xy[1], 0, height - 1)
    left, top = np.minimum(x.astype(int), width - 2), np.minimum(y.astype(int), height - 2)
    u, v = x - left, y - top
    upper = (1 - u) * image[top, left] + u * image[top, left + 1]
    lower = (1 - u) * image[top + 1, left] + u * image[top + 1, left + 1]
    return np.asarray((1 - v) * upper + v * lower)


def test_a_patch_at_full_size_is_the_crop() -> None:
    photo = smooth_photo()
    patch = cut(photo, keypoint(100.5, 80.5, 32), magnification=1)[0]
    assert np.allclose(patch, photo[65:97, 85:117], atol=0.05)


@pytest.mark.parametrize(("angle", "turns"), [(90, 1), (180, 2), (270, 3)])
def test_an_oriented_patch_is_the_turned_crop(angle: float, turns: int) -> None:
    photo = smooth_photo()
    patch = cut(photo, keypoint(100.5, 80.5, 32, angle), magnification=1)[0]
    # The patch's x axis points along the angle: down for 90 degrees.
    assert np.allclose(patch, np.rot90(photo[65:97, 85:117], turns), atol=0.1)


@pytest.mark.parametrize("step", [0.5, 1.0, 1.7, 2.0, 4.0, 6.3])
def test_scaled_patches_equal_warps_of_opencvs_pyramid(step: float) -> None:
    photo = smooth_photo()
    x, y, angle = 160.2, 119.7, np.deg2rad(33)
    patch = cut(photo, keypoint(x, y, 32 * step / 6, 33.0))[0]
    level = max(0, round(float(np.log2(step))))
    halved = photo.astype(np.float32)
    for _ in range(level):
        halved = cv2.pyrDown(halved)
    scale = step / 2**level
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corner = np.array([x, y]) / 2**level - turn @ [15.5, 15.5]
    rows, columns = np.indices((32, 32))
    places = turn @ np.stack([columns.ravel(), rows.ravel()]) + corner[:, None]
    warped = bilinear(halved, places).reshape(32, 32)
    inner = slice(4, -4) if step > 4 else slice(None)  # borders are smoothed otherwise
    assert np.allclose(patch[inner, inner], warped[inner, inner], atol=0.1)


def test_a_small_patch_skips_the_fine_detail_of_a_large_region() -> None:
    checker = (255 * (np.indices((256, 256)).sum(0) % 2)).astype(np.uint8)
    patch = cut(checker, keypoint(128.3, 127.1, 32 * 4 / 6))[0]
    assert np.abs(patch - 127.5).max() < 1.0  # no aliasing


def test_the_border_repeats() -> None:
    photo = smooth_photo()
    patch = cut(photo, keypoint(0.0, 0.0, 32), magnification=1)[0]
    assert np.allclose(patch[:16, :16], float(photo[0, 0]), atol=0.05)
    far = cut(photo, keypoint(1000.0, -1000.0, 32), magnification=1)[0]
    assert np.allclose(far, float(photo[0, -1]), atol=0.05)


def test_many_patches_equal_one_at_a_time() -> None:
    photo = smooth_photo()
    random = np.random.default_rng(0)
    points = Keypoints(
        random.uniform(0, 240, (40, 2)).astype(np.float32),
        random.uniform(1, 60, 40).astype(np.float32),
        random.uniform(0, 360, 40).astype(np.float32),
        np.ones(40, np.float32),
    )
    together = cut(photo, points)
    for row in range(40):
        alone = cut(photo, points.take(np.array([row])))
        assert np.allclose(together[row], alone[0], atol=1e-4)
    assert together.min() >= 0
    assert together.max() <= 255


def test_a_tiny_photo_and_no_keypoint() -> None:
    photo = np.full((1, 1), 9, np.uint8)
    assert np.allclose(cut(photo, keypoint(0, 0, 3)), 9)
    empty = keypoint(0, 0, 3).take(np.empty(0, np.int64))
    assert PhotoPyramid(photo).patches(empty).shape == (0, 1, 32, 32)
