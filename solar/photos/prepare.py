"""Photos made ready for networks: cropped, shrunk, normalised, as the published loader does."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from solar.errors import UsageError
from solar.files import shown

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the upright photo."""

_BOX = "expected x1,y1,x2,y2, finite numbers of pixels, or of percent as in 10%,20%,50%,60%"
_LARGEST_SIZE = 1 << 15
_MOST_SCALES = 16
_SCALES = (1 / 16, 8.0)


def require_sizes(image_size: int, scales: Sequence[float]) -> None:
    """Refuse sizes that no network can be meant for, before they cost memory.

    Args:
        image_size: limit of the longest side in pixels.
        scales: factors on it.

    Raises:
        UsageError: the image size or a scale is out of range, or there are too many.
    """
    if not 1 <= image_size <= _LARGEST_SIZE:
        raise UsageError(f"image size {image_size}: use 1 to {_LARGEST_SIZE} pixels")
    if not 1 <= len(scales) <= _MOST_SCALES:
        raise UsageError(f"{len(scales)} scales: use 1 to {_MOST_SCALES}")
    least, most = _SCALES
    for scale in scales:
        if not least <= scale <= most:  # also false for a number that is none
            raise UsageError(f"scale {scale:g}: use {least:g} to {most:g}")


def prepare(
    photo: Image.Image,
    image_size: int,
    box: Box | None = None,
    size: tuple[int, int] | None = None,
) -> Image.Image:
    """Crop to the box, then limit the longest side, as the published test loader does.

    Args:
        photo: mode RGB; it is left as it is.
        image_size: longest side of a whole photo, in pixels, at least 1. A crop is limited to
            image_size x (its longest side / the photo's longest side). Nothing is enlarged.
        box: what to keep; its part inside the photo counts, rounded to whole pixels.
        size: width and height that the box is meant for; None for the photo's own.

    Returns:
        A new image.

    Raises:
        UsageError: the image size is below 1, or the box holds no pixel of the photo.
    """
    if image_size < 1:
        raise UsageError(f"image size {image_size}: give at least 1 pixel")
    whole = size or photo.size
    left, top, right, bottom = (0, 0, *whole) if box is None else _inside(box, whole)
    kept = right - left, bottom - top
    longest = max(1, int(image_size * max(kept) / max(whole)))
    across, down = photo.width / whole[0], photo.height / whole[1]  # 1 unless it was reduced
    part = photo
    if box is not None:
        first = math.floor(left * across), math.floor(top * down)
        part = photo.crop((*first, math.ceil(right * across), math.ceil(bottom * down)))
    if max(part.size) <= longest:
        return photo.copy() if box is None else part
    smaller = _within(kept, longest)  # of the original: the same, reduced or not
    return part.resize(smaller, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _within(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """What `Image.thumbnail`, which works on a copy of the whole photo, makes of a larger size."""
    width, height = size
    ratio = min(size) / max(size)

    def distance(side: int) -> float:
        return abs(width / height - (side / longest if width < height else longest / side))

    shortest = [side for side in (math.floor(longest * ratio), math.ceil(longest * ratio)) if side]
    short = min(shortest or [1], key=distance)
    return (short, longest) if width < height else (longest, short)


def _inside(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The part of a box that lies in a photo of this size, in whole pixels."""
    x1, y1, x2, y2 = box
    if all(math.isfinite(edge) for edge in box):
        left, top = round(max(x1, 0)), round(max(y1, 0))
        right, bottom = round(min(x2, size[0])), round(min(y2, size[1]))
        if left < right and top < bottom:
            return left, top, right, bottom
    raise UsageError(
        f"box {x1:g},{y1:g},{x2:g},{y2:g} holds no pixel of the photo, which has "
        f"{size[0]} x {size[1]}: give x1,y1,x2,y2 inside it, x1 < x2 and y1 < y2"
    )


def parse_box(text: str, size: tuple[int, int]) -> Box:
    """A box as it is typed: x1,y1,x2,y2 in pixels, or in percent of the photo's sides.

    Args:
        text: four numbers, each with or without a percent sign.
        size: width and height of the photo.

    Raises:
        UsageError: anything else.
    """
    parts = [part.strip() for part in text.split(",")]
    try:
        numbers = [float(part.removesuffix("%")) for part in parts]
    except ValueError as error:
        raise UsageError(f"box {shown(text)}: {_BOX}") from error
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise UsageError(f"box {shown(text)}: {_BOX}")
    edges = zip(parts, numbers, size * 2, strict=True)
    x1, y1, x2, y2 = (n * side / 100 if part.endswith("%") else n for part, n, side in edges)
    return x1, y1, x2, y2


def normalise(
    photo: Image.Image, mean: Sequence[float], std: Sequence[float]
) -> NDArray[np.float32]:
    """Turn a photo into the network's input, (value / 255 - mean) / std in each channel.

    Args:
        photo: mode RGB, W x H.
        mean: of red, green and blue, on a scale of 0 to 1.
        std: likewise.

    Returns:
        (3, H, W), float32.
    """
    offset, scale = (np.array(values, np.float32)[:, None, None] for values in (mean, std))
    pixels = np.array(np.asarray(photo).transpose(2, 0, 1), np.float32, order="C")  # (3, H, W)
    pixels /= np.float32(255)
    pixels -= offset
    pixels /= scale
    return pixels
