"""Photos are opened by path, and prepared exactly as the published loader does it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from solar.errors import PhotoError, UsageError
from solar.photos import MAX_MEMORY, Box, normalise, open_photo, prepare
from tests.shared import shared

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PHOTO = Image.radial_gradient("L").resize((120, 90)).convert("RGB")


# ---------------------------------------------------------------- open_photo


def test_content_decides_and_the_suffix_does_not(tmp_path: Path) -> None:
    PHOTO.save(tmp_path / "a.jpg", "PNG")
    photo = open_photo(str(tmp_path / "a.jpg"))
    assert type(photo) is Image.Image  # nothing of the file stays open
    assert (photo.mode, photo.tobytes()) == ("RGB", PHOTO.tobytes())


@pytest.mark.timeout(10)  # a pipe that is opened would wait for ever
def test_what_is_no_photo_is_refused_in_one_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "two\nlines.jpg").write_text("text")
    with (tmp_path / "huge.bmp").open("wb") as huge:
        huge.truncate(MAX_MEMORY + 1)
    for name, words in {
        "none.jpg": "none.jpg: no such file",
        "nul\0.jpg": "nul\\x00.jpg: no such file",
        "": ": a folder",
        "pipe.jpg": "pipe.jpg: not a regular file",
        "loop.jpg": "loop.jpg: ",
        "two\nlines.jpg": "two\\nlines.jpg: not a supported format, it looks like text",
        "huge.bmp": "huge.bmp: too large, 1.3 GB on disk",
    }.items():
        with pytest.raises(PhotoError) as caught:
            open_photo(tmp_path / name)
        assert str(caught.value).isprintable()
        assert words in str(caught.value)


# ---------------------------------------------------------------- prepare and normalise


def test_preparation_equals_the_published_loader() -> None:
    for case in json.loads(shared("golden/preprocessing.json").read_text()):
        random = np.random.RandomState(case["seed"])
        y, x = np.mgrid[0 : case["height"], 0 : case["width"]]
        waves = [127 + 80 * np.sin(x / (7 + 3 * c) + y / (11 + 2 * c)) for c in range(3)]
        noisy = [wave + random.randint(0, 40, wave.shape) for wave in waves]
        photo = Image.fromarray(np.stack(noisy, -1).clip(0, 255).astype("u1"))
        tensor = normalise(prepare(photo, case["image_size"], case["box"]), MEAN, STD)
        assert list(tensor.shape) == case["shape"]
        _, height, width = tensor.shape
        assert tensor[:, 0, 0].tolist() == case["corner"]
        assert tensor[:, height // 2, width // 2].tolist() == case["centre"]
        assert tensor.mean((1, 2)).tolist() == pytest.approx(case["channel_means"], abs=1e-6)


@given(
    corners=st.tuples(*[st.floats(-50, 170)] * 4).filter(lambda b: b[0] < b[2] and b[1] < b[3]),
    image_size=st.integers(1, 200),
)
def test_a_box_is_cropped_first_and_limited_by_its_share(corners: Box, image_size: int) -> None:
    before = PHOTO.tobytes()
    x1, y1, x2, y2 = (
        round(min(max(v, 0), end)) for v, end in zip(corners, (120, 90) * 2, strict=True)
    )
    if x1 >= x2 or y1 >= y2:
        with pytest.raises(UsageError, match=r"^box .* 120 x 90"):
            prepare(PHOTO, image_size, corners)
        return
    part = prepare(PHOTO, image_size, corners)
    short, long = sorted((x2 - x1, y2 - y1))
    assert max(part.size) == min(max(1, image_size * long // 120), long)
    assert abs(min(part.size) - short * max(part.size) / long) <= 1
    if image_size >= 120:
        assert (np.asarray(part) == np.asarray(PHOTO)[y1:y2, x1:x2]).all()
    assert PHOTO.tobytes() == before


@given(image_size=st.integers(1, 300))
def test_the_box_of_the_whole_photo_changes_nothing(image_size: int) -> None:
    whole = prepare(PHOTO, image_size)
    assert whole is not PHOTO
    assert max(whole.size) == min(image_size, 120)
    assert prepare(PHOTO, image_size, (0, 0, 120, 90)).tobytes() == whole.tobytes()
    assert PHOTO.size == (120, 90)


@pytest.mark.parametrize(
    "box",
    [
        (130, 0, 140, 10),
        (-9, -9, 0, 0),
        (5, 5, 5, 50),
        (50, 50, 5, 5),
        (5.1, 5.1, 5.2, 60),
        (0, 0, float("nan"), 9),
        (0, 0, float("inf"), 9),
    ],
)
def test_a_box_without_pixels_is_named(box: Box) -> None:
    with pytest.raises(UsageError) as caught:
        prepare(PHOTO, 100, box)
    assert f"box {box[0]:g},{box[1]:g},{box[2]:g},{box[3]:g}" in str(caught.value)
    assert "120 x 90" in str(caught.value)


def test_an_image_size_below_one_pixel_is_refused() -> None:
    with pytest.raises(UsageError, match="image size 0"):
        prepare(PHOTO, 0)


def test_normalised_channels_are_shifted_and_scaled_each() -> None:
    photo = Image.new("RGB", (3, 2), (0, 255, 51))
    pixels = normalise(photo, (0.5, 0.5, 0.2), (0.5, 0.25, 1))
    assert pixels.shape == (3, 2, 3)
    assert pixels.flags.c_contiguous and pixels.dtype == np.float32
    assert pixels[:, 1, 2].tolist() == pytest.approx([-1, 2, 0])


def test_opening_a_photo_needs_no_torch() -> None:
    stream = io.BytesIO()
    PHOTO.save(stream, "PNG")
    code = f"""
import sys
from solar.photos import decode_photo, prepare
prepare(decode_photo({stream.getvalue()!r}, "a"), 50)
sys.exit("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
