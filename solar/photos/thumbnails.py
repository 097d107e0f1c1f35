"""Small copies of photos, inside the page itself."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import ImageDraw

from solar.errors import PhotoError
from solar.photos import Box, open_photo

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


def thumbnail(path: Path, box: Box | None = None) -> Thumbnail | None:
    """A photo of at most `SIDE` pixels, with a box drawn in; None if it cannot be opened."""
    try:
        photo = open_photo(path)
    except PhotoError:
        return None
    scale = SIDE / max(photo.size)
    photo.thumbnail((SIDE, SIDE))
    if box:
        drawn = [value * min(scale, 1.0) for value in box]
        ImageDraw.Draw(photo).rectangle(drawn, outline="#f59e0b", width=3)
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=82)
    data = base64.b64encode(buffer.getvalue()).decode()
    return Thumbnail(f"data:image/jpeg;base64,{data}", *photo.size)
