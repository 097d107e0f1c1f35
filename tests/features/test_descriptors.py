"""Descriptors by name: the peers, models in every form, and what is no descriptor."""

from pathlib import Path

import numpy as np
import pytest
import torch

from solar.errors import CheckpointError, UsageError
from solar.features.descriptors import HAND_MADE, open_descriptor
from solar.features.keypoints import Keypoints
from solar.features.patch_descriptor import FLOORS, of_network, open_patch_descriptor
from solar.models.checkpoints import load_local, save
from solar.models.local_descriptor import LocalDescriptor
from solar.models.tfeat import TFeat, load_tfeat
from tests.features.test_patches import smooth_photo

PATCH = np.random.default_rng(0).uniform(0, 255, (5, 1, 32, 32)).astype(np.float32)
SOME = Keypoints(
    np.array([[3, 4], [60, 50], [119, 99]], np.float32),
    np.array([2, 4, 30], np.float32),
    np.array([0, 45, 200], np.float32),
    np.ones(3, np.float32),
)


@pytest.mark.parametrize("name", ["raw", "random", "tfeat.params", "folder", "published.pth"])
def test_every_patch_descriptor_gives_unit_rows(tmp_path: Path, name: str) -> None:
    save(LocalDescriptor(name="mine"), tmp_path / "folder")
    save(LocalDescriptor(), tmp_path / "published.pth")
    torch.save(TFeat().state_dict(), tmp_path / "tfeat.params")
    found = open_patch_descriptor(name if name in FLOORS else str(tmp_path / name))
    rows = found.network(PATCH)
    assert np.array_equal(rows, found.network(PATCH))
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert rows.shape[1] == found.dimensions
    titles = {"raw": "raw pixels", "random": "random weights", "tfeat.params": "TFeat"}
    assert found.name == titles.get(name, "mine" if name == "folder" else "published")


@pytest.mark.parametrize("name", [*HAND_MADE, "raw"])
def test_every_keypoint_descriptor_gives_a_row_a_keypoint(name: str) -> None:
    descriptor = open_descriptor(name, "cpu")
    photo = smooth_photo(100, 120)
    rows = descriptor(photo, SOME)
    assert rows.shape == (3, descriptor.dimensions)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    for row in range(3):  # alone as among others, but for the levels that OpenCV's SIFT enlarges
        alone = descriptor(photo, SOME.take(np.array([row])))
        assert alone[0] @ rows[row] > 0.999
    none = SOME.take(np.array([], np.int64))
    assert descriptor(photo, none).shape == (0, descriptor.dimensions)


def test_the_random_network_is_always_the_same_and_leaves_the_generator() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = open_patch_descriptor("random").fingerprint
    assert torch.equal(torch.rand(1), expected)
    assert open_patch_descriptor("random").fingerprint == first


def test_names_and_files_that_are_no_descriptor(tmp_path: Path) -> None:
    for name in ("magic", str(tmp_path / "gone"), "gone.pth"):
        with pytest.raises(UsageError, match=r"no such file; use raw, random, solar-local"):
            open_patch_descriptor(name)
        with pytest.raises(UsageError, match=r"no such file; use rootsift, sift, orb, raw"):
            open_descriptor(name)
    with pytest.raises(UsageError, match=r"gone\.params: no such file"):
        open_patch_descriptor("gone.params")
    assert open_descriptor("solar-local@1", "cpu").name == "solar-local"
    with pytest.raises(CheckpointError, match="solar-r18: a global model"):
        open_descriptor("solar-r18")
    with pytest.raises(UsageError, match="--device tpu"):
        open_descriptor("raw", "tpu")
    torch.save({"features.1.weight": torch.ones(3)}, tmp_path / "m.params")
    with pytest.raises(CheckpointError, match=r"m\.params: lacks 'descr.0.bias' \(5 such"):
        load_tfeat(tmp_path / "m.params")
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        open_patch_descriptor(str(tmp_path))


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_every_precision_is_of_the_class_full(precision: str) -> None:
    """So `FeatureExtraction` need not say in which one features were made."""
    network, photo = load_local("solar-local"), smooth_photo(200, 220)
    exact, other = (of_network(network, each)(photo, SOME) for each in ("float32", precision))
    assert not np.array_equal(exact, other)
    assert (exact * other).sum(1).min() > 0.9999
