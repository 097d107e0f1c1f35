"""Small JSON files that end with a checksum: written at once, read with suspicion."""

from __future__ import annotations

import hashlib
import json
import math
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from solar.errors import IndexFolderError
from solar.files.atomic import write_atomically

_LARGEST_FILE = 1 << 20  # They have about 700 bytes.
_LARGEST_COUNT = 1 << 48  # Of bytes, rows or ids; products with a row's size stay below 2^63.
_PATIENCE_SECONDS = 0.5

T = TypeVar("T")


def sign(content: Mapping[str, object]) -> bytes:
    """The file of some content: JSON that ends with a checksum of all that comes before."""
    checksum = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    return (json.dumps({**content, "sha256": checksum}, indent=1) + "\n").encode()


def read_file(file: Path) -> bytes:
    """The bytes of such a file.

    Raises:
        FileNotFoundError: there is none.
        IndexFolderError: it cannot be read.
    """
    if file.exists() and not file.is_file():
        raise IndexFolderError(f"{file} is not a regular file")

    def read() -> bytes:
        with file.open("rb") as opened:
            return opened.read(_LARGEST_FILE)

    try:
        return patiently(read)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise IndexFolderError(f"cannot read {file}: {error}") from error


def write_file(file: Path, raw: bytes) -> None:
    """Put such a file in the place of the last one, at once and on disk.

    Raises:
        OSError: it could not be written; the last one is untouched.
    """

    def write() -> None:
        with write_atomically(file) as opened:
            opened.write(raw)

    patiently(write)


def parse(raw: bytes, file: Path, kind: str, version: int, what: str) -> Fields:
    """The fields of such a file, which anyone may have written.

    Args:
        raw: its bytes.
        file: where they come from, for messages.
        kind: that its `format` must name.
        version: the highest that can be read.
        what: such a file is, for messages.

    Raises:
        IndexFolderError: it is not one, or was written by a newer Solar.
    """
    try:
        content: object = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise IndexFolderError(
            f"{file} is not JSON: it was damaged; restore it from a copy, or make the index anew"
        ) from error
    fields = Fields(content, file)
    if fields.text("format") != kind:
        raise IndexFolderError(f"{file} is not {what}")
    if (found := fields.integer("version", 1)) > version:
        raise IndexFolderError(
            f"{file} has format version {found} and this Solar reads up to {version}: upgrade Solar"
        )
    return fields


def refuse_damaged(again: bytes, raw: bytes, file: Path) -> None:
    """Not only the checksum: written again, a file must come out byte for byte the same.

    Raises:
        IndexFolderError: it does not.
    """
    if again != raw:
        raise IndexFolderError(
            f"{file} does not match its checksum: it was damaged or edited; "
            "restore it from a copy, or make the index anew"
        )


def patiently(action: Callable[[], T]) -> T:
    """Do what Windows refuses for the moment in which another process has the file open.

    Raises:
        PermissionError: it was still refused after half a second.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return action()
        except PermissionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


class Fields:
    """Fields of a JSON object, each with the type and range that it must have."""

    def __init__(self, content: object, file: Path, name: str = "its content") -> None:
        if not isinstance(content, Mapping):
            raise IndexFolderError(f"{file}: {name} must be a JSON object")
        self._content = content
        self._file = file

    def _refuse(self, key: str, wanted: str) -> IndexFolderError:
        return IndexFolderError(f"{self._file}: '{key}' must be {wanted}")

    def inner(self, key: str) -> Fields:
        """An object inside."""
        return Fields(self._content.get(key), self._file, f"'{key}'")

    def text(self, key: str) -> str:
        """A text of one character or more."""
        value = self._content.get(key)
        if not isinstance(value, str) or not value or "\0" in value:
            raise self._refuse(key, "a text")
        return value

    def fingerprint(self, key: str) -> str:
        """A SHA-256 in hexadecimal."""
        value = self.text(key)
        if not re.fullmatch("[0-9a-f]{64}", value):
            raise self._refuse(key, "a SHA-256 in hexadecimal")
        return value

    def integer(self, key: str, least: int = 0, most: int = _LARGEST_COUNT) -> int:
        """A whole number in a range."""
        value = self._content.get(key)
        if type(value) is not int or not least <= value <= most:
            raise self._refuse(key, f"a whole number from {least} to {most}")
        return value

    def scales(self, key: str) -> tuple[float, ...]:
        """A list of positive numbers."""
        values = self._content.get(key)
        if not isinstance(values, list) or not 1 <= len(values) <= 100:
            raise self._refuse(key, "a list of 1 to 100 numbers")
        for value in values:
            if type(value) is not float or not math.isfinite(value) or not 0 < value <= 100:
                raise self._refuse(key, "a list of numbers above 0, up to 100")
        return tuple(values)
