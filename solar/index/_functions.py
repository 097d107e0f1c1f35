"""What conditions of SQL call that filters are parsed into: paths, text without case, distances."""

from __future__ import annotations

import math
import os
import unicodedata
from collections.abc import Callable, Mapping

EARTH = 6_371_008.8
"""Its mean radius, in metres."""


def functions(folders: Mapping[int, bytes]) -> dict[str, Callable[..., str | float | None]]:
    """What conditions call, by name.

    Args:
        folders: of the roots that paths start from, where they are now.
    """

    def path(root: int, path: bytes) -> str:
        folder = folders.get(root, b"")
        return folded(os.fsdecode(folder + b"/" * bool(folder) + path))

    return {
        "solar_path": path,
        "solar_folder": lambda root, inside: path(root, inside).rpartition("/")[0],
        "solar_name": lambda inside: folded(os.fsdecode(inside.rpartition(b"/")[2])),
        "solar_folded": lambda text: None if text is None else folded(text),
        "solar_metres": metres,
    }


def folded(text: str) -> str:
    """Text that is equal for texts that differ in case, or in how accents are written."""
    normal = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return normal.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def metres(
    latitude: float | None, longitude: float | None, other: float, other_longitude: float
) -> float | None:
    """The distance of two positions in degrees, on a sphere; None where one is not known."""
    if latitude is None or longitude is None:
        return None
    north, east, north2, east2 = map(math.radians, (latitude, longitude, other, other_longitude))
    half = (
        math.sin((north2 - north) / 2) ** 2
        + math.cos(north) * math.cos(north2) * math.sin((east2 - east) / 2) ** 2
    )
    return 2 * EARTH * math.asin(min(1.0, math.sqrt(half)))
