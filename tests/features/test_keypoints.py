"""Keypoints and their descriptors: OpenCV's own as the reference."""

import cv2
import numpy as np
import pytest

from solar.datasets.gray import read_gray
from solar.errors import SolarError
from solar.features.detectors import CONTRAST, OrbDetector, SiftDetector, open_detector
from solar.features.keypoints import Keypoints
from solar.features.patch_descriptor import PatchNetwork
from solar.features.sift import detected, root_sift
from solar.matching.nearest import nearest
from solar.typing import GrayImage
from tests.datasets.builders import noise
from tests.features.pixels import pixels
from tests.features.test_patches import smooth_photo
from tests.shared import shared


def churchill() -> GrayImage:
    return read_gray(shared("data/hpatches-mini/v_churchill/1.png"))


def test_root_sift_equals_opencv_on_its_own_keypoints() -> None:
    photo = churchill()
    reference = cv2.SIFT_create(nfeatures=500, enable_precise_upscale=True)
    found, sift = reference.detectAndCompute(photo, None)
    expected = {
        (*point.pt, point.size, point.angle): np.sqrt(row / row.sum())
        for point, row in zip(found, sift, strict=True)
    }
    keypoints = SiftDetector(500)(photo)
    ours = root_sift(photo, keypoints)
    assert len(keypoints) == 500
    same, rows = detected(photo, 500, CONTRAST)
    assert np.array_equal(same.xy, keypoints.xy) and np.array_equal(same.angle, keypoints.angle)
    assert np.allclose(rows, ours, atol=1e-6)
    for (x, y), size, angle, row in zip(
        keypoints.xy.tolist(), keypoints.size.tolist(), keypoints.angle.tolist(), ours, strict=True
    ):
        assert np.allclose(row, expected[(x, y, size, angle)], atol=1e-6)
    assert np.allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)


def test_faint_keypoints_come_beside_the_others() -> None:
    photo, most = churchill(), 10**5
    faint = open_detector("sift-faint", most)(photo)
    usual = {tuple(xy) for xy in SiftDetector(most)(photo).xy.tolist()}
    assert usual < {tuple(xy) for xy in faint.xy.tolist()} and len(faint) > 1.2 * len(usual)
    assert len(detected(photo, most, CONTRAST / 2)[0]) == len(faint)


def test_the_detector_keeps_the_strongest() -> None:
    photo = churchill()
    keypoints = SiftDetector(100)(photo)
    assert len(keypoints) == 100
    assert (np.diff(keypoints.response) <= 0).all()
    assert (
        keypoints.response[-1] >= np.partition(SiftDetector(300)(photo).response, 200)[200] - 1e-9
    )


def test_sift_keypoints_turn_with_the_photo() -> None:
    photo = churchill()
    turned = SiftDetector(300)(np.ascontiguousarray(photo[::-1, ::-1]))
    height, width = photo.shape
    expected = np.array([width - 1, height - 1]) - SiftDetector(300)(photo).xy
    index, distance = nearest(expected, turned.xy)
    close = distance < 1
    assert close.mean() > 0.8
    assert np.abs((expected - turned.xy[index])[close].mean(axis=0)).max() < 0.05


def test_orb_keypoints_cover_the_region_that_orb_describes() -> None:
    keypoints = OrbDetector(200)(churchill())
    assert len(keypoints) == 200
    assert (np.diff(keypoints.response) <= 0).all()
    assert 6 * keypoints.size.min() == pytest.approx(31)


def test_upright_keypoints_are_distinct_and_unturned() -> None:
    photo = churchill()
    turned, upright = SiftDetector(300)(photo), SiftDetector(300, upright=True)(photo)
    assert (upright.angle == 0).all()
    assert len(np.unique(upright.xy, axis=0)) <= len(upright) < len(turned)
    places = {tuple(row) for row in np.column_stack([turned.xy, turned.size]).tolist()}
    assert {tuple(row) for row in np.column_stack([upright.xy, upright.size]).tolist()} == places


def test_keypoints_of_any_size_can_be_described() -> None:
    sizes = np.geomspace(0.1, 1000, 60).astype(np.float32)
    keypoints = Keypoints(
        np.full((60, 2), 90, np.float32), sizes, np.zeros(60, np.float32), np.ones(60, np.float32)
    )
    assert root_sift(smooth_photo(180, 180), keypoints).shape == (60, 128)


def test_a_flat_photo_has_no_keypoint() -> None:
    flat = np.full((80, 80), 7, np.uint8)
    keypoints = SiftDetector()(flat)
    assert len(keypoints) == 0
    assert root_sift(flat, keypoints).shape == (0, 128)
    assert pixels()(flat, keypoints).shape == (0, 1024)


def test_a_patch_descriptor_gives_a_row_for_each_keypoint() -> None:
    photo = smooth_photo()
    keypoints = SiftDetector()(photo)
    descriptors = pixels()(photo, keypoints)
    assert descriptors.shape == (len(keypoints), 1024)
    assert descriptors.dtype == np.float32


@pytest.mark.parametrize("size", [64, 65])
def test_patches_are_resized_as_opencv_does(size: int) -> None:
    patches = noise(5, 7, size, size)
    resized = (
        pixels(lambda batch: batch.reshape(len(batch), -1)).of_patches(patches).reshape(7, 32, 32)
    )
    for patch, ours in zip(patches, resized, strict=True):
        reference = cv2.resize(patch.astype(np.float32), (32, 32), interpolation=cv2.INTER_LINEAR)
        assert np.allclose(ours, reference, atol=1e-2)


def test_batches_do_not_change_descriptors() -> None:
    patches = noise(5, 1030, 33, 33)
    together = pixels().of_patches(patches)
    assert together.shape == (1030, 1024)
    assert np.allclose(together[1020:], pixels().of_patches(patches[1020:]), atol=1e-6)
    assert pixels().of_patches(patches[:0]).shape == (0, 1024)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda batch: batch,
        lambda batch: batch.reshape(len(batch), -1)[:1],
        lambda batch: batch.reshape(len(batch), -1)[:, :7],
        lambda batch: batch.reshape(len(batch), -1) * float("nan"),
    ],
)
def test_a_descriptor_of_another_shape_or_not_finite_is_refused(wrong: PatchNetwork) -> None:
    with pytest.raises(SolarError, match="must return finite"):
        pixels(wrong).of_patches(noise(5, 3, 64, 64))
