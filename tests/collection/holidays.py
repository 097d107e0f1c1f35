"""A folder of photos of made places, seen from several sides, that say when and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from tests.photos.exif import EXIF, GPS, ORIGINAL
from tests.scenes import scene

SIZE = (400, 300)
PLACES = {"bridge": (48.85, 2.29), "tower": (40.41, -3.70), "harbour": (-33.86, 151.21)}
"""Where each is: degrees north, degrees east."""


def place(name: str) -> Image.Image:
    """The place of a name, as nobody sees all of it: shapes with something written on them."""
    seed = sum(map(ord, name))
    coarse = np.random.default_rng(seed).integers(-60, 60, (90, 120)).astype(np.float32)
    texture = cv2.resize(coarse, (600, 450), interpolation=cv2.INTER_CUBIC)
    pixels = np.asarray(scene(seed, (600, 450))) + texture[..., None]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def view(name: str, number: int) -> Image.Image:
    """One of a place's views: another part, turned a little and tilted, by number."""
    random = np.random.default_rng([sum(map(ord, name)), number])
    width, height = SIZE
    corners = np.array([(60, 45), (540, 45), (540, 405), (60, 405)], np.float32)
    seen = (corners + random.uniform(-30, 30, (4, 2))).astype(np.float32)
    shown = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    matrix = cv2.getPerspectiveTransform(seen, shown)
    pixels = cv2.warpPerspective(np.asarray(place(name)), matrix, SIZE, flags=cv2.INTER_AREA)
    noisy = pixels + random.normal(0, 3, pixels.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def save(
    path: Path,
    photo: Image.Image,
    gps: tuple[float, float] | None = None,
    taken: str | None = None,
    *,
    hemispheres: str = "",
    quality: int = 90,
) -> Path:
    """Save a photo that says when and where it was taken.

    Args:
        path: where.
        photo: what.
        gps: degrees north and east.
        taken: as 2019:07:12 18:30:00.
        hemispheres: two letters to state instead of the right ones.
        quality: of the JPEG.
    """
    made = Image.Exif()
    if taken is not None:
        made.get_ifd(EXIF).update({ORIGINAL: taken})
    if gps is not None:
        made.get_ifd(GPS).update(tags(gps, hemispheres))
    path.parent.mkdir(parents=True, exist_ok=True)
    photo.save(path, "JPEG", quality=quality, exif=made.tobytes())
    return path


def tags(gps: tuple[float, float], hemispheres: str = "") -> dict[int, Any]:
    """A position as EXIF has it."""
    right = ("NS"[gps[0] < 0], "EW"[gps[1] < 0])
    stated = hemispheres or right
    return {1: stated[0], 2: _sexagesimal(gps[0]), 3: stated[1], 4: _sexagesimal(gps[1])}


def _sexagesimal(degrees: float) -> tuple[float, float, float]:
    whole, rest = divmod(abs(degrees), 1)
    minutes, part = divmod(rest * 60, 1)
    return whole, minutes, round(part * 60, 3)


def holidays(folder: Path, views: int = 3) -> Path:
    """Some views of each of `PLACES`, a hundred metres apart, and of a place without a position."""
    for name, (north, east) in PLACES.items():
        for number in range(views):
            save(
                folder / name / f"{number}.jpg",
                view(name, number),
                (north + number / 2000, east),
                f"2024:05:{number + 1:02} 10:00:00",
            )
    for number in range(2):
        save(folder / "garden" / f"{number}.jpg", view("garden", number))
    return folder
