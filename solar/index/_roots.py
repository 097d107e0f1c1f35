"""Roots: the folders that photos are kept relative to, where these are now, and what is in them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from solar.errors import UsageError
from solar.files.atomic import sha256
from solar.index._entries import is_gone, path_to_bytes, path_to_text
from solar.index.catalogue import Home, Root
from solar.photos import EXCLUDED, look_for_photos
from solar.typing import AnyPath

if TYPE_CHECKING:
    from solar.index._snapshot import Snapshot
    from solar.index._writer import Writer

NAMELESS = b""
"""The root of photos whose names are no paths of this machine."""

_HASHED = 20
"""Photos of a folder that must have the bytes of a gone one's before it counts as the same."""


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
                moved = os.path.normpath(os.path.join(os.fsencode(folder), beside))  # noqa: PTH118
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
            folder = path[:cut] or b"/"
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


@dataclass
class Given:
    """What was given to `Index.add`.

    Attributes:
        roots: of the index, with those that are new or have moved.
        photos: absolute paths, each once.
        paths: absolute paths of the photos and folders themselves.
        moved: (old path, new path) of roots.
        added: paths of new roots.
        left_out: one line for each kind of file or folder that was not looked at.
    """

    roots: Roots
    photos: list[Path] = field(default_factory=list)
    paths: set[bytes] = field(default_factory=set)
    moved: list[tuple[str, str]] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def look(items: Sequence[AnyPath], snapshot: Snapshot, exclude: Sequence[str] = ()) -> Given:
    """All photos in folders and lists, and the roots that they belong to.

    A folder that is in no root yet is another root, or one that has moved here. What does not
    exist is taken for a photo. A link to a photo that is there itself is left out.

    Args:
        items: folders and photos.
        snapshot: of the index.
        exclude: patterns of what to leave out, beside the usual ones.

    Raises:
        PhotoError: a folder given cannot be listed; those below are in `left_out`.
        UsageError: nothing of what was given exists or is known: a mistyped folder.
    """
    given, exists = Given(snapshot.roots), not items
    found: dict[Path, None] = {}
    folders: dict[Path, Path] = {}
    links: list[Path] = []
    for item in map(Path, items):
        if item.is_dir():
            path = item.resolve()
            _root(given, path_to_bytes(path), snapshot)
            seen = look_for_photos([path], (*exclude, *EXCLUDED))
            found.update(dict.fromkeys(seen.photos))
            links += seen.linked
            given.left_out += seen.notes()
        else:
            path = absolute_photo(item, folders)
            if given.roots.home(path_to_bytes(path)) is None and path.exists():
                _root(given, path_to_bytes(path.parent), snapshot)
            found[path] = None
            links += [path] if path.is_symlink() else []
        whole = path_to_bytes(path).rstrip(b"/")
        given.paths.add(whole)
        exists = exists or path.exists() or path.is_symlink() or any(snapshot.below(whole))
    if not exists:
        raise UsageError("no such file or folder", path_to_text(min(given.paths)))
    repeated = _repeated([link for link in links if link in found], found.keys(), snapshot)
    given.photos = [path for path in found if path not in repeated]
    if repeated:
        given.left_out.append(f"links to photos that are in already: {len(repeated):,}")
    return given


def _repeated(links: Sequence[Path], found: Set[Path], snapshot: Snapshot) -> set[Path]:
    """Those of some links to photos whose photo is in the index, or given, itself."""
    homes = {
        link: snapshot.roots.home(path_to_bytes(Path(os.path.realpath(link)))) for link in links
    }
    there = snapshot.named(filter(None, homes.values()))
    repeated: set[Path] = set()
    taken = found - homes.keys()
    for link, home in homes.items():
        target = Path(os.path.realpath(link))
        if target != link and (target in taken or home in there):
            repeated.add(link)
        taken.add(target)
    return repeated


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


def _root(given: Given, folder: bytes, snapshot: Snapshot) -> None:
    """Make a folder part of the roots, unless one of them holds it."""
    roots = given.roots
    if roots.holds(folder):
        return
    for number in roots.missing():
        if _is_moved(number, Path(path_to_text(folder)), snapshot):
            given.moved.append((path_to_text(roots.folders[number]), path_to_text(folder)))
            given.roots = Roots({**roots.folders, number: folder})
            return
    _, given.roots = roots.with_root(folder)
    given.added.append(path_to_text(folder))


def _is_moved(root: int, folder: Path, snapshot: Snapshot) -> bool:
    """Whether a folder is a gone root: half of its photos are here, and some have its bytes."""
    known = [e for e in snapshot.catalogue.below(root, b"", snapshot.commit.generation) if e.sha256]
    here = [entry for entry in known if _size(folder / path_to_text(entry.path)) == entry.size]
    if not here or 2 * len(here) < len(known):
        return False
    chosen = here[:: max(1, len(here) // _HASHED)][:_HASHED]
    try:
        return all(
            bytes.fromhex(sha256(folder / path_to_text(entry.path))) == entry.sha256
            for entry in chosen
        )
    except OSError:
        return False


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


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
