"""Photos below a folder, by name."""

from __future__ import annotations

import os
from pathlib import Path

from solar.errors import PhotoError, UsageError
from solar.photos.decode import printable

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"}
    | {".heic", ".heif", ".hif", ".avif"}
)
"""The file names, in lower case, that `find_photos` takes for photos."""


def find_photos(root: str | Path) -> list[Path]:
    """List the photos below a folder, by name.

    Args:
        root: a folder, or one photo of any name.

    Returns:
        Sorted paths that start with root; [root] for a file. Files and folders whose name starts
        with a dot are left out, and linked folders are not entered.

    Raises:
        UsageError: root does not exist.
        PhotoError: a folder cannot be listed.
    """

    def refuse(error: OSError) -> None:
        reason = f"cannot list this folder ({error.strerror}): make it readable or move it away"
        raise PhotoError(f"{printable(str(error.filename))}: {reason}") from error

    root = Path(root)
    try:
        if not root.is_dir():
            if not root.exists():
                raise UsageError(f"{printable(str(root))}: no such file or folder")
            return [root]
    except OSError as error:
        refuse(error)
    photos = []
    for folder, folders, files in os.walk(root, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                photos.append(Path(folder, name))
    return sorted(photos)
