"""A draft is a photo decoded no larger than it is looked at: a JPEG's own reduced decoding."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, JpegImagePlugin

from solar.photos import Photo, decode
from solar.photos.thumbnails import thumbnail
from tests.photos.test_images_fuzz import encoded
from tests.scenes import scene


def jpeg(width: int, height: int, **options: object) -> bytes:
    """Left half black, right half white."""
    photo = Image.new("RGB", (width, height))
    photo.paste((255, 255, 255), (width // 2, 0, width, height))
    return encoded(photo, "JPEG", quality=95, **options)


@given(
    width=st.integers(16, 700),
    height=st.integers(16, 700),
    wanted=st.integers(1, 400),
    progressive=st.booleans(),
)
@settings(max_examples=30)
def test_a_draft_is_as_large_as_needed_and_no_larger(
    width: int, height: int, wanted: int, progressive: bool
) -> None:
    data = jpeg(width, height, progressive=progressive)
    found, whole = decode(data, wanted=wanted, draft=True), decode(data, wanted=wanted)
    longest, size = max(width, height), max(found.image.size)
    assert found.size == whole.size == whole.image.size == (width, height)
    assert size >= min(2 * wanted, longest)
    assert size <= max(4 * wanted, -(-longest // 8))
    assert (found.reduced_from is None) == (found.image.size == (width, height))
    again = decode(whole, wanted=wanted, draft=True)
    assert again.image.tobytes() == found.image.tobytes() and again.size == found.size


def test_boxes_are_in_pixels_of_the_original_turned_as_its_exif_says() -> None:
    exif = Image.Exif()
    exif[274] = 6  # to the right: what was left is at the top
    found = decode(jpeg(640, 320, exif=exif), wanted=40, draft=True)
    assert found.size == (320, 640) and found.image.size == (40, 80)
    assert np.asarray(found.prepared(40, (0, 0, 320, 300))).max() < 30
    assert np.asarray(found.prepared(40, (0, 340, 320, 640))).min() > 225


def test_a_draft_is_the_photo_scaled_down() -> None:
    data = encoded(scene(3, (800, 600)), "JPEG", quality=95)
    small, large = (
        np.asarray(decode(data, wanted=100, draft=draft).prepared(100), int)
        for draft in (True, False)
    )
    assert small.shape == large.shape and np.abs(small - large).mean() < 1.5


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "array", "image"])
def test_what_is_no_jpeg_is_decoded_whole_and_once(kind: str) -> None:
    image = scene(1, (300, 200))
    photos: dict[str, Photo] = {"array": np.asarray(image), "image": image}
    photo = photos[kind] if kind in photos else encoded(image, kind)
    found = decode(photo, wanted=20, draft=True)
    assert found.image.size == (300, 200) and found.reduced_from is None
    assert decode(found, wanted=20, draft=True) is found


def test_a_thumbnail_decodes_no_more_than_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(1600, 1200))
    sizes, load = [], JpegImagePlugin.JpegImageFile.load

    def counted(image: JpegImagePlugin.JpegImageFile) -> object:
        sizes.append(image.size)
        return load(image)

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load", counted)
    small = thumbnail(path, side=100)
    assert small is not None and (small.width, small.height) == (100, 75)
    assert set(sizes) == {(200, 150)}
    part = thumbnail(io.BytesIO(path.read_bytes()), (0, 0, 200, 150), crop=True, side=100)
    assert part is not None and sizes[-1] == (1600, 1200)  # a crop needs its pixels
