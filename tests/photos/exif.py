"""Photos whose files say when and where they were taken, truly or not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

EXIF, GPS = 0x8769, 0x8825
MAKE, MODEL, ORIENTATION, CHANGED = 271, 272, 274, 306
ORIGINAL, OFFSET = 36867, 36881
PARIS = {1: "N", 2: (48.0, 51.0, 0.0), 3: "E", 4: (2.0, 17.0, 24.0)}
"""48.85, 2.29."""


def photo_with(
    path: Path,
    tags: Mapping[int, Any] | None = None,
    exif: Mapping[int, Any] | None = None,
    gps: Mapping[int, Any] | None = None,
    *,
    colour: tuple[int, int, int] = (90, 120, 60),
    size: tuple[int, int] = (64, 48),
) -> Path:
    """Save a photo with these tags of EXIF; returns where."""
    made = Image.Exif()
    for number, value in (tags or {}).items():
        made[number] = value
    if exif is not None:
        made.get_ifd(EXIF).update(exif)
    if gps is not None:
        made.get_ifd(GPS).update(gps)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, exif=made.tobytes())
    return path
