"""Which photos are meant: folders and photos to absolute paths."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from solar.index.records import path_to_bytes

AnyPath = str | os.PathLike[str]


def list_photos(photos: AnyPath | Iterable[AnyPath]) -> tuple[list[Path], set[bytes]]:
    """All photos in folders and lists.

    Args:
        photos: a folder, a photo, or a list of these; what does not exist is taken for a photo.

    Returns:
        Absolute paths, each once, and the stored form of what was given, with no slash at the end.
    """
    items = [photos] if isinstance(photos, str | os.PathLike) else photos
    found: dict[Path, None] = {}
    given: set[bytes] = set()
    folders: dict[Path, Path] = {}
    for item in map(Path, items):
        if item.is_dir():
            from solar.photos import find_photos

            place = item.resolve()
            found.update(dict.fromkeys(find_photos(place)))
        else:
            place = absolute_photo(item, folders)
            found[place] = None
        given.add(path_to_bytes(place).rstrip(b"/"))
    return list(found), given


def absolute_photo(path: Path, folders: dict[Path, Path] | None = None) -> Path:
    """The path that stands for a photo: its folder without links, and its own name.

    Args:
        path: of the photo.
        folders: already resolved, to save the system the work; this adds to it.
    """
    folders = {} if folders is None else folders
    if path.parent not in folders:
        folders[path.parent] = path.parent.resolve()
    return folders[path.parent] / path.name
