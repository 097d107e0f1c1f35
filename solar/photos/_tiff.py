"""TIFF: checked before it is decoded; samples that Pillow misreads are turned to 8 bits here."""

from __future__ import annotations

import math

from PIL import Image, TiffImagePlugin

from solar.errors import PhotoError
from solar.photos._layout import Layout
from solar.photos._orientation import TAG, TURNS, of_xmp, tags
from solar.photos._quiet import LIBTIFF
from solar.photos._samples import read_samples
from solar.photos._source import Source, loaded, opened, peak_bytes
from solar.photos._words import AGAIN

# Pillow makes a Python number of every value in a tag; a photo has one per row or tile.
_MAX_TAG_VALUES = 2**18


def open_tiff(data: bytes) -> Source:
    """See `Source`.

    Raises:
        PhotoError: it is damaged, or its samples are laid out as nothing here reads them.
    """
    for tag, value_type, values, _ in tags(data):
        numbers = values if value_type not in (1, 2, 7) else 0  # those stay bytes
        if _MAX_TAG_VALUES < numbers <= len(data):  # Pillow skips what the file cannot hold
            raise PhotoError(f"damaged TIFF (tag {tag} has {values} values): {AGAIN}")
    layout = Layout.of(data)
    layout.require_readable()
    size = (layout.width, layout.height)
    pixels = max(math.prod(size), math.prod(layout.tile))
    if layout.of_pillow:
        return _with_pillow(data, pixels)
    memory = 2 * len(data) + pixels * (layout.pixel_bytes + 2 * layout.samples + 12)

    def load() -> Image.Image:
        with LIBTIFF.heard():
            return read_samples(data, layout)

    return Source(size, memory, load, layout.turn or 1)


def _with_pillow(data: bytes, pixels: int) -> Source:
    photo = opened(data, "TIFF")
    assert isinstance(photo, TiffImagePlugin.TiffImageFile)  # noqa: S101
    turn = 1
    # Pillow turns a TIFF while loading it. Given this, it does so without reading the other EXIF
    # directories, whose damage would refuse the photo.
    exif = Image.Exif()
    stated = photo.tag_v2.get(TAG)
    exif[TAG] = int(stated) if stated in TURNS else 1
    if stated is None:
        turn = of_xmp(photo.info.get("xmp")) or 1
    photo.info = {"exif": exif.tobytes()}

    def load() -> Image.Image:
        with LIBTIFF.heard():
            return loaded(photo)

    return Source(photo.size, len(data) + round(pixels * peak_bytes(photo)), load, turn)
