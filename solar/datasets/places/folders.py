"""A folder of folders: each sub-folder is a place."""

from __future__ import annotations

from pathlib import Path

from solar.datasets.places.rows import Problems
from solar.datasets.places.table import Places, PlacesBuilder
from solar.photos import SUFFIXES, find_photos


def read_folders(root: Path, problems: Problems) -> Places:
    """Sub-folders are places, by name; photos may lie deeper in them.

    Names that start with a dot and linked folders within places are passed over.

    Args:
        root: the folder.
        problems: gets photos and linked folders in the folder itself, which show no place.
    """
    builder = PlacesBuilder()
    for entry in sorted(root.iterdir()):
        if entry.name.startswith("."):
            continue
        if not entry.is_dir():
            if entry.suffix.lower() in SUFFIXES:
                problems.add(entry, None, "in no sub-folder, but sub-folders are places: move it")
        elif entry.is_symlink():
            problems.add(entry, None, "a linked folder, which is not entered: move the place here")
        else:
            for photo in find_photos(entry):
                builder.add(photo.relative_to(root).as_posix(), entry.name)
    return builder.build(root, root, rows=False)
