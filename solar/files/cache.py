"""Where what can be made or fetched again is kept."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from solar.errors import SolarError
from solar.files.atomic import write_atomically


def cache_folder() -> Path:
    """$SOLAR_CACHE, else `solar` in the user's cache folder."""
    if folder := os.environ.get("SOLAR_CACHE"):
        return Path(folder)
    if os.name == "nt":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "solar"


def remembered(kind: str, key: str, make: Callable[[], str]) -> str:
    """A SHA-256 that takes long to make: made once for each key, then read from the cache folder.

    Args:
        kind: of what is remembered, a word.
        key: SHA-256, hexadecimal, of all that it depends on.
        make: the way to it, hexadecimal.
    """
    file = cache_folder() / kind / key
    with suppress(OSError, ValueError):
        if re.fullmatch("[0-9a-f]{64}", found := file.read_text("ascii")):
            return found
    made = make()
    with suppress(OSError, SolarError):  # nowhere to keep it
        file.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(file) as to:
            to.write(made.encode())
    return made
