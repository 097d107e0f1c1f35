"""JPEG: only the segments that matter, large ones reduced, complete ones without their end."""

from __future__ import annotations

import random
import re

from PIL import Image, ImageChops, JpegImagePlugin

from solar.errors import PhotoError
from solar.photos._orientation import orientation
from solar.photos._source import Source, opened, too_long
from solar.photos._words import AGAIN

# Every scan of a JPEG visits every pixel, and a few bytes can be a scan.
_MAX_SCANNED_PIXELS = 2 * 10**10
_MAX_SEGMENTS = 2**14
_MAX_METADATA = 2**24

_MARKER = re.compile(rb"\xff([\x01-\xfe])")  # however many bytes 0xff fill up before it
_NOISE = [random.Random(k).choices(range(1, 255), k=64) for k in range(9)]  # noqa: S311
_FILLED = b"\xff" * 512
_SCAN, _END, _EXIF, _ADOBE = 0xDA, 0xD9, 0xE1, 0xEE
_END_MARK = b"\xff\xd9"
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers that no length follows
_TABLES = {*range(0xC0, 0xD0), 0xDB, 0xDC, 0xDD, 0xE0, _ADOBE}
_METADATA = (b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0")


def open_jpeg(data: bytes) -> Source:
    """See `Source`.

    Raises:
        PhotoError: it has too many scans or segments.
    """
    data = _essential(data)
    photo = _opened(data)
    pixels, scans = photo.width * photo.height, data.count(b"\xff\xda")
    if pixels * scans > _MAX_SCANNED_PIXELS:
        raise too_long("JPEG")
    sampling = [(across, down) for _, across, down, _ in photo.layer] or [(1, 1)]
    blocks = max(across for across, _ in sampling) * max(down for _, down in sampling)
    coefficients = 0.0
    if scans > 1:  # all of them are kept, two bytes each, also when the photo is reduced
        coefficients = 2 * sum(across * down for across, down in sampling) / max(blocks, 1)
    each = 1 if photo.mode == "L" else 4
    complete = data.endswith(_END_MARK) or data.rfind(_END_MARK) > data.rfind(b"\xff\xda")
    kept = each if complete else 3 * each  # see `_without_end`

    turn = orientation(photo.info)

    def source(scale: int) -> Source:
        size = (-(-photo.width // scale), -(-photo.height // scale))
        peak = max(coefficients + kept / scale**2, (kept + 4) / scale**2)
        memory = 2 * len(data) + round(pixels * (peak + 0.1))
        return Source(size, memory, lambda: _load(data, scale), turn, source)

    return source(1)


def _essential(data: bytes) -> bytes:
    """Without filling and the segments that say nothing about pixels and orientation.

    Pillow reads them in Python, byte by byte where they are filled up. Without them a file of
    several pictures is a JPEG, which it begins with.
    """
    at, metadata = 2, 0
    parts = [data[:2]]
    for _ in range(_MAX_SEGMENTS):
        found = _MARKER.search(data, at)
        if found is None or found[1][0] == _END:
            return b"".join(parts)  # truncated, as Pillow will say
        marker, at = found[1][0], found.end()
        if marker in _ALONE:
            continue
        if marker == _SCAN:
            rest: bytes | memoryview = memoryview(data)[found.start() :]
            if data.find(_FILLED, at) >= 0:  # no table is filled up so far
                rest = re.sub(_FILLED + b"+", _FILLED[:1], rest)
            return b"".join([*parts, rest])
        length = int.from_bytes(data[at : at + 2], "big")
        if marker == _EXIF and data.startswith(_METADATA, at + 2):
            metadata += length
        if marker in _TABLES or (
            marker == _EXIF and data.startswith(_METADATA, at + 2) and metadata < _MAX_METADATA
        ):
            parts.append(data[found.start() : at + length])
        at += max(length, 2)
    raise PhotoError(f"damaged JPEG (over {_MAX_SEGMENTS} segments): {AGAIN}")


def _opened(data: bytes) -> JpegImagePlugin.JpegImageFile:
    photo = opened(data, "JPEG")
    assert isinstance(photo, JpegImagePlugin.JpegImageFile)  # noqa: S101  (no MPF is left)
    return photo


def _load(data: bytes, scale: int) -> Image.Image:
    try:
        return _decoded(data, scale)
    except OSError as error:
        if "truncated" not in str(error):
            raise
        return _without_end(data, scale, error)


def _decoded(data: bytes, scale: int) -> Image.Image:
    photo = _opened(data)
    if scale > 1:
        photo.draft(None, (photo.width // scale, photo.height // scale))
    photo.load()
    if photo.mode == "CMYK" and "adobe" not in photo.info:
        return ImageChops.invert(photo)  # Pillow takes every CMYK for Adobe's, which is inverted
    return photo


def _without_end(data: bytes, scale: int, truncated: OSError) -> Image.Image:
    """A JPEG that lacks its last marker, if it has all pixels.

    It has if what follows makes no difference: then none of it was needed. What follows is noise,
    once with every bit turned over, and more of it after each of the markers at which a decoder
    may wait to start again.
    """
    data = data.removesuffix(b"\xff")
    photo = _decoded(data + _END_MARK, scale)
    for flip in (0, 255):
        noise = [bytes(byte ^ flip for byte in part) for part in _NOISE]
        more = noise[8] + b"".join(bytes([0xFF, 0xD0 + k]) + noise[k] for k in range(8))
        other = _decoded(data + more + _END_MARK, scale)
        if ImageChops.difference(photo, other).getbbox() is not None:
            raise truncated
    return photo
