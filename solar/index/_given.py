"""Which photos are meant: folders and photos to paths below the roots of an index."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from solar.files.atomic import sha256
from solar.index._entries import path_to_bytes, path_to_text
from solar.index._roots import Roots
from solar.index._snapshot import Snapshot
from solar.photos import EXCLUDED, look_for_photos
from solar.typing import AnyPath

_HASHED = 20
"""Photos of a folder that must have the bytes of a gone one's before it counts as the same."""


@dataclass
class Given:
    """What was given to `Index.add`.

    Attributes:
        photos: absolute paths, each once.
        places: absolute paths of the photos and folders themselves.
        roots: of the index, with those that are new or have moved.
        moved: (old place, new place) of roots.
        added: places of new roots.
        left_out: one line for each kind of file or folder that was not looked at.
    """

    roots: Roots
    photos: list[Path] = field(default_factory=list)
    places: set[bytes] = field(default_factory=set)
    moved: list[tuple[str, str]] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def look(
    photos: AnyPath | Iterable[AnyPath], snapshot: Snapshot, exclude: Sequence[str] = ()
) -> Given:
    """All photos in folders and lists, and the roots that they belong to.

    A folder that is in no root yet is another root, or one that has moved here. What does not
    exist is taken for a photo. A link to a photo that is there itself is left out.

    Args:
        photos: folders and photos.
        snapshot: of the index.
        exclude: patterns of what to leave out, beside the usual ones.

    Raises:
        PhotoError: a folder given cannot be listed; those below are in `left_out`.
    """
    given = Given(snapshot.roots)
    found: dict[Path, None] = {}
    folders: dict[Path, Path] = {}
    links: list[Path] = []
    for item in map(Path, as_list(photos)):
        if item.is_dir():
            place = item.resolve()
            _root(given, path_to_bytes(place), snapshot)
            seen = look_for_photos([place], (*exclude, *EXCLUDED))
            found.update(dict.fromkeys(seen.photos))
            links += seen.linked
            given.left_out += seen.notes()
        else:
            place = absolute_photo(item, folders)
            if given.roots.home(path_to_bytes(place)) is None and place.exists():
                _root(given, path_to_bytes(place.parent), snapshot)
            found[place] = None
            links += [place] if place.is_symlink() else []
        given.places.add(path_to_bytes(place).rstrip(b"/"))
    repeated = _repeated(links, found, snapshot)
    given.photos = [path for path in found if path not in repeated]
    if repeated:
        given.left_out.append(f"links to photos that are in already: {len(repeated):,}")
    return given


def _repeated(links: Iterable[Path], found: Mapping[Path, None], snapshot: Snapshot) -> set[Path]:
    """Those of some links to photos whose photo is in the index, or given, itself."""
    targets = {link: Path(os.path.realpath(link)) for link in links if link in found}
    repeated: set[Path] = set()
    taken = found.keys() - targets.keys()
    for link, target in targets.items():
        if target != link and (target in taken or snapshot.at(path_to_bytes(target)) is not None):
            repeated.add(link)
        taken.add(target)
    return repeated


def as_list(photos: AnyPath | Iterable[AnyPath]) -> Iterable[AnyPath]:
    """A list of paths, given as one or as a single path."""
    return [photos] if isinstance(photos, str | os.PathLike) else photos


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


def _root(given: Given, place: bytes, snapshot: Snapshot) -> None:
    """Make a folder part of the roots, unless one of them holds it."""
    roots = given.roots
    if place in roots.places.values() or roots.home(place) is not None:
        return
    for number in roots.missing():
        if _is_moved(number, Path(path_to_text(place)), snapshot):
            given.moved.append((path_to_text(roots.places[number]), path_to_text(place)))
            given.roots = Roots({**roots.places, number: place})
            return
    _, given.roots = roots.with_root(place)
    given.added.append(path_to_text(place))


def _is_moved(root: int, place: Path, snapshot: Snapshot) -> bool:
    """Whether a folder is a gone root: half of its photos are here, and some have its bytes."""
    known = [e for e in snapshot.catalogue.below(root, b"", snapshot.commit.generation) if e.sha256]
    here = [entry for entry in known if _size(place / path_to_text(entry.path)) == entry.size]
    if not here or 2 * len(here) < len(known):
        return False
    chosen: Sequence[int] = range(0, len(here), max(1, len(here) // _HASHED))[:_HASHED]
    try:
        return all(
            bytes.fromhex(sha256(place / path_to_text(here[n].path))) == here[n].sha256
            for n in chosen
        )
    except OSError:
        return False


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
