"""Folders that are made once and given to each test as they were, at the paths that they know."""

from __future__ import annotations

import shutil
from pathlib import Path


def keep(home: Path) -> Path:
    """Put a copy beside a folder; returns the folder."""
    shutil.copytree(home, home.with_name("kept"))
    return home


def restored(home: Path) -> Path:
    """The folder, as it was when it was kept."""
    shutil.rmtree(home)
    shutil.copytree(home.with_name("kept"), home)
    return home
