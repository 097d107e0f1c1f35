"""The files of an index that are numbered: compaction writes the next, and the last counts."""

from __future__ import annotations

import re
from pathlib import Path

from solar.errors import IndexFolderError

CATALOGUE = re.compile(r"catalogue-(\d{6,12})\.db")
"""Names of catalogues, with their numbers."""


def catalogue_file(folder: Path, number: int) -> Path:
    """Where the catalogue of a number lies; compaction writes the next."""
    return folder / f"catalogue-{number:06d}.db"


def features_file(folder: Path, number: int) -> Path:
    """Where the features of all photos lie, end to end."""
    return folder / f"features-{number:06d}.bin"


def newest(folder: Path) -> tuple[int, Path]:
    """Number and file of the catalogue that counts.

    Raises:
        IndexFolderError: there is none.
    """
    try:
        names = [file.name for file in folder.iterdir()]
    except FileNotFoundError as error:
        raise IndexFolderError("no such index: make one with `solar index`", folder) from error
    except NotADirectoryError as error:
        raise IndexFolderError("is a file, no index: an index is a folder", folder) from error
    except OSError as error:
        raise IndexFolderError(f"cannot be read: {error}", folder) from error
    numbers = [int(found[1]) for name in names if (found := CATALOGUE.fullmatch(name))]
    if not numbers:
        raise IndexFolderError(
            "is a folder, but no index: name one, or a new or empty folder to make it in", folder
        )
    return max(numbers), catalogue_file(folder, max(numbers))
