"""The PhotoTour reader on scenes written in its format."""

from pathlib import Path

import numpy as np
import pytest

from solar.datasets.patches.phototour import PhotoTour
from solar.errors import SolarError
from tests.datasets.builders import noise, write_phototour


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    patches = noise(0, 300, 64, 64)  # a full mosaic and a part of a second
    points = [number // 2 for number in range(300)]
    return write_phototour(tmp_path / "liberty", patches, points, [(0, 1), (0, 299), (298, 299)])


def test_patches_come_in_the_order_asked_from_both_mosaics(scene: Path) -> None:
    patches = noise(0, 300, 64, 64)
    opened = PhotoTour(scene)
    wanted = [299, 0, 17, 255, 256, 17]
    assert opened.name == "liberty"
    assert len(opened) == 300
    assert np.array_equal(opened.patches(wanted), patches[wanted])
    assert opened.patches([]).shape == (0, 64, 64)


def test_pairs_match_where_the_points_are_equal(scene: Path) -> None:
    opened = PhotoTour(scene)
    pairs = opened.pairs()
    assert pairs.first.tolist() == [0, 0, 298]
    assert pairs.second.tolist() == [1, 299, 299]
    assert pairs.matching.tolist() == [True, False, True]
    assert opened.point_ids[:4].tolist() == [0, 0, 1, 1]


def test_a_number_outside_the_scene_is_refused(scene: Path) -> None:
    opened = PhotoTour(scene)
    for numbers in ([300], [-1]):
        with pytest.raises(SolarError, match="liberty: patches are numbered 0 to 299"):
            opened.patches(numbers)


def test_a_missing_mosaic_is_named(scene: Path) -> None:
    (scene / "patches0001.bmp").unlink()
    with pytest.raises(SolarError, match=r"patches0001\.bmp: missing, although .* 300 patches"):
        PhotoTour(scene)


def test_a_truncated_mosaic_is_named(scene: Path) -> None:
    path = scene / "patches0000.bmp"
    path.write_bytes(path.read_bytes()[:5000])
    opened = PhotoTour(scene)
    with pytest.raises(SolarError, match=r"patches0000\.bmp: not a readable image .*truncated"):
        opened.patches([3])


def test_a_mosaic_of_another_size_is_named(scene: Path) -> None:
    (scene / "patches0000.bmp").write_bytes((scene / "patches0001.bmp").read_bytes())
    from PIL import Image

    Image.new("L", (64, 64)).save(scene / "patches0000.bmp")
    with pytest.raises(SolarError, match=r"patches0000\.bmp: 64 x 64 pixels"):
        PhotoTour(scene).patches([3])


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "no data"), ("12 0\nx 0\n", "could not convert string 'x'"), ("\x00\xff", "")],
)
def test_a_damaged_info_is_named(scene: Path, text: str, reason: str) -> None:
    (scene / "info.txt").write_text(text, encoding="latin-1")
    with pytest.raises(SolarError, match=rf"info\.txt: .*{reason}.*; unpack the archive again"):
        PhotoTour(scene)


def test_no_scene_at_all(tmp_path: Path) -> None:
    with pytest.raises(SolarError, match=r"info\.txt: no such file"):
        PhotoTour(tmp_path / "nowhere")


def test_pairs_of_another_scene_are_refused_by_row(scene: Path) -> None:
    (scene / "m50_100000_100000_0.txt").write_text("0 0 0 1 0 0 0\n0 0 0 400 7 0 0\n")
    with pytest.raises(SolarError, match=r"m50_100000_100000_0\.txt: row 2 names a patch"):
        PhotoTour(scene).pairs()


def test_pairs_with_too_few_columns_are_refused(scene: Path) -> None:
    (scene / "short.txt").write_text("0 0 0\n")
    with pytest.raises(SolarError, match=r"short\.txt: .*unpack the archive again"):
        PhotoTour(scene).pairs("short.txt")
    with pytest.raises(SolarError, match=r"absent\.txt: no such file"):
        PhotoTour(scene).pairs("absent.txt")
