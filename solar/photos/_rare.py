"""Formats that a person rarely has: PPM, JPEG XL, camera RAW, run-length BMP."""

from __future__ import annotations

import io
import math
import re
from importlib import import_module

import numpy as np
from PIL import Image

from solar.errors import PhotoError
from solar.photos._orientation import upright
from solar.photos._source import Source, too_long, with_pillow
from solar.photos._words import AGAIN

# Pillow decodes these in Python, a pixel or a number at a time.
_MAX_SLOW_PIXELS = 4 * 10**6

_MAX_TEXT = 2**25

_JXL_PEAK_BYTES, _RAW_PEAK_BYTES = 12, 24  # at the peak, per pixel; see `_source`

_NUMBER = rb"(?:\s|#[^\r\n]{0,9999}[\r\n])+(\d{1,9})"
_SIZE = re.compile(rb"P([1-6])" + 2 * _NUMBER)
_GREATEST = re.compile(_NUMBER)

# JPEG XL's header may state the width by the height.
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}


def open_bmp(data: bytes) -> Source:
    """See `Source`.

    Raises:
        PhotoError: it is compressed by run lengths and too large for that.
    """
    source = with_pillow(data, "BMP")
    run_length = data[30:31] in (b"\1", b"\2")
    if run_length and source.size[0] * source.size[1] > _MAX_SLOW_PIXELS:
        raise too_long("BMP")
    return source


def open_ppm(data: bytes) -> Source:
    """See `Source`; grey and colour are scaled by the greatest value that the header states.

    Raises:
        PhotoError: the header is damaged, or the file is text and too large for that.
    """
    size = _SIZE.match(data[: 2**16])
    most = _GREATEST.match(data[: 2**16], size.end()) if size else None
    if size is None or (most is None and size[1] not in b"14"):
        raise PhotoError(f"truncated or damaged PPM header: {AGAIN}")
    width, height = int(size[2]), int(size[3])
    if size[1] in b"123" and (width * height > _MAX_SLOW_PIXELS or len(data) > _MAX_TEXT):
        raise too_long("PPM")
    if most is None or size[1] in b"123":
        return with_pillow(data, "PPM")
    greatest, start = int(most[1]), most.end() + 1
    shape = (height, width, 3) if size[1] == b"6" else (height, width)
    kind = np.dtype(">u2" if greatest > 255 else "u1")
    count = math.prod(shape)
    if not 0 < greatest < 2**16 or len(data) < start + count * kind.itemsize:
        raise PhotoError(f"truncated or damaged PPM: {AGAIN}")

    def load() -> Image.Image:
        values = np.frombuffer(data, kind, count, start).reshape(shape)
        if greatest != 255:
            levels = np.arange(2 ** (8 * kind.itemsize)) * 255 / greatest + 0.5
            values = levels.clip(0, 255).astype(np.uint8)[values]
        return Image.fromarray(values)

    return Source((width, height), len(data) + width * height * 12, load)


def open_jxl(data: bytes) -> Source:
    """See `Source`; its plug-in decodes when it opens, so the header is read here.

    Raises:
        PhotoError: the header is damaged.
    """

    def load() -> Image.Image:
        source = with_pillow(data, "JXL")
        return upright(source.load(), source.turn)

    width, height = _jxl_size(data)
    return Source((width, height), 2 * len(data) + width * height * _JXL_PEAK_BYTES, load)


def _jxl_size(data: bytes) -> tuple[int, int]:
    """Width and height (SizeHeader, ISO/IEC 18181-1), of a bare stream or the first in a box."""
    at = 0 if data[:2] == b"\xff\n" else data.find(b"\xff\n", data.find(b"jxl", 12))
    if at < 0:
        raise PhotoError(f"truncated or damaged JPEG XL: {AGAIN}")
    bits = int.from_bytes(data[at + 2 : at + 18], "little")

    def take(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    small = take(1)

    def side() -> int:
        return 8 * (take(5) + 1) if small else take((9, 13, 18, 30)[take(2)]) + 1

    height = side()
    ratio = take(3)
    if ratio:
        across, down = _RATIOS[ratio]
        return height * across // down, height
    return side(), height


def open_raw(data: bytes) -> Source:
    """See `Source`; LibRaw develops the sensor's values with the camera's white balance, upright.

    Raises:
        PhotoError: LibRaw does not know the camera, or the file is damaged.
    """
    rawpy = import_module("rawpy")

    def load() -> Image.Image:
        try:
            with rawpy.imread(io.BytesIO(data)) as raw:
                return Image.fromarray(raw.postprocess(use_camera_wb=True, output_bps=8))
        except rawpy.LibRawError as error:
            raise _bad_raw(error) from error

    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            sizes = raw.sizes
    except rawpy.LibRawError as error:
        raise _bad_raw(error) from error
    pixels = sizes.raw_width * sizes.raw_height
    return Source((sizes.width, sizes.height), 2 * len(data) + pixels * _RAW_PEAK_BYTES, load)


def _bad_raw(error: Exception) -> PhotoError:
    words = str(error).removeprefix("b'").removesuffix("'")
    return PhotoError(f"damaged or unknown camera RAW ({words}): save it as JPEG")
