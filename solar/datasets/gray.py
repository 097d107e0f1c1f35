"""Grey images as stored: no rotation by EXIF, because annotations count stored pixels."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from PIL import Image

from solar.errors import SolarError
from solar.typing import GrayImage

# What Pillow raises on damaged files, by format.
_DAMAGE = (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError)


def read_gray(path: Path) -> GrayImage:
    """The pixels of an image in grey (ITU-R 601 luma for colour files).

    Returns:
        (height, width) uint8, 0 to 255.

    Raises:
        SolarError: the file is missing, damaged or no image; the message names it.
    """
    try:
        with Image.open(path) as image:
            return np.array(image.convert("L"))
    except _DAMAGE as error:
        raise _unreadable(path, error) from error


def gray_shape(path: Path) -> tuple[int, int]:
    """(height, width) from the header alone; raises as `read_gray` does."""
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except _DAMAGE as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> SolarError:
    if isinstance(error, FileNotFoundError):
        return SolarError(f"{path}: no such file; check the folder, or unpack the data set again")
    reason = " ".join(str(error).split()) or type(error).__name__
    return SolarError(f"{path}: not a readable image ({reason}); fetch or unpack it again")
