"""One position's attention: its spread, its picture, plain values."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from solar.errors import UsageError
from solar.extraction.attend import Attended, attend, figure
from solar.models.checkpoints import load
from tests.scenes import scene


def attended(weights: list[float]) -> Attended:
    map_ = np.array([weights], np.float32)
    return Attended(Image.new("RGB", (32, 32)), (1.0, 2.0), "conv5_x", map_, True, "")


@given(st.integers(1, 40), st.integers(1, 40))
def test_spread_counts_the_positions_that_share_attention(some: int, more: int) -> None:
    weights = [1 / some] * some + [0.0] * more
    expected = np.log(some) / np.log(some + more)
    assert attended(weights).spread == pytest.approx(expected, abs=1e-6)
    assert attended([1 / (some + more)] * (some + more)).spread == pytest.approx(1)


def test_a_map_is_the_models_own_whatever_the_photo_comes_as(model_folder: Path) -> None:
    photo = scene(3, (160, 120))
    found = attend(photo, (80, 60), model=model_folder, device="cpu")
    expected = load(model_folder).attention_map(np.asarray(photo), at=(80, 60))
    np.testing.assert_array_equal(found.weights, expected)
    width, height = found.picture().size
    assert width > photo.width and height > photo.height  # the colour bar and the caption
    plain = json.loads(json.dumps(found.to_json()))
    assert plain["stage"] == "conv5_x" and plain["at"] == [80, 60]
    np.testing.assert_allclose(plain["weights"], found.weights)
    with pytest.raises(UsageError, match="photo: 999,1 is outside its 160x120"):
        attend(photo, (999, 1), model=model_folder)


def test_cells_are_shown_as_coarse_as_they_are() -> None:
    weights = np.array([[0.1, 0.2, 0.0], [0.3, 0.4, 0.0]], np.float32)
    photo = Image.new("RGB", (90, 60), (128, 128, 128))
    found = Attended(photo, (85.0, 55.0), "conv5_x", weights, True, "")
    pixels = np.asarray(found.picture())
    cells = [pixels[30 * row + 3 : 30 * row + 27, 30 * n + 3 : 30 * n + 27] for row, n in
             ((0, 0), (0, 1), (1, 0), (1, 1))]  # fmt: skip
    for cell in cells:
        assert (cell == cell[0, 0]).all()  # one colour from edge to edge
    lightness = [cell[0, 0].astype(int).sum() for cell in cells]
    assert lightness == sorted(lightness) and len(set(lightness)) == 4
    bar = pixels[:60, 90 + 8 + 4]
    assert bar[0].sum() > bar[30].sum() > bar[59].sum()


def test_positions_stand_side_by_side_on_one_scale() -> None:
    photo = Image.new("RGB", (300, 200), (128, 128, 128))
    faint, strong = (np.full((2, 2), x, np.float32) for x in (0.1, 0.2))
    both = [Attended(photo, (9.0, 9.0), "conv5_x", w, True, "") for w in (faint, strong)]
    for width in (None, 500, 1000):
        pixels = np.asarray(figure(both, width).draw())
        if width:
            assert abs(pixels.shape[1] - width) <= 2
        left, right = figure(both, width).lefts[0], figure(both, width).lefts[1]
        middle = figure(both, width).panel[1] - 9
        dim, bright = (int(pixels[middle, x + 60].sum()) for x in (left, right))
        assert bright > dim + 50  # each relative to its own greatest, they would look alike
    root = ElementTree.fromstring(figure(both, 500).svg())  # noqa: S314 - made here
    name = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{name}g")) == 2
    assert [len(g.findall(f"{name}g/{name}rect")) for g in root.findall(f"{name}g")] == [4, 4]
    texts = [text.text for text in root.iter(f"{name}text")]
    assert "20 %" in texts and "0 %" in texts and "9,9 attends: conv5_x, 2 x 2 cells" in texts
