"""Folders that several machines see: on a disk or a share, or below an address such as s3://.

Objects are written whole or not at all, and never half seen: that is what all here relies on, and
what every object store promises of one upload, as a file system does of a rename.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from solar.errors import SolarError
from solar.files.atomic import write_atomically
from solar.files.text import printable
from solar.typing import AnyPath


class Stored(NamedTuple):
    """An object of a store.

    Attributes:
        name: below the store's address, with forward slashes; empty for the address itself.
        size: in bytes.
        version: which changes with the content, by the store's word: an entity tag, or a time.
    """

    name: str
    size: int
    version: str


class Store(Protocol):
    """Named objects below an address; used by many threads at once.

    All methods raise `SolarError` where the store cannot be reached or refuses.
    """

    address: str

    def list(self) -> Iterator[Stored]:
        """All objects, in any order; the address itself, if it is an object and no folder."""
        ...

    def stat(self, name: str) -> Stored | None:
        """An object; None if it is not there."""
        ...

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        """An object, or its bytes from one on to before another.

        Raises:
            FileNotFoundError: it is not there.
        """
        ...

    def part(self, stored: Stored, start: int, stop: int) -> bytes:
        """Exactly these bytes of an object as it was when it was looked at.

        Raises:
            SolarError: it is gone or another now, as far as the store tells.
        """
        ...

    def write(self, name: str, data: bytes) -> None:
        """Put an object, in the place of one that is there."""
        ...

    def create(self, name: str, data: bytes) -> bool:
        """Put an object where none is; whether it was put.

        Stores that cannot tell write over an object that appears at the same moment.
        """
        ...

    def remove(self, name: str) -> None:
        """Take an object away; nothing happens if it is not there."""
        ...


def is_address(place: AnyPath) -> bool:
    """Whether a place is not on a disk: s3://bucket/folder."""
    return isinstance(place, str) and "://" in place and not place.startswith("file://")


def _of_address(path: str, *, windows: bool) -> str:
    """The path that one of a file:// address stands for: /C:/folder is C:/folder on Windows."""
    return path[1:] if windows and re.match("/[A-Za-z]:", path) else path


def local_path(place: AnyPath) -> Path:
    """The path of what is on a disk; file:///folder is /folder, file:///C:/folder C:/folder."""
    if isinstance(place, str) and place.startswith("file://"):
        return Path(_of_address(unquote(urlsplit(place).path), windows=os.name == "nt"))
    return Path(place)


def open_store(place: AnyPath) -> Store:
    """A folder, or what lies below an address.

    Raises:
        MissingPackage: what speaks to such addresses is not installed.
        UsageError: nothing does, or the address cannot be.
    """
    if is_address(place) and os.fspath(place).startswith(("http://", "https://")):
        from solar.files.http import HttpStore

        return HttpStore(os.fspath(place).rstrip("/"))
    if is_address(place):
        from solar.files.cloud import CloudStore

        return CloudStore(os.fspath(place).rstrip("/"))
    return FolderStore(local_path(place))


class FolderStore:
    """A folder, perhaps on a share; see `Store`. It is made when something is put into it."""

    def __init__(self, folder: Path) -> None:
        """Use a folder."""
        self.folder, self.address = folder, str(folder)

    def list(self) -> Iterator[Stored]:
        """See `Store.list`; of the folder itself, not of folders in it."""
        with self._named(), suppress(FileNotFoundError), os.scandir(self.folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # Taken away meanwhile.
                    if entry.is_file():
                        yield _stored(entry.name, entry.stat())

    def stat(self, name: str) -> Stored | None:
        """See `Store.stat`."""
        with self._named():
            try:
                return _stored(name, (self.folder / name).stat())
            except FileNotFoundError:
                return None

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        """See `Store.read`."""
        with self._named(), (self.folder / name).open("rb") as file:
            file.seek(start)
            return file.read() if stop is None else file.read(stop - start)

    def part(self, stored: Stored, start: int, stop: int) -> bytes:
        """See `Store.part`."""
        return exactly(self, stored, start, stop)

    def write(self, name: str, data: bytes) -> None:
        """See `Store.write`."""
        with self._named():
            self.folder.mkdir(parents=True, exist_ok=True)
            with write_atomically(self.folder / name) as file:
                file.write(data)

    def create(self, name: str, data: bytes) -> bool:
        """See `Store.create`: a hard link appears whole, and only where nothing is."""
        path = self.folder / name
        if path.exists():
            return False
        partial = f".{name[:40]}.{uuid4().hex[:8]}.partial"
        with self._named():
            self.write(partial, data)
            try:
                path.hardlink_to(self.folder / partial)
            except FileExistsError:
                return False
            except OSError:  # A file system without links.
                if path.exists():
                    return False
                (self.folder / partial).replace(path)
            finally:
                (self.folder / partial).unlink(missing_ok=True)
        return True

    def remove(self, name: str) -> None:
        """See `Store.remove`."""
        with self._named():
            (self.folder / name).unlink(missing_ok=True)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            name = printable(error.filename or self.address)
            raise SolarError(f"{name}: {error.strerror or error}") from error


def _stored(name: str, found: os.stat_result) -> Stored:
    return Stored(name, found.st_size, str(found.st_mtime_ns))


def exactly(store: Store, stored: Stored, start: int, stop: int) -> bytes:
    """See `Store.part`: the object is looked at before."""
    found = store.stat(stored.name)
    try:
        data = store.read(stored.name, start, stop) if found == stored else b""
    except FileNotFoundError:
        data = b""
    if len(data) != stop - start:
        name = printable(f"{store.address}/{stored.name}")
        raise SolarError(f"{name}: has changed since it was opened: open it again")
    return data
