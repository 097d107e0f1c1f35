"""Small copies of photos, inside the page itself."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

from PIL import ImageDraw

from solar.errors import PhotoError, UsageError
from solar.photos.photo import Photo, decode
from solar.photos.prepare import Box

SIDE = 320


@dataclass(frozen=True)
class Thumbnail:
    """A small JPEG.

    Attributes:
        source: its address, which holds all of it.
        width: in pixels.
        height: in pixels.
    """

    source: str
    width: int
    height: int


def thumbnail(
    photo: Photo,
    box: Box | None = None,
    *,
    crop: bool = False,
    side: int = SIDE,
    turned: bool = True,
) -> Thumbnail | None:
    """A small copy of a photo, which stays as it is; None if it cannot be opened.

    Args:
        photo: any.
        box: drawn into it.
        crop: show nothing but the box.
        side: limit of the longest, in pixels.
        turned: see `decode`.
    """
    try:
        decoded = decode(photo, wanted=side, turned=turned, draft=not crop)
        whole = max(decoded.image.size)
        small = decoded.prepared(whole, box) if crop else decoded.prepared(side)
    except (PhotoError, UsageError):
        return None
    if crop:
        small.thumbnail((side, side))
    elif box:
        scale = small.width / decoded.size[0]
        ImageDraw.Draw(small).rectangle([v * scale for v in box], outline="#f59e0b", width=3)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=82)
    data = base64.b64encode(buffer.getvalue()).decode()
    return Thumbnail(f"data:image/jpeg;base64,{data}", *small.size)
