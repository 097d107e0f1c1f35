"""PhotoTour for training: every patch once, at half the size, scenes after one another."""

from pathlib import Path

import numpy as np

from solar.datasets.patches.phototour import PhotoTour
from solar.training.patches.stores import scene_points
from tests.datasets.builders import noise, write_phototour


def test_patches_come_halved_in_the_order_of_points(tmp_path: Path) -> None:
    patches = noise(0, 300, 64, 64)
    points = [7, 3] * 100 + [12] * 100
    first = PhotoTour(write_phototour(tmp_path / "liberty", patches, points, []))
    other = PhotoTour(write_phototour(tmp_path / "yosemite", patches[:20], [0] * 20, []))
    parts = list(scene_points([first, other]))
    found = np.concatenate([patches for patches, _ in parts])
    ids = np.concatenate([ids for _, ids in parts])
    assert ids.tolist() == [0] * 100 + [1] * 100 + [2] * 100 + [3] * 20
    order = np.argsort(points, kind="stable")
    halved = patches[order].reshape(300, 32, 2, 32, 2).mean((2, 4))
    assert found.dtype == np.uint8
    assert np.abs(found[:300] - halved).max() <= 0.5
