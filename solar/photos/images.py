"""Photos in: find, open, crop, shrink, normalise, as the published SOLAR test loader does."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from solar.errors import PhotoError, UsageError
from solar.photos.decoding import MAX_ASPECT, MAX_MEMORY, MIN_SIDE, decode_photo, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

__all__ = [
    "MAX_ASPECT",
    "MAX_MEMORY",
    "MIN_SIDE",
    "SUFFIXES",
    "Box",
    "decode_photo",
    "find_photos",
    "normalise",
    "open_photo",
    "prepare",
]

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the upright photo."""

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"}
    | {".heic", ".heif", ".hif", ".avif"}
)
"""The file names, in lower case, that `find_photos` takes for photos."""


def find_photos(root: str | Path) -> list[Path]:
    """List the photos below a folder, by name.

    Args:
        root: a folder, or one photo of any name.

    Returns:
        Sorted paths that start with root; [root] for a file. Files and folders whose name starts
        with a dot are left out, and linked folders are not entered.

    Raises:
        UsageError: root does not exist.
        PhotoError: a folder cannot be listed.
    """

    def refuse(error: OSError) -> None:
        reason = f"cannot list this folder ({error.strerror}): make it readable or move it away"
        raise PhotoError(f"{printable(str(error.filename))}: {reason}") from error

    root = Path(root)
    try:
        if not root.is_dir():
            if not root.exists():
                raise UsageError(f"{printable(str(root))}: no such file or folder")
            return [root]
    except OSError as error:
        refuse(error)
    photos = []
    for folder, folders, files in os.walk(root, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                photos.append(Path(folder, name))
    return sorted(photos)


def open_photo(path: str | Path) -> Image.Image:
    """Open a photo file; `decode_photo` says what comes back.

    Args:
        path: a regular file, whatever its suffix.

    Returns:
        The photo, decoded: mode RGB, upright.

    Raises:
        PhotoError: one line with the path, the reason and the way out.
    """
    path = Path(path)
    try:
        if not path.exists():
            raise PhotoError(f"{printable(str(path))}: no such file")
        if not path.is_file():  # reading a pipe or a device could wait for ever
            raise PhotoError(f"{printable(str(path))}: not a regular file")
        size = path.stat().st_size
        if size > MAX_MEMORY:
            reason = f"too large, {size / 10**9:.1f} GB on disk: scale it down"
            raise PhotoError(f"{printable(str(path))}: {reason}")
        data = path.read_bytes() if size else b""
    except OSError as error:
        raise PhotoError(f"{printable(str(path))}: cannot be read ({error.strerror})") from error
    return decode_photo(data, str(path))


def prepare(photo: Image.Image, image_size: int, box: Box | None = None) -> Image.Image:
    """Crop to the box, then limit the longest side, as the published test loader does.

    Args:
        photo: mode RGB; it is left as it is.
        image_size: longest side of a whole photo, in pixels, at least 1. A crop is limited to
            image_size x (its longest side / the photo's longest side). Nothing is enlarged.
        box: what to keep; its part inside the photo counts, rounded to whole pixels.

    Returns:
        A new image.

    Raises:
        UsageError: the image size is below 1, or the box holds no pixel of the photo.
    """
    if image_size < 1:
        raise UsageError(f"image size {image_size}: give at least 1 pixel")
    part = photo.copy() if box is None else _crop(photo, box)
    longest = max(1.0, image_size * max(part.size) / max(photo.size))
    part.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return part


def _crop(photo: Image.Image, box: Box) -> Image.Image:
    x1, y1, x2, y2 = box
    if all(math.isfinite(edge) for edge in box):
        left, top = round(max(x1, 0)), round(max(y1, 0))
        right, bottom = round(min(x2, photo.width)), round(min(y2, photo.height))
        if left < right and top < bottom:
            return photo.crop((left, top, right, bottom))
    raise UsageError(
        f"box {x1:g},{y1:g},{x2:g},{y2:g} holds no pixel of the photo, which has "
        f"{photo.width} x {photo.height}: give x1,y1,x2,y2 inside it, x1 < x2 and y1 < y2"
    )


def normalise(photo: Image.Image, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """Turn a photo into the network's input, (value / 255 - mean) / std in each channel.

    Args:
        photo: mode RGB, W x H.
        mean: of red, green and blue, on a scale of 0 to 1.
        std: likewise.

    Returns:
        (3, H, W), float32.
    """
    import numpy as np
    import torch

    pixels = torch.from_numpy(np.array(photo)).permute(2, 0, 1).contiguous()  # (3, H, W)
    offset, scale = (torch.tensor(values).reshape(3, 1, 1) for values in (mean, std))
    return pixels.float().div_(255).sub_(offset).div_(scale)
