"""Where what can be made or fetched again is kept."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """$SOLAR_CACHE, else `solar` in the user's cache folder."""
    if folder := os.environ.get("SOLAR_CACHE"):
        return Path(folder)
    if os.name == "nt":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "solar"
