"""The homography sequence reader: both layouts, real and written."""

from pathlib import Path

import numpy as np
import pytest

from solar.datasets.sequences import open_sequence, open_sequences
from solar.errors import SolarError
from tests.datasets.builders import noise, write_sequence
from tests.shared import shared

SHIFT = np.array([[1.0, 0, 5], [0, 1, 0], [0, 0, 1]])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    photos = [noise(seed, 40, 60) for seed in range(3)]
    return write_sequence(tmp_path / "v_wall", photos, [np.eye(3), SHIFT])


def test_the_hpatches_layout(folder: Path) -> None:
    sequence = open_sequence(folder)
    assert sequence.name == "v_wall"
    assert [path.name for path in sequence.photos] == ["1.ppm", "2.ppm", "3.ppm"]
    assert np.array_equal(sequence.homographies[1], SHIFT)
    assert np.array_equal(sequence.photo(2), noise(2, 40, 60))


def test_the_oxford_affine_layout(folder: Path) -> None:
    for number in (1, 2, 3):
        (folder / f"{number}.ppm").rename(folder / f"img{number}.ppm")
    for number in (2, 3):
        (folder / f"H_1_{number}").rename(folder / f"H1to{number}p")
    sequence = open_sequence(folder)
    assert np.array_equal(sequence.homographies[1], SHIFT)


@pytest.mark.parametrize("name", ["hpatches-mini", "oxford-affine"])
def test_the_real_sequences_open(name: str) -> None:
    (sequence,) = open_sequences(shared(f"data/{name}"))
    assert sequence.name in ("v_churchill", "graf")
    assert len(sequence.photos) == 6
    assert len(sequence.homographies) == 5
    assert sequence.photo(0).ndim == 2


def test_a_folder_of_sequences_and_one_sequence(folder: Path) -> None:
    write_sequence(folder.parent / "i_dome", [noise(1, 40, 40)] * 2, [np.eye(3)])
    assert [s.name for s in open_sequences(folder.parent)] == ["i_dome", "v_wall"]
    assert [s.name for s in open_sequences(folder)] == ["v_wall"]


def test_no_sequence(tmp_path: Path) -> None:
    with pytest.raises(SolarError, match="no homography sequence"):
        open_sequences(tmp_path)
    with pytest.raises(SolarError, match="no such folder"):
        open_sequences(tmp_path / "nowhere")


def test_missing_files_are_named(folder: Path) -> None:
    (folder / "H_1_3").unlink()
    with pytest.raises(SolarError, match="H_1_3: no such file, although the photo is there"):
        open_sequence(folder)


def test_a_missing_photo_does_not_shorten_the_sequence(folder: Path) -> None:
    (folder / "2.ppm").unlink()
    with pytest.raises(SolarError, match="photo 2 is missing, although its homography is there"):
        open_sequence(folder)


def test_one_photo_is_no_sequence(folder: Path) -> None:
    for name in ("2.ppm", "3.ppm", "H_1_2", "H_1_3"):
        (folder / name).unlink()
    with pytest.raises(SolarError, match="holds one photo only"):
        open_sequence(folder)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 0 0 0 1 0", "not nine finite numbers"),
        ("1 0 0 0 1 0 0 0 nan", "not nine finite numbers"),
        ("one", "not a table of numbers"),
        ("é", "not a table of numbers"),
        ("0 0 0 0 0 0 0 0 0", "cannot be inverted"),
    ],
)
def test_a_damaged_homography_is_named(folder: Path, text: str, reason: str) -> None:
    (folder / "H_1_2").write_text(text, encoding="utf-8")
    with pytest.raises(SolarError, match=f"H_1_2: .*{reason}"):
        open_sequence(folder)


def test_a_truncated_photo_is_named(folder: Path) -> None:
    (folder / "2.ppm").write_bytes((folder / "2.ppm").read_bytes()[:100])
    with pytest.raises(SolarError, match=r"2\.ppm: not a readable image"):
        open_sequence(folder).photo(1)
