"""A photo of any kind is the same photo, and errors call it by a name that a person knows."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from solar.errors import PhotoError, UsageError
from solar.photos import DecodedPhoto, Photo, decode, decode_each, name_of, open_photo, prepare
from tests.photos.test_images_fuzz import encoded

PHOTO = Image.radial_gradient("L").resize((60, 40)).convert("RGB")
DATA = encoded(PHOTO, "PNG")
MODES = ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "La", "CMYK", "YCbCr", "HSV"]
MODES += ["I", "F", "I;16"]


def opened(path: Path) -> Photo:
    return path.open("rb")


KINDS: dict[str, Callable[[Path], Photo]] = {
    "str": str,
    "Path": lambda path: path,
    "bytes": lambda path: path.read_bytes(),
    "open file": opened,
    "BytesIO": lambda path: io.BytesIO(path.read_bytes()),
    "image": lambda path: PHOTO,
    "lazy image": Image.open,
    "array": lambda path: np.asarray(PHOTO),
    "strided array": lambda path: np.asarray(PHOTO)[:, ::-1][:, ::-1],
    "grey array": lambda path: np.asarray(PHOTO)[..., 0],
    "decoded": lambda path: decode(path),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_same_pixels(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(DATA)
    photo = KINDS[kind](path)
    found = decode(photo)
    assert found.image.tobytes() == PHOTO.tobytes() == open_photo(KINDS[kind](path)).tobytes()
    assert found.image is not photo and found.size == PHOTO.size
    assert decode(found) is found
    hides = kind in ("bytes", "BytesIO", "image", "array", "strided array", "grey array")
    assert found.name == ("photo" if hides else str(path))


@pytest.mark.parametrize("mode", MODES)
def test_images_of_every_mode_are_left_as_they_are(mode: str) -> None:
    image = PHOTO.convert({"RGBa": "RGBA", "La": "LA", "I;16": "I"}.get(mode, mode)).convert(mode)
    image.info["note"] = "mine"
    before = image.tobytes()
    found = decode(image).image
    assert (found.mode, found.size, found.info) == ("RGB", PHOTO.size, {})
    assert (image.mode, image.tobytes(), image.info["note"]) == (mode, before, "mine")
    if mode not in ("1", "P", "PA", "I", "F", "I;16"):
        assert np.abs(np.asarray(found, int) - np.asarray(PHOTO, int)).max() <= 3


def test_an_image_is_turned_as_its_exif_says_and_not_twice() -> None:
    exif = Image.Exif()
    exif[274] = 6
    data = encoded(PHOTO, "JPEG", exif=exif, quality=95)
    once = decode(data).image
    assert once.size == (40, 60)
    assert decode(Image.open(io.BytesIO(data))).image.tobytes() == once.tobytes()
    assert decode(once).image.tobytes() == once.tobytes()
    loaded = Image.open(io.BytesIO(encoded(PHOTO, "TIFF", exif=exif)))
    loaded.load()  # Pillow turns a TIFF here
    assert decode(loaded).image.size == (40, 60)


@given(position=st.integers(0, 6), kind=st.sampled_from(["bytes", "BytesIO", "array", "image"]))
def test_errors_name_a_photo_by_its_place_among_many(position: int, kind: str) -> None:
    bad: dict[str, Any] = {
        "bytes": b"text",
        "BytesIO": io.BytesIO(b"text"),
        "array": np.zeros((2, 2, 3), np.uint8),
        "image": Image.new("RGB", (2, 2)),
    }
    photos: list[Photo] = [PHOTO] * 7
    photos[position] = bad[kind]
    for at in range(7):
        if at != position:
            assert decode_each(photos, at).name == f"photo {at + 1} of 7"
    with pytest.raises(PhotoError) as caught:
        decode_each(photos, position)
    line = str(caught.value)
    assert line.startswith(f"photo {position + 1} of 7: ") and " at 0x" not in line
    assert line.isprintable()


def test_names_are_paths_where_there_are_any(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"text")
    for photo in (path, str(path), path.open("rb")):
        assert name_of(photo, 2, 7) == str(path)
        with pytest.raises(PhotoError, match=r"a\.png: not a supported format"):
            decode(photo)
    assert name_of(b"", 0, 1) == "photo"
    assert name_of(DecodedPhoto("mine", PHOTO), 0, 9) == "mine"
    with path.open("rb") as file:
        nameless = io.FileIO(file.fileno(), closefd=False)  # whose name is a number
        assert name_of(nameless, 0, 2) == "photo 1 of 2"


@pytest.mark.parametrize(
    ("photo", "words"),
    [
        (7, "a int is no photo"),
        (None, "a NoneType is no photo"),
        ([DATA], "a list is no photo"),
        (io.StringIO("text"), "open this file in binary mode"),
        (np.zeros((40, 40, 3), np.float32), "float32 (40, 40, 3): give uint8"),
        (np.zeros((40, 40, 4), np.uint8), "(40, 40, 4): give uint8"),
        (np.zeros((1, 40, 40, 3), np.uint8), "(1, 40, 40, 3): give uint8"),
    ],
)
def test_what_is_no_photo_is_said_without_an_address(photo: Any, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        decode(photo, "photo 3 of 7")
    line = str(caught.value)
    assert line.startswith("photo 3 of 7: ") and words in line
    assert " at 0x" not in line and line.isprintable()


def test_a_closed_file_is_an_error_of_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(DATA)
    with path.open("rb") as file:
        pass
    with pytest.raises(PhotoError, match=r"a\.png: cannot be read"):
        decode(file)


# ---------------------------------------------------------------- large photos


def large(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], **options: Any) -> bytes:
    """A JPEG that takes about four times what is allowed."""
    photo = PHOTO.resize(size, Image.Resampling.BICUBIC)
    most = size[0] * size[1] * 8 // 4 + 400_000
    monkeypatch.setattr(sys.modules["solar.photos.decode"], "MAX_MEMORY", most)
    return encoded(photo, "JPEG", quality=90, **options)


@pytest.mark.parametrize("turn", [1, 6])
def test_a_jpeg_beyond_the_memory_is_decoded_as_small_as_needed(
    turn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = Image.Exif()
    exif[274] = turn
    data = large(monkeypatch, (1200, 800), exif=exif)
    with pytest.raises(PhotoError, match=r"^a: too large, 1200 x 800 pixels"):
        decode(data, "a")
    found = decode(data, "a", wanted=300)
    whole = (1200, 800) if turn == 1 else (800, 1200)
    assert found.size == whole and max(found.image.size) == 600
    with pytest.raises(PhotoError, match="too large"):
        decode(data, "a", wanted=601)
    monkeypatch.undo()
    plain = decode(data, "a", wanted=100)
    assert plain.image.size == whole  # what fits is decoded whole, whatever is wanted
    box = (100.0, 80.0, 700.0, 500.0)
    for part in (None, box):
        small, true = (np.asarray(it.prepared(300, part), int) for it in (found, plain))
        assert small.shape == true.shape
        assert np.abs(small - true).mean() < 2
    with pytest.raises(UsageError, match=rf"^a: box .* {whole[0]} x {whole[1]}"):
        found.prepared(300, (5000, 0, 6000, 10))


@given(width=st.integers(16, 400), height=st.integers(16, 400), longest=st.integers(1, 420))
def test_a_prepared_photo_is_the_thumbnail_of_a_copy(width: int, height: int, longest: int) -> None:
    photo = PHOTO.resize((width, height))
    copy = photo.copy()
    copy.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    prepared = prepare(photo, longest)
    assert prepared is not photo and prepared.size == copy.size
    assert prepared.tobytes() == copy.tobytes()
