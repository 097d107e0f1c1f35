"""The picture of a match, checked by its pixels."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import solar
from solar.features.keypoints import Keypoints
from solar.matching.drawing import HEIGHT, WIDTH, draw_match
from solar.matching.nearest import Matches
from solar.matching.pair import Match

GREEN = (40, 235, 110)


def points(*xy: tuple[float, float]) -> Keypoints:
    ones = np.ones(len(xy), np.float32)
    return Keypoints(np.array(xy, np.float32).reshape(-1, 2), ones, ones, ones)


def one_line(size: tuple[int, int], inlier: bool) -> Match:
    """A match of the centres of two photos of one size."""
    centre = points(((size[0] - 1) / 2, (size[1] - 1) / 2))
    rows = np.zeros(1, np.int64)
    return Match(
        (centre, centre),
        Matches(rows, rows, np.zeros(1)),
        np.array([inlier]),
        None,
        "homography",
        (size, size),
    )


def greenish(picture: Image.Image) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    return np.asarray(np.abs(np.array(picture).astype(int) - GREEN).max(axis=2) < 60)


@pytest.mark.parametrize(
    ("size", "beside"), [((300, 400), True), ((400, 400), True), ((1600, 400), False)]
)
def test_a_line_joins_the_places_in_both_photos(size: tuple[int, int], beside: bool) -> None:
    photo = Image.new("RGB", size, "black")
    picture = draw_match(photo, photo, one_line(size, inlier=True))
    assert picture.width <= WIDTH and picture.height <= HEIGHT + 40
    line = np.argwhere(greenish(picture))  # rows of y, x
    top, left = line.min(axis=0)
    bottom, right = line.max(axis=0)
    body = picture.height - 40
    if beside:
        assert abs(left - picture.width / 4) < 10 and abs(right - 3 * picture.width / 4) < 10
        assert abs(top - body / 2) < 10 and abs(bottom - body / 2) < 10
    else:
        assert abs(top - body / 4) < 10 and abs(bottom - 3 * body / 4) < 10
        assert abs(left - picture.width / 2) < 10 and abs(right - picture.width / 2) < 10


def test_only_inliers_are_green() -> None:
    photo = Image.new("RGB", (300, 400), "black")
    picture = draw_match(photo, photo, one_line((300, 400), inlier=False))
    assert not greenish(picture).any()
    middle = np.array(picture)[:, picture.width // 2 - 40 : picture.width // 2 - 20]
    assert middle[: picture.height - 40].max() > 60  # the pale line


def test_photos_without_a_keypoint_are_drawn_as_they_are(tmp_path: Path) -> None:
    wall = Image.new("RGB", (160, 120), (201, 190, 170))
    wall.save(tmp_path / "wall.png")
    found = solar.match(tmp_path / "wall.png", tmp_path / "wall.png", model="rootsift")
    picture = np.array(draw_match(wall, wall, found))
    assert (picture[:500, :700] == (201, 190, 170)).all()
    assert picture[-40:].max() > 200  # the caption


def test_a_strip_of_a_photo_still_makes_a_picture() -> None:
    strip, tower = Image.new("RGB", (1024, 16)), Image.new("RGB", (16, 1024))
    centre = points((8.0, 8.0))
    rows = np.zeros(1, np.int64)
    found = Match(
        (centre, centre),
        Matches(rows, rows, np.zeros(1)),
        np.array([True]),
        None,
        "homography",
        (strip.size, tower.size),
    )
    assert draw_match(strip, tower, found).width <= WIDTH
