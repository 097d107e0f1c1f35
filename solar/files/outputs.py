"""One door for what commands write: nobody's photo is lost to a slip of the pen."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from solar.errors import UsageError
from solar.files.text import printable

if TYPE_CHECKING:
    from solar.typing import AnyPath

MARK = b"made by Solar"
"""Stands near the beginning or at the end of pictures and pages that Solar writes."""
_HEAD = 1 << 16


def claim_output(
    path: AnyPath,
    *,
    inputs: Iterable[AnyPath] = (),
    suffixes: Sequence[str] = (),
    overwrite: bool = False,
    made_by: Callable[[Path], bool] | None = None,
) -> Path:
    """Refuse, before the work begins, a file that should not or cannot be written.

    Args:
        path: of the file to write.
        inputs: files that the work reads; never replaced, whatever `overwrite` says.
        suffixes: in lower case, one of which the name must have; none for any.
        overwrite: replace a file that is there.
        made_by: whether Solar made the file that is there, so that it may make it anew; None for
            files with the mark.

    Returns:
        The path.

    Raises:
        UsageError: the suffix is another, the folder is missing or cannot be written, the file is
            an input, no regular file, or there already and of somebody else's making.
    """
    path, name = Path(path), printable(path)
    if suffixes and path.suffix.lower() not in suffixes:
        raise UsageError(f"{name}: the name must end in {' or '.join(suffixes)}")
    try:
        folder = path.parent
        if not folder.is_dir():
            raise UsageError(f"{name}: there is no folder {printable(folder)}: make it first")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UsageError(f"{name}: the folder {printable(folder)} cannot be written")
        _require_free(path, name, inputs, overwrite, made_by or has_mark)
    except (OSError, ValueError) as error:  # ValueError: a null character
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{name}: cannot be written ({reason})") from error
    return path


def has_mark(path: Path) -> bool:
    """Whether Solar wrote a picture or a page."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        file.seek(max(0, path.stat().st_size - len(MARK) - 1))
        return MARK in head or MARK in file.read(_HEAD)


def _require_free(
    path: Path,
    name: str,
    inputs: Iterable[AnyPath],
    overwrite: bool,
    made_by: Callable[[Path], bool],
) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    for other in map(Path, inputs):
        if path.exists() and other.exists() and path.samefile(other):
            raise UsageError(f"{name}: is what this command reads: write to another file")
    if path.is_dir():
        raise UsageError(f"{name}: is a folder: name a file")
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)):
        raise UsageError(f"{name}: is no regular file: write to another")
    if not (overwrite or (stat.S_ISREG(found.st_mode) and made_by(path))):
        raise UsageError(
            f"{name}: is there already: choose another name, or say --overwrite to replace it"
        )
