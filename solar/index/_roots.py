"""Roots: the folders that photos are kept relative to, and where these are now."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from solar.errors import UsageError
from solar.index._entries import is_gone, path_to_bytes, path_to_text
from solar.index.catalogue import Home, Root

if TYPE_CHECKING:
    from solar.index._snapshot import Snapshot
    from solar.index._writer import Writer

NAMELESS = b""
"""The root of photos whose names are no paths of this machine."""


@dataclass(frozen=True)
class Roots:
    """All roots of an index, where they lie now.

    Attributes:
        folders: absolute path of each, by number; empty for the nameless one.
    """

    folders: dict[int, bytes]

    @classmethod
    def found(cls, stored: Sequence[Root], folder: Path) -> Roots:
        """Find roots: where they were, or, if they are gone from there, as seen from the index.

        Args:
            stored: as the catalogue has them.
            folder: of the index, which may have moved together with its photos.
        """
        folders = {}
        for number, path, beside in stored:
            folders[number] = path
            if beside and not _is_folder(path):
                moved = path_to_bytes(Path(os.path.normpath(folder / path_to_text(beside))))
                if _is_folder(moved):
                    folders[number] = moved
        return cls(folders)

    def stored(self, folder: Path) -> list[Root]:
        """What the catalogue keeps of them."""
        return [(n, path, _beside(path, folder)) for n, path in sorted(self.folders.items())]

    def home(self, path: bytes) -> Home | None:
        """The deepest root that holds a photo, and the photo's path from there."""
        cut = path.rfind(b"/")
        while cut >= 0:
            for folder in (path[:cut] or b"/", path[:cut] + b"/"):  # the latter of a drive, C:/
                if folder in self._numbers:
                    return self._numbers[folder], path[cut + 1 :]
            cut = path.rfind(b"/", 0, cut)
        return None

    def holds(self, folder: bytes) -> bool:
        """Whether a folder is a root or in one."""
        return folder in self._numbers or self.home(folder) is not None

    @cached_property
    def _numbers(self) -> dict[bytes, int]:
        return {folder: number for number, folder in self.folders.items()}

    def with_root(self, folder: bytes) -> tuple[int, Roots]:
        """Number of a root, new or not, and the roots with it."""
        if folder in self._numbers:
            return self._numbers[folder], self
        number = max(self.folders, default=0) + 1
        return number, Roots({**self.folders, number: folder})

    def whole(self, root: int, path: bytes) -> bytes:
        """The absolute path of a photo."""
        folder = self.folders.get(root, NAMELESS)
        return path if not folder else folder.rstrip(b"/") + b"/" + path

    def text(self, root: int, path: bytes) -> str:
        """The absolute path of a photo, as text."""
        return path_to_text(self.whole(root, path))

    def missing(self) -> Iterator[int]:
        """Numbers of roots that are not there, because a drive is away or a folder was moved."""
        for number, folder in self.folders.items():
            if folder and not _is_folder(folder):
                yield number


def _is_folder(path: bytes) -> bool:
    return Path(path_to_text(path)).is_dir()


def _beside(path: bytes, folder: Path) -> bytes | None:
    """The way from the index's folder to a root; None where there is none."""
    try:
        return path_to_bytes(Path(os.path.relpath(path_to_text(path), folder))) if path else None
    except ValueError:  # Another drive, on Windows.
        return None


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


def move(snapshot: Snapshot, writer: Writer, old: Path, new: Path) -> int:
    """Let photos below a folder lie in another from now on; returns how many there are.

    Raises:
        UsageError: there are none, or the new folder does not exist or holds none of them.
    """
    if not new.is_dir():
        raise UsageError("no such folder", new)
    ways = absolute_photo(old), new.resolve()
    source, target = (path_to_bytes(way).rstrip(b"/") for way in ways)
    moved = list(snapshot.below(source))
    if not moved:
        raise UsageError(f"knows no photo below {old}", snapshot.folder)
    ends = (snapshot.roots.whole(each.root, each.path)[len(source) :] for each in moved)
    if all(is_gone(Path(path_to_text(target + end))) for end in ends):
        raise UsageError(f"holds none of the {len(moved):,} photos of {old}", new)
    roots = snapshot.roots
    inside = {n for n, folder in roots.folders.items() if (folder + b"/").startswith(source + b"/")}
    others = Roots({n: folder for n, folder in roots.folders.items() if n not in inside})
    whole = {entry.root for entry in moved} <= inside
    if whole and not others.holds(target):
        folders = {n: target + roots.folders[n][len(source) :] for n in inside}
        roots = Roots({**roots.folders, **folders})
    else:  # One by one; where one is known already, that one stays.
        roots = others if whole else roots
        if not roots.holds(target):
            _, roots = roots.with_root(target)
        homes = {
            entry: roots.home(target + snapshot.roots.whole(entry.root, entry.path)[len(source) :])
            for entry in moved
        }
        there = snapshot.named(filter(None, homes.values()))
        for entry, home in homes.items():
            if home in there:
                writer.remove(entry.id)
            elif home is not None:
                writer.put(entry._replace(root=home[0], path=home[1]))
    writer.put_roots(roots)
    writer.commit()
    return len(moved)
