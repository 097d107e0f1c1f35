"""What is given to `Index.add`: the photos in it, and the roots that they belong to."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from solar.errors import UsageError
from solar.files.atomic import sha256
from solar.index._entries import is_gone, path_to_bytes, path_to_text
from solar.index._roots import Roots, absolute_photo
from solar.index._snapshot import Snapshot
from solar.index.results import AddReport
from solar.photos import EXCLUDED, Found, look_for_photos
from solar.typing import AnyPath

_HASHED = 20
"""Photos of a folder that must have the bytes of a gone one's before it counts as the same."""


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


@dataclass
class Seen:
    """What lies at paths that are given to `Index.add`, whatever index that is.

    Attributes:
        items: folders and photos, as they were given; of a folder, its resolved path and what is
            in it.
    """

    items: list[tuple[Path, Found | None]] = field(default_factory=list)

    def __len__(self) -> int:
        """How many photos there are, one that is given twice counted twice."""
        return sum(1 if found is None else len(found.photos) for _, found in self.items)


def see(items: Sequence[AnyPath], exclude: Sequence[str] = ()) -> Seen:
    """List folders; what is no folder, or not there, is taken for a photo.

    Args:
        items: folders and photos.
        exclude: patterns of what to leave out, beside the usual ones.

    Raises:
        PhotoError: a folder given cannot be listed.
    """
    seen = Seen()
    for item in map(Path, items):
        path = item.resolve() if item.is_dir() else None
        found = None if path is None else look_for_photos([path], (*exclude, *EXCLUDED))
        seen.items.append((path or item, found))
    return seen


def look(seen: Seen, snapshot: Snapshot) -> Given:
    """All photos in folders and lists, and the roots that they belong to.

    A folder that is in no root yet is another root, or one that has moved here. A link to a photo
    that is there itself is left out.

    Args:
        seen: what was given.
        snapshot: of the index.

    Raises:
        UsageError: nothing of what was given exists or is known: a mistyped folder.
    """
    given, exists = Given(snapshot.roots), not seen.items
    found: dict[Path, None] = {}
    folders: dict[Path, Path] = {}
    links: list[Path] = []
    for path, inside in seen.items:
        if inside is not None:
            _root(given, path_to_bytes(path), snapshot)
            found.update(dict.fromkeys(inside.photos))
            links += inside.linked
            given.left_out += inside.notes()
        else:
            path = absolute_photo(path, folders)
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


def missed(given: Given, last: Snapshot, missing: Set[bytes], report: AddReport) -> None:
    """Say of photos whose file is gone whether they vanished, or are out of reach for a while.

    Args:
        given: what was asked for.
        last: the index as it is now.
        missing: photos that were given and do not exist.
        report: to which they are added.
    """
    gone: dict[bytes, int] = {}
    accounted: set[bytes] = set()
    for path in given.paths:
        for entry in last.below(path):
            whole = last.roots.whole(entry.root, entry.path)
            if whole not in gone and is_gone(Path(path_to_text(whole))):
                gone[whole] = entry.root
                accounted.add(path)
    lost, absent = Counter(gone.values()), set(last.roots.missing())
    at_risk = {
        root
        for root, count in lost.items()
        if root in absent or 2 * count > last.catalogue.count(root, last.commit.generation)
    }
    for whole, root in gone.items():
        (report.unreachable if root in at_risk else report.vanished).append(path_to_text(whole))
    for text in map(path_to_text, missing - accounted - gone.keys()):
        report.failed.append((text, f"{text}: there is no such file"))


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
