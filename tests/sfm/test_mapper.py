"""COLMAP's own programs on what Solar exports: where pixels are, what the mapper makes of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.reconstruction import by_sift, by_solar, unpack
from solar.index import Index
from solar.sfm.export import export_hloc
from tests.collection.colours import ColourExtractor
from tests.rerank.views import busy_scene
from tests.shared import shared

pytestmark = pytest.mark.sfm

_KEYPOINTS = """
import json, sys, pycolmap
ours, photos, sift = sys.argv[1:]
pycolmap.extract_features(sift, photos)
found = []
for path in (ours, sift):
    with pycolmap.Database.open(path) as database:
        image = database.read_image_with_name("blob.png")
        found.append(database.read_keypoints(image.image_id).tolist())
        camera = database.read_camera(image.camera_id)
        found.append([camera.width, camera.height, *camera.params])
print(json.dumps(found))
"""


def test_pixels_are_where_colmap_has_them(tmp_path: Path) -> None:
    at = 83, 59
    y, x = np.mgrid[:160, :240]
    blob = 250 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * 4.0**2))
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(blob.astype(np.uint8)).convert("RGB").save(photos / "blob.png")
    busy_scene(1).save(photos / "other.png")
    index = Index.create(tmp_path / "i", ColourExtractor())
    index.add(photos)
    export_hloc(index, tmp_path / "to", kept=True, database=True)
    arguments = [tmp_path / "to" / "database.db", photos, tmp_path / "sift.db"]
    call = [sys.executable, "-c", _KEYPOINTS, *map(str, arguments)]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ours, camera, theirs, same = json.loads(done.stdout.splitlines()[-1])
    corner = np.array(at) + 0.5
    one, two = (nearest(np.array(found), corner) for found in (ours, theirs))
    np.testing.assert_allclose(one, corner, atol=0.1)
    np.testing.assert_allclose(one, two, atol=0.1)
    assert camera == same


def nearest(keypoints: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The x and y that lie nearest."""
    xy = keypoints[:, :2]
    return np.asarray(xy[np.linalg.norm(xy - at, axis=1).argmin()])


def test_the_mapper_takes_it(tmp_path: Path) -> None:
    (scene,) = unpack(shared("data/strecha.zip"), tmp_path, ["fountain"])
    photos = len(list(scene.iterdir()))
    ours, sift = by_solar(scene), by_sift(scene)
    assert sift.registered == photos
    assert ours.registered >= 0.9 * photos
    assert ours.error <= 1.2 * sift.error
