"""The benchmark that makes homography sequences of photos: what it writes can be measured."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from solar.datasets.sequences import open_sequences
from solar.photos.plane import project
from tests.scenes import scene

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "homography_pairs.py"


def make(photos: Path, to: Path, count: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), str(photos), "--to", str(to)]
    command += ["--count", str(count), "--views", "2"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_sequences_of_photos_that_are_large_enough(tmp_path: Path) -> None:
    (tmp_path / "photos" / "place").mkdir(parents=True)
    for number, size in enumerate([(400, 320), (330, 310), (500, 200)]):
        scene(number, size).save(tmp_path / "photos" / "place" / f"{number}.png")
    done = make(tmp_path / "photos", tmp_path / "out", 2)
    assert done.returncode == 0, done.stderr
    sequences = open_sequences(tmp_path / "out")
    assert [s.name for s in sequences] == ["v_00_place_0", "v_01_place_1"]
    for sequence in sequences:
        assert len(sequence.photos) == 3
        for view, homography in zip(sequence.photos[1:], sequence.homographies, strict=True):
            width, height = Image.open(view).size
            middle = project(np.linalg.inv(homography), np.array([[width / 2, height / 2]]))
            photo = Image.open(sequence.photos[0])
            assert ((middle > 0) & (middle < photo.size)).all()  # it shows a part of the photo
            assert np.abs(homography - np.eye(3)).max() > 0.05
    again = make(tmp_path / "photos", tmp_path / "again", 2)
    assert again.returncode == 0
    for path in (tmp_path / "out").rglob("*_1_*"):
        assert (
            path.read_bytes()
            == (tmp_path / "again" / path.relative_to(tmp_path / "out")).read_bytes()
        )
    assert "2 photos of at least 300 px" in make(tmp_path / "photos", tmp_path / "x", 3).stderr
