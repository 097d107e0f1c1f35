"""Photos matched from their files: the same one, turned, shrunk, blank, another, very large."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

import solar
from solar.errors import PhotoError, UsageError
from solar.features.detectors import SiftDetector
from solar.features.keypoints import FloatArray, Keypoints
from solar.features.sift import root_sift
from solar.matching.geometry import Geometry, corner_error
from solar.matching.pair import Match
from solar.models.checkpoints import save
from solar.models.local_descriptor import LocalDescriptor
from solar.photos.plane import project
from solar.typing import GrayImage
from tests.matching.textures import texture
from tests.shared import shared

Matrix = npt.NDArray[np.float64]
SIZE = WIDTH, HEIGHT = 480, 360
EXIF_ORIENTATION = 274


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo, itself turned and resized, another, and a blank wall."""
    folder = tmp_path_factory.mktemp("photos")
    photo = texture(1)
    photo.save(folder / "a.png")
    photo.transpose(Image.Transpose.ROTATE_90).save(folder / "turned90.png")
    photo.transpose(Image.Transpose.ROTATE_180).save(folder / "turned180.png")
    photo.resize((WIDTH * 3, HEIGHT * 3), Image.Resampling.BICUBIC).save(folder / "large.png")
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6  # stored lying on its left side
    photo.transpose(Image.Transpose.ROTATE_90).save(folder / "exif.jpg", exif=exif, quality=95)
    texture(2).save(folder / "other.png")
    Image.new("RGB", SIZE, (201, 190, 170)).save(folder / "wall.png")
    return folder


@pytest.fixture(scope="module")
def network() -> LocalDescriptor:
    torch.manual_seed(3)
    return LocalDescriptor(name="random").eval()


def scaled(factor: float) -> Matrix:
    """Enlarged, pixel corner to pixel corner."""
    shift = (factor - 1) / 2
    return np.array([[factor, 0, shift], [0, factor, shift], [0, 0, 1]])


TRUTH = {
    "a.png": np.eye(3),
    "turned90.png": np.array([[0, 1.0, 0], [-1, 0, WIDTH - 1], [0, 0, 1]]),
    "turned180.png": np.array([[-1.0, 0, WIDTH - 1], [0, -1, HEIGHT - 1], [0, 0, 1]]),
    "large.png": scaled(3),
    "exif.jpg": np.eye(3),
}


@pytest.mark.parametrize(("name", "truth"), TRUTH.items())
def test_the_same_photo_is_found_where_it_is(folder: Path, name: str, truth: Matrix) -> None:
    found = solar.match(folder / "a.png", folder / name, model="rootsift")
    assert found.same_place
    assert corner_error(found.geometry, truth, (HEIGHT, WIDTH)) < 0.3 * abs(truth[0]).max()
    first, second = found.xy
    error = np.linalg.norm(project(truth, first) - second, axis=1)
    assert error[found.inliers].max() < 3 * abs(truth[0, :2]).max()
    assert found.summary.endswith(" may be chance: likely the same place")


def test_a_photo_matches_itself_at_every_place_once(folder: Path) -> None:
    found = solar.match(folder / "a.png", folder / "a.png", model="rootsift", ratio=None)
    assert found.inliers.all()
    first, second = found.xy
    assert np.array_equal(first, second)
    assert len(np.unique(first, axis=0)) == len(first) < len(found.keypoints[0])


@pytest.mark.parametrize("size", [240, 480, 700])
def test_shrinking_changes_no_coordinate(folder: Path, size: int) -> None:
    paths = folder / "a.png", folder / "large.png"
    found = solar.match(*paths, model="rootsift", image_size=size)
    assert found.sizes == ((WIDTH, HEIGHT), (3 * WIDTH, 3 * HEIGHT))
    assert corner_error(found.geometry, scaled(3), (HEIGHT, WIDTH)) < 2
    large = found.keypoints[1]
    assert large.xy[:, 0].max() > WIDTH * 2
    assert large.size.min() > 3 * WIDTH / size  # SIFT's least size in the copy is above 1


def test_a_fundamental_matrix_is_in_pixels_of_the_originals(folder: Path) -> None:
    paths = folder / "turned90.png", folder / "large.png"
    found = solar.match(*paths, model="rootsift", geometry="fundamental", image_size=480)
    assert found.geometry is not None and found.same_place
    first, second = (np.column_stack([xy, np.ones(len(xy))])[found.inliers] for xy in found.xy)
    lines = first @ found.geometry.T
    distance = (second * lines).sum(axis=1) / np.linalg.norm(lines[:, :2], axis=1)
    assert np.abs(distance).max() < 3 * 3  # 3 px of a copy of a third


@pytest.mark.parametrize("geometry", ["homography", "fundamental"])
@pytest.mark.parametrize("pair", [("a", "wall"), ("wall", "a"), ("wall", "wall")])
def test_a_blank_wall_matches_nothing(
    folder: Path, pair: tuple[str, str], geometry: Geometry
) -> None:
    first, second = (folder / f"{name}.png" for name in pair)
    found = solar.match(first, second, model="rootsift", geometry=geometry)
    assert not found.same_place and found.geometry is None and len(found.matches) == 0
    assert found.summary.startswith("no keypoint in photo ")
    assert found.summary.count("photo") == pair.count("wall")


