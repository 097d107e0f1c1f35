"""Photos of folders and of stores such as s3://, listed and read alike."""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from solar.errors import SolarError, UsageError
from solar.files.stores import FolderStore, Store, is_address, local_path, open_store
from solar.photos._words import counted
from solar.photos.find import EXCLUDED, SUFFIXES, left_out_by, look_for_photos
from solar.typing import AnyPath

_TRIES = 3
_PAUSE = 1.0  # Seconds before another try, doubled each time.


class Listed(NamedTuple):
    """A photo below a root.

    Attributes:
        root: the number of that, from 0.
        name: below it, with forward slashes; empty if the root is the photo.
        size: in bytes; -1 if it is not there any more.
        version: see `Stored`.
    """

    root: int
    name: str
    size: int
    version: str


def list_photos(
    roots: Sequence[AnyPath], exclude: Sequence[str] = ()
) -> tuple[list[Listed], list[str]]:
    """The photos below folders and addresses, by root and name; and what was not looked at.

    Args:
        roots: folders, addresses, or photos of any name.
        exclude: patterns of what to leave out, beside the usual; see `look_for_photos`.

    Raises:
        UsageError: a root does not exist.
        SolarError: one cannot be listed.
    """
    patterns = (*exclude, *EXCLUDED)
    photos, notes = list[Listed](), list[str]()
    for number, root in enumerate(roots):
        if is_address(root):
            found, more = _far(number, os.fspath(root), patterns)
        else:
            path = local_path(root)
            seen = look_for_photos([path], patterns)
            below = [os.fspath(each.relative_to(path).as_posix()) for each in seen.photos]
            store = FolderStore(path)
            names = ["" if name == "." else name for name in below]
            found = [Listed(number, name, *(_state(store, name))) for name in names]
            more = seen.notes()
        photos += sorted(found)
        notes += more
    return photos, notes


def _state(store: FolderStore, name: str) -> tuple[int, str]:
    stored = store.stat(name)
    return (-1, "") if stored is None else (stored.size, stored.version)


def _far(number: int, root: str, patterns: Sequence[str]) -> tuple[list[Listed], list[str]]:
    photos, excluded, other = list[Listed](), Counter[str](), Counter[str]()
    nothing = True
    for each in open_store(root).list():
        nothing = False
        pattern = left_out_by(each.name, patterns)
        suffix = PurePosixPath(each.name).suffix.lower()
        if pattern is not None:
            excluded[pattern] += not pattern.startswith(".*")
        elif not each.name or suffix in SUFFIXES:
            photos.append(Listed(number, *each))
        elif not each.name.endswith("/"):
            other[suffix] += 1
    if nothing:
        raise UsageError("no such file or folder, or an empty one", root)
    notes = [f"left out by name: {counted(+excluded)}"] if +excluded else []
    return photos, notes + ([f"passed over by suffix: {counted(other)}"] if other else [])


class StoredPhoto:
    """A photo of a store as a binary file, read when it is looked at.

    Attributes:
        name: what errors call it.
        sha256: hexadecimal, of the bytes that were handed out last; empty before that.
        size: of these; -1 before that.
        trouble: why the store could not be read, though it may hold the photo; None if it could.
    """

    def __init__(self, store: Store, root: str, listed: Listed) -> None:
        """Name a photo.

        Args:
            store: of its root.
            root: what errors call that.
            listed: the photo below it.
        """
        self.name = f"{root.rstrip('/')}/{listed.name}" if listed.name else root
        self.sha256, self.size = "", -1
        self.trouble: SolarError | None = None
        self._store, self._listed = store, listed

    def read(self, size: int = -1) -> bytes:
        """The photo from its beginning, or so many bytes of it.

        Raises:
            OSError: it is gone, another than was listed, or out of reach.
        """
        listed = self._listed
        stop = size if 0 <= size < listed.size else None
        for pause in (*(_PAUSE * 2**n for n in range(_TRIES - 1)), None):
            try:
                data = self._store.read(listed.name, 0, stop)
                break
            except FileNotFoundError:
                raise OSError(2, "is gone since it was listed") from None
            except SolarError as error:
                if pause is None or isinstance(self._store, FolderStore):
                    self.trouble = None if isinstance(self._store, FolderStore) else error
                    raise OSError(5, error.reason) from error
                time.sleep(pause)
        if stop is None and len(data) != listed.size:
            raise OSError(
                5, f"has changed since it was listed: {len(data)} bytes, not {listed.size}"
            )
        self.sha256, self.size = hashlib.sha256(data).hexdigest(), len(data)
        return data


def open_listed(roots: Sequence[AnyPath], photos: Iterable[Listed]) -> Iterator[StoredPhoto]:
    """Listed photos, to be read."""
    stores = [open_store(root) for root in roots]
    for each in photos:
        yield StoredPhoto(stores[each.root], stores[each.root].address, each)
