"""Patches of points: they show the same place, no place is two points, processes do not matter."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from solar.errors import UsageError
from solar.features.keypoints import Keypoints
from solar.photos.augment import Visit
from solar.training.patches.points import (
    POINTS_PER_PHOTO,
    PairSettings,
    PhotoPoints,
    corresponding,
    distinct,
    moved,
    photo_names,
    photo_points,
    stream,
)
from tests.scenes import album, scene

SETTINGS = PairSettings(visits=2, points=60)
UNCHANGED = Visit(
    angle=0, roll=0, zoom=1, exposure=0, contrast=0, temperature=0, shadow=0, haze=0, blur=0,
    noise=0, occlusion=0, quality=95,
)  # fmt: skip


def keypoints(*rows: tuple[float, float, float, float]) -> Keypoints:
    table = np.array(rows, np.float32).reshape(-1, 4)
    return Keypoints(table[:, :2], table[:, 2], table[:, 3], np.ones(len(table), np.float32))


def textured(seed: int) -> Image.Image:
    """A large scene under fine noise, so that keypoints are many."""
    photo = scene(seed, (480, 360))
    noise = np.random.default_rng(seed).normal(128, 60, (180, 240)).clip(0, 255)
    grain = Image.fromarray(noise.astype(np.uint8)).resize(photo.size, Image.Resampling.BICUBIC)
    return Image.blend(photo, grain.convert("RGB"), 0.4)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def test_patches_of_a_point_look_alike_and_others_do_not() -> None:
    patches, points = photo_points(textured(1), np.random.default_rng(0), SETTINGS)
    assert patches.shape == (len(points), 32, 32) and patches.dtype == np.uint8
    assert len(np.unique(points)) > 20
    assert (np.bincount(points) >= 2).all() and (np.diff(points) >= 0).all()
    rows = np.flatnonzero(np.diff(points) == 0)
    same = [correlation(patches[row], patches[row + 1]) for row in rows]
    rows = np.flatnonzero(np.diff(points))
    other = [correlation(patches[row], patches[row + 1]) for row in rows]
    assert np.median(same) > 0.7 and abs(np.median(other)) < 0.2


def test_an_unchanged_visit_shows_the_same_patches() -> None:
    settings = PairSettings(visits=1, points=60, misplaced=0, rescale=1, visit=UNCHANGED)
    patches, points = photo_points(textured(2), np.random.default_rng(0), settings)
    assert len(np.unique(points)) > 30
    first = patches[np.unique(points, return_index=True)[1]].astype(float)
    second = patches[np.unique(points, return_index=True)[1] + 1].astype(float)
    assert np.median(np.abs(first - second).mean(axis=(1, 2))) < 3  # JPEG of quality 95


def test_misplaced_patches_come_on_top() -> None:
    def count(misplaced: float) -> int:
        settings = replace(SETTINGS, misplaced=misplaced)
        return len(photo_points(textured(3), np.random.default_rng(0), settings)[1])

    assert count(0) < count(1)


def test_a_photo_without_keypoints_has_no_points() -> None:
    patches, points = photo_points(
        Image.new("RGB", (100, 80), "gray"), np.random.default_rng(0), SETTINGS
    )
    assert patches.shape == (0, 32, 32) and len(points) == 0


def test_keypoints_move_with_a_rotation_and_a_scale() -> None:
    turn = np.deg2rad(90)
    similarity = np.array(
        [
            (2 * np.cos(turn), -2 * np.sin(turn), 5),
            (2 * np.sin(turn), 2 * np.cos(turn), 7),
            (0, 0, 1),
        ]
    )
    found = moved(keypoints((10, 20, 4, 30), (0, 0, 2, 350)), similarity)
    assert found.xy == pytest.approx(np.array([(-35, 27), (5, 7)]), abs=1e-3)
    assert found.size == pytest.approx([8, 4], rel=1e-3)
    assert found.angle % 360 == pytest.approx([120, 80], abs=0.1)


def test_the_size_moves_with_the_area_under_a_perspective() -> None:
    homography = np.array([(1.0, 0.1, 3), (0.05, 0.9, 2), (1e-3, 5e-4, 1)])
    (x, y), delta = (60.0, 40.0), 1e-4
    corners = np.array([(x, y, 1), (x + delta, y, 1), (x, y + delta, 1)]) @ homography.T
    (a, b), (c, d), (e, f) = corners[:, :2] / corners[:, 2:]
    area = abs((c - a) * (f - b) - (d - b) * (e - a)) / delta**2
    found = moved(keypoints((x, y, 6, 0)), homography)
    assert found.size[0] == pytest.approx(6 * np.sqrt(area), rel=1e-3)


def test_what_corresponds_agrees_in_place_size_and_angle() -> None:
    expected = keypoints((50, 50, 10, 355), (90, 50, 10, 0), (90, 90, 10, 0), (10, 10, 10, 0))
    detected = keypoints(
        (52, 50, 10, 5),  # the first: 2 px and 10 degrees off
        (51, 50, 10, 10),  # nearer
        (90, 50, 10, 40),  # turned too far
        (90, 90, 14, 0),  # too large by half an octave
        (15, 10, 10, 0),  # half a size away
    )
    found, rows = corresponding(expected, detected)
    assert rows.tolist() == [0] and found.tolist() == [1]
    nothing = keypoints()
    for pair in ((nothing, detected), (expected, nothing)):
        assert [len(part) for part in corresponding(*pair)] == [0, 0]


def test_no_two_points_are_the_same_place() -> None:
    many = keypoints(*[(50 + i % 7, 50 + i // 7, 4, 0) for i in range(49)])
    kept = distinct(many, 49, np.random.default_rng(0))
    gaps = np.linalg.norm(kept.xy[:, None] - kept.xy[None], axis=2)
    assert 2 <= len(kept) < 12
    assert gaps[~np.eye(len(kept), dtype=bool)].min() >= 0.8 * 4


def test_the_stream_is_the_same_for_any_number_of_processes(tmp_path: Path) -> None:
    paths = album(tmp_path, 6, (240, 180))
    paths[2].write_bytes(b"not a photo")
    streams = [list(stream(paths, 5, SETTINGS, workers)) for workers in (0, 1, 2)]
    for parts in zip(*streams, strict=True):
        for patches, points in parts[1:]:
            assert np.array_equal(patches, parts[0][0]) and np.array_equal(points, parts[0][1])
    points = np.concatenate([points for _, points in streams[0]])
    assert set(np.unique(points // POINTS_PER_PHOTO)) == {0, 1, 3, 4, 5}  # photo 2 is unreadable


def test_a_photo_depends_on_the_seed_and_its_number_alone(tmp_path: Path) -> None:
    paths = album(tmp_path, 3, (240, 180))
    alone = PhotoPoints(paths[:2], 5, SETTINGS)[1]
    among = PhotoPoints(paths, 5, SETTINGS)[1]
    assert np.array_equal(alone[0], among[0])
    other = PhotoPoints(paths, 6, SETTINGS)[1]
    assert alone[0].shape != other[0].shape or not np.array_equal(alone[0], other[0])
    assert photo_names(paths[:1]) == [f"{tmp_path.name}/00.png"]


@pytest.mark.parametrize(
    "wrong", [{"visits": 0}, {"points": 0}, {"misplaced": 1.5}, {"rescale": 0.5}]
)
def test_settings_out_of_range_are_named(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(UsageError, match=f"{name} is .*; choose"):
        PairSettings(**wrong)  # type: ignore[arg-type]
