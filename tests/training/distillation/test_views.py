"""Views: what they show, how far they may differ, and that they depend on seed and step alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from solar.errors import PhotoError, UsageError
from solar.training.distillation.photos import KeptPhotos, keep_photos
from solar.training.distillation.views import Ways, covered, cut, draw, homographies, relit
from tests.scenes import album

WAYS = Ways((0.2, 0.7), 0.3, 0.2, 10.0, 0.4)
CORNERS = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
CPU = torch.device("cpu")


def kept(count: int = 5) -> KeptPhotos:
    squares = torch.zeros(count, 3, 8, 8, dtype=torch.uint8)
    aspects = np.linspace(0.5, 2, count)
    return KeptPhotos(squares, aspects, np.linspace(1 / count, 1, count), 0)


@given(st.integers(0, 1000), st.integers(1, 40))
def test_draws_depend_on_seed_and_step_alone_and_can_be_shared(step: int, count: int) -> None:
    whole, again = (draw(kept(), WAYS, count, (3, step)) for _ in range(2))
    parts = [whole.part(slice(count // 2)), whole.part(slice(count // 2, count))]
    for name in ("photos", "crops", "visits", "covers"):
        assert np.array_equal(getattr(whole, name), getattr(again, name))
        shared = np.concatenate([getattr(part, name) for part in parts])
        assert np.array_equal(getattr(whole, name), shared)
    assert np.array_equal(whole.lights, np.concatenate([part.lights for part in parts], 1))
    other = draw(kept(), WAYS, count, (4, step))
    assert not np.array_equal(whole.crops, other.crops)


@given(st.integers(0, 1000))
def test_crops_lie_in_their_photos_and_visits_near_their_crops(step: int) -> None:
    drawn = draw(kept(), WAYS, 20, (0, step))
    boxes = CORNERS @ drawn.crops[:, :2, :2].transpose(0, 2, 1) + drawn.crops[:, None, :2, 2]
    assert np.abs(boxes).max() <= 1 + 1e-9
    area = np.abs(drawn.crops[:, 0, 0] * drawn.crops[:, 1, 1])
    assert area.max() <= WAYS.area[1] + 1e-9  # less where a photo is too narrow for the ratio
    corners = np.concatenate([CORNERS, np.ones((4, 1))], 1)
    own = corners @ (np.linalg.inv(drawn.crops) @ drawn.visits).transpose(0, 2, 1)
    reach = np.abs(own[..., :2] / own[..., 2:])
    turned = np.sqrt(2) * np.sin(np.pi / 4 + np.deg2rad(WAYS.turn))
    assert reach.max() <= turned + 1e-9


@given(st.lists(st.floats(-0.3, 0.3), min_size=8, max_size=8))
def test_homographies_take_corners_where_they_should(moves: list[float]) -> None:
    ends = (CORNERS * 0.6 + np.reshape(moves, (4, 2)))[None]
    mapped = np.concatenate([CORNERS, np.ones((4, 1))], 1) @ homographies(CORNERS, ends)[0].T
    assert np.allclose(mapped[:, :2] / mapped[:, 2:], ends[0], atol=1e-9)


def test_cut_shows_the_part_that_a_matrix_names() -> None:
    squares = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    squares[0, 0, :16, :16] = 200  # a red quarter, top left
    quarter = np.array([[[0.5, 0, -0.5], [0, 0.5, -0.5], [0, 0, 1]]])
    shown = cut(squares, quarter, 8)
    assert shown.shape == (1, 3, 8, 8)
    assert torch.allclose(shown[0, 0, :7, :7], torch.tensor(200.0)) and shown[0, 1:].max() == 0
    mirrored = np.eye(3)[None] * [[-1], [1], [1]]
    whole = cut(squares, np.eye(3)[None], 16)
    assert torch.allclose(cut(squares, mirrored, 16), whole.flip(3), atol=1e-3)
    assert whole[0, 0, 0, 0] == 200 and whole[0, 0, 0, -1] == 0


def test_light_changes_what_it_says() -> None:
    images = torch.rand(2, 3, 16, 16) * 200
    still = np.tile([1.0, 1, 1, 1, 1, 1, 0], (2, 1))
    assert torch.allclose(relit(images, still), images, atol=1e-3)
    darker, red, soft, grey = (still.copy() for _ in range(4))
    darker[:, 0], red[:, 3], soft[:, 6], grey[:, 2] = 0.5, 0.5, 1.0, 0.0
    assert torch.allclose(relit(images, darker), images * 0.5, atol=1e-3)
    assert torch.allclose(relit(images, red)[:, 0], images[:, 0] * 0.5, atol=1e-3)
    assert relit(images, soft).std() < 0.5 * images.std()
    assert relit(images, grey).std(1).max() < 1e-3


def test_what_stands_before_a_visit_covers_its_box_alone() -> None:
    images = torch.rand(2, 3, 10, 20)
    boxes = np.array([[0.0, 0, 0, 0], [0.5, 0.2, 0.75, 0.6]])
    found = covered(images, boxes)
    assert torch.equal(found[0], images[0])
    box = (slice(None), slice(2, 6), slice(10, 15))
    assert torch.equal(found[1][box], images[1].flip((1, 2))[box])
    found[1][box] = images[1][box]
    assert torch.equal(found, images)


def test_photos_are_drawn_as_their_folders_weigh_and_unreadable_ones_never(tmp_path: Path) -> None:
    paths = album(tmp_path / "good", 4)
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no")
    told: list[tuple[str, int, int]] = []
    photos = keep_photos(
        [(paths[:1], 3.0), ([bad], 50.0), (paths[1:], 1.0)], 32, CPU, lambda *a: told.append(a)
    )
    assert photos.squares.shape == (5, 3, 32, 32) and photos.unreadable == 1
    assert told[-1] == ("photos", 5, 5)
    counts = np.bincount(photos.drawn(np.random.default_rng(0), 6000), minlength=5) / 6000
    assert counts[1] == 0 and np.allclose(counts, [0.5, 0, 1 / 6, 1 / 6, 1 / 6], atol=0.03)
    with pytest.raises(UsageError, match=r"5 photos of 1000000 px take .* GB.*lower kept_side"):
        keep_photos([(paths, 1.0), ([bad], 1.0)], 10**6, CPU, lambda *a: None)
    with pytest.raises(PhotoError, match="none of the photos can be opened"):
        keep_photos([([bad], 1.0)], 32, CPU, lambda *a: None)
