"""A photo whose sizes are known and whose pixels are not decoded yet."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from solar.errors import PhotoError
from solar.photos._orientation import orientation

# Bytes per pixel at the peak of decoding and turning to RGB, measured in child processes on
# 20 megapixels of noisy photo (peak of resident memory less the file's own bytes):
#   JPEG 8.0, grey 5.1, progressive 4:4:4 10.0    PNG 8.1, with alpha 8.1, 16-bit grey 10.0
#   TIFF, PPM, BMP 8.0, GIF and palettes 5.0      WebP 16.3, with alpha 16.8
#   AVIF 4:2:0 10.3, 4:4:4 12.0, alpha 11.7       HEIC 8.4
#   JPEG 2000 19.4, JPEG XL 11.3
# AVIF and HEIC have room for more than 8 bits.
_PEAK_BYTES = {"WEBP": 17, "AVIF": 14, "HEIF": 11, "JPEG2000": 20}


@dataclass
class Source:
    """What is needed to decide about a photo before it is decoded.

    Attributes:
        size: width and height in pixels, as stored.
        memory: bytes at the peak of decoding it and turning it to RGB.
        load: decodes it, to any mode.
        turn: the orientation that is to be applied afterwards, 1 to 8.
        reduced: the same at 1/2, 1/4 or 1/8 of its size, where the format can; else None.
    """

    size: tuple[int, int]
    memory: int
    load: Callable[[], Image.Image]
    turn: int = 1
    reduced: Callable[[int], Source] | None = None


def with_pillow(data: bytes, kind: str) -> Source:
    """What Pillow, or a plug-in of it, says about a file."""
    photo = opened(data, kind)
    each = _PEAK_BYTES.get(kind) or peak_bytes(photo)
    memory = len(data) + round(photo.width * photo.height * each)
    return Source(photo.size, memory, lambda: loaded(photo), orientation(photo.info))


def peak_bytes(photo: Image.Image) -> float:
    """Bytes per pixel while what Pillow decodes row by row is turned to RGB; see `rgb`."""
    if photo.mode.startswith(("I", "F")):
        return 14
    if photo.mode in ("LA", "La", "PA", "RGBa") or "transparency" in photo.info:
        return 12.5
    return 5.2 if photo.mode in ("1", "L", "P") else 8.2


def opened(data: bytes, kind: str) -> Image.Image:
    """An image of Pillow's, its header read.

    Raises:
        UnidentifiedImageError: the header is not of this kind.
    """
    return Image.open(io.BytesIO(data), formats=(kind,))


def loaded(photo: Image.Image) -> Image.Image:
    """The photo, its pixels decoded."""
    photo.load()
    return photo


def too_long(kind: str) -> PhotoError:
    """What is said of a file whose decoding would take minutes."""
    return PhotoError(f"a {kind} stored so that it takes too long to decode: save it again")