@pytest.mark.parametrize("geometry", ["homography", "fundamental"])
def test_another_photo_is_no_match(folder: Path, geometry: Geometry) -> None:
    paths = folder / "a.png", folder / "other.png"
    found = solar.match(*paths, model="rootsift", geometry=geometry)
    assert not found.same_place
    assert found.summary.endswith("the same place")
    assert "likely" not in found.summary


@pytest.mark.slow
def test_a_network_is_taken_as_itself_and_from_its_folder(
    folder: Path, network: LocalDescriptor, tmp_path: Path
) -> None:
    save(network, tmp_path / "random")
    paths = folder / "a.png", folder / "turned90.png"
    one = solar.match(*paths, model=network, keypoints=300)
    other = solar.match(*paths, model=tmp_path / "random", keypoints=300)
    assert one.same_place
    assert np.array_equal(one.matches.distance, other.matches.distance)
    assert network.train().training
    with pytest.raises(UsageError, match=r"random: in training mode; call its .eval\(\) first"):
        solar.match(*paths, model=network, keypoints=300)
    network.eval()


def test_a_detector_and_a_descriptor_of_ones_own(folder: Path) -> None:
    seen: list[tuple[int, ...]] = []

    def describe(photo: GrayImage, keypoints: Keypoints) -> FloatArray:
        seen.append((*photo.shape, len(keypoints)))
        return root_sift(photo, keypoints)

    found = solar.match(
        folder / "a.png",
        folder / "turned180.png",
        model=describe,
        detector=SiftDetector(500),
        keypoints=60,
        image_size=240,
    )
    assert seen == [(180, 240, 60)] * 2
    assert found.same_place


def test_orb_finds_the_same_photo_turned(folder: Path) -> None:
    found = solar.match(
        folder / "a.png", folder / "turned180.png", model="rootsift", detector="orb"
    )
    assert found.same_place
    assert corner_error(found.geometry, TRUTH["turned180.png"], (HEIGHT, WIDTH)) < 2


@pytest.mark.parametrize("detector", ["sift", "orb"])
@pytest.mark.parametrize("size", [1, 5, 62, 63])
def test_tiny_copies_are_no_error(folder: Path, detector: str, size: int, tmp_path: Path) -> None:
    texture(1, (1024, 16)).save(tmp_path / "strip.png")
    for path in (tmp_path / "strip.png", folder / "a.png"):
        found = solar.match(
            path, folder / "a.png", model="rootsift", detector=detector, image_size=size
        )
        assert not found.same_place or size > 60


def test_upright_keypoints_find_a_shift_but_no_turn(folder: Path) -> None:
    straight = solar.match(folder / "a.png", folder / "large.png", model="rootsift", upright=True)
    turned = solar.match(folder / "a.png", folder / "turned180.png", model="rootsift", upright=True)
    assert straight.same_place and not turned.same_place
    assert all((found.angle == 0).all() for found in straight.keypoints)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"geometry": "affine"}, "geometry affine: use homography or fundamental"),
        ({"detector": "surf"}, "detector surf: use sift or sift-faint or orb"),
        ({"keypoints": 0}, "keypoints 0: "),
        ({"ratio": 0.0}, "ratio 0: "),
        ({"ratio": float("nan")}, "ratio nan: "),
        ({"threshold": 0.0}, "threshold 0: "),
        ({"threshold": float("nan")}, "threshold nan: "),
        ({"image_size": 0}, "image size 0: "),
    ],
)
def test_options_out_of_range_are_refused(
    folder: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=f"^{message}"):
        solar.match(folder / "a.png", folder / "a.png", **{"model": "rootsift", **options})


def test_what_is_no_photo_or_no_model_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("not a photo")
    with pytest.raises(PhotoError, match=r"text\.jpg"):
        solar.match(folder / "a.png", tmp_path / "text.jpg", model="rootsift")
    with pytest.raises(UsageError, match="no-such-model"):
        solar.match(folder / "a.png", folder / "a.png", model="no-such-model")


def test_progress_counts_up_to_all_steps(folder: Path) -> None:
    steps: list[tuple[int, int | None]] = []
    solar.match(
        folder / "a.png",
        folder / "a.png",
        model="rootsift",
        progress=lambda done, total: steps.append((done, total)),
    )
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_graffiti_from_two_sides_is_found() -> None:
    root = shared("data/oxford-affine/graf")
    truth = np.loadtxt(root / "H1to3p")
    found: Match = solar.match(root / "img1.jpg", root / "img3.jpg", model="rootsift")
    width, height = found.sizes[0]
    assert found.same_place
    assert corner_error(found.geometry, truth, (height, width)) < 8


@pytest.mark.slow
def test_photos_of_20_megapixels_take_less_than_a_gigabyte(tmp_path: Path) -> None:
    large = texture(1, (1600, 1067)).resize((5472, 3648), Image.Resampling.BICUBIC)
    large.save(tmp_path / "a.jpg", quality=90)
    large.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "b.jpg", quality=90)
    code = """
import solar
from solar.files.memory import peak_memory
found = solar.match("a.jpg", "b.jpg", keypoints=400)
print(found.same_place, len(found.keypoints[0]), found.sizes[1])
print(peak_memory())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    answer, peak = done.stdout.splitlines()
    assert answer == "True 400 (3648, 5472)"
    assert int(peak) < 1e9
