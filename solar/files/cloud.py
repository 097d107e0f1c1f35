"""A store at an address that fsspec reaches: s3://, gs:// and others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from solar.errors import MissingPackage, SolarError, UsageError, how_to_install
from solar.files.stores import Stored, exactly
from solar.files.text import cut, printable


class CloudStore:
    """What fsspec reaches; see `Store`."""

    def __init__(self, address: str) -> None:
        """Take an address.

        Raises:
            MissingPackage: see `open_store`.
            UsageError: see `open_store`.
        """
        self.address = address
        scheme = address.partition("://")[0]
        try:
            from fsspec.core import url_to_fs

            # What others put must be seen: fsspec remembers lists otherwise.
            self._fs, self._root = url_to_fs(address, use_listings_cache=False)
        except ImportError as error:
            what = f"{scheme}:// needs another package: {how_to_install('cloud')}"
            raise MissingPackage(what) from error
        except ValueError as error:
            raise UsageError(f"{printable(address)}: {cut(error, 120)}") from error
        self._root = self._root.rstrip("/")

    def list(self) -> Iterator[Stored]:
        """See `Store.list`; of all folders below, too."""
        with self._named():
            self._fs.invalidate_cache()
            try:
                found = self._fs.find(self._root, detail=True)
            except FileNotFoundError:
                return
        for path, about in found.items():
            yield _described(path[len(self._root) :].strip("/"), about)

    def stat(self, name: str) -> Stored | None:
        """See `Store.stat`."""
        with self._named():
            self._fs.invalidate_cache()
            try:
                about = self._fs.info(self._path(name))
            except FileNotFoundError:
                return None
        return None if about.get("type") == "directory" else _described(name, about)

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        """See `Store.read`."""
        with self._named():
            found: bytes = self._fs.cat_file(self._path(name), start=start or None, end=stop)
        return found

    def part(self, stored: Stored, start: int, stop: int) -> bytes:
        """See `Store.part`."""
        return exactly(self, stored, start, stop)

    def write(self, name: str, data: bytes) -> None:
        """See `Store.write`."""
        with self._named():
            self._fs.pipe_file(self._path(name), data)

    def create(self, name: str, data: bytes) -> bool:
        """See `Store.create`: S3, Google's and Azure's stores refuse to write over another."""
        if self.stat(name) is not None:
            return False
        with self._named():
            try:
                self._fs.pipe_file(self._path(name), data, mode="create")
            except FileExistsError:
                return False
            except (NotImplementedError, TypeError):  # One that cannot tell.
                self._fs.pipe_file(self._path(name), data)
        return True

    def remove(self, name: str) -> None:
        """See `Store.remove`."""
        with self._named(), suppress(FileNotFoundError):
            self._fs.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Say of which store an error is: each has errors of its own."""
        try:
            yield
        except (FileNotFoundError, FileExistsError, NotImplementedError, SolarError):
            raise
        except Exception as error:
            reason = cut(error, 200) or type(error).__name__
            raise SolarError(f"{printable(self.address)}: {reason}") from error


def _described(name: str, about: dict[str, Any]) -> Stored:
    """What a store says of an object, each by other words."""
    words = ("ETag", "etag", "content_md5", "LastModified", "mtime", "updated", "created")
    version = next((str(about[word]) for word in words if about.get(word)), "")
    return Stored(name, int(about.get("size") or 0), version)
