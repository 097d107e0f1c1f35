"""The manifest: the one small file that says what an index folder holds at its last commit."""

from __future__ import annotations

import hashlib
import json
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from solar.errors import IndexFolderError
from solar.files import write_atomically

MANIFEST_NAME = "manifest.json"
FORMAT = "solar-index"
VERSION = 1
_LARGEST_FILE = 1 << 20  # A manifest has about 700 bytes.
_LARGEST_COUNT = 1 << 48  # Of bytes, rows or ids; products with a row's size stay below 2^63.
_PATIENCE_SECONDS = 0.5

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """How all descriptors of an index are made; those made otherwise are refused.

    Attributes:
        model: bundled name or absolute path that `solar.load` takes.
        fingerprint: SHA-256 of the model's weights and architecture, hexadecimal.
        dimensions: D of its descriptors.
        image_size: limit of a photo's longest side, in pixels.
        scales: at which descriptors are averaged.
    """

    model: str
    fingerprint: str
    dimensions: int
    image_size: int
    scales: tuple[float, ...]


@dataclass(frozen=True)
class Manifest:
    """The state of an index folder at one commit.

    The data files only grow, so a commit is these lengths: what lies beyond them is unfinished.

    Attributes:
        settings: how the descriptors are made.
        generation: number in the data files' names; `compact` starts the next one.
        records: committed length of the records file, in records.
        rows: committed length of the descriptors file, in descriptors.
        text_bytes: committed length of the file of paths and reasons.
        next_id: the id that the next new photo gets.
    """

    settings: Settings
    generation: int = 1
    records: int = 0
    rows: int = 0
    text_bytes: int = 0
    next_id: int = 0

    def to_bytes(self) -> bytes:
        """The manifest file: JSON that ends with a checksum of all that comes before."""
        content: dict[str, object] = {
            "format": FORMAT,
            "version": VERSION,
            "model": {
                "name": self.settings.model,
                "fingerprint": self.settings.fingerprint,
                "dimensions": self.settings.dimensions,
            },
            "extraction": {
                "image_size": self.settings.image_size,
                "scales": list(self.settings.scales),
            },
            "files": {
                "generation": self.generation,
                "records": self.records,
                "rows": self.rows,
                "text_bytes": self.text_bytes,
            },
            "next_id": self.next_id,
        }
        checksum = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        return (json.dumps({**content, "sha256": checksum}, indent=1) + "\n").encode()

    @classmethod
    def from_bytes(cls, raw: bytes, file: Path) -> Manifest:
        """Parse and check a manifest that anyone may have written.

        Args:
            raw: its bytes.
            file: where they come from, for messages.

        Raises:
            IndexFolderError: it is not one, is damaged, or was written by a newer Solar.
        """
        fields = _Fields(_parse(raw, file), file)
        if fields.text("format") != FORMAT:
            raise IndexFolderError(f"{file} is not the manifest of a Solar index")
        if (version := fields.integer("version", 1)) > VERSION:
            raise IndexFolderError(
                f"{file} has format version {version} and this Solar reads up to {VERSION}: "
                "upgrade Solar"
            )
        model, extraction, files = map(fields.inner, ("model", "extraction", "files"))
        manifest = cls(
            settings=Settings(
                model=model.text("name"),
                fingerprint=model.fingerprint("fingerprint"),
                dimensions=model.integer("dimensions", 1, 1 << 16),
                image_size=extraction.integer("image_size", 1, 1 << 20),
                scales=extraction.scales("scales"),
            ),
            generation=files.integer("generation", 1),
            records=files.integer("records"),
            rows=files.integer("rows"),
            text_bytes=files.integer("text_bytes"),
            next_id=fields.integer("next_id"),
        )
        # Not only the checksum: written again, it must come out byte for byte the same.
        if manifest.to_bytes() != raw:
            raise IndexFolderError(
                f"{file} does not match its checksum: it was damaged or edited; "
                "restore it from a copy, or make the index anew"
            )
        return manifest

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest of the last commit.

        Raises:
            IndexFolderError: there is none, or it cannot be used.
        """
        file = folder / MANIFEST_NAME
        if file.exists() and not file.is_file():
            raise IndexFolderError(f"{file} is not a regular file")

        def read() -> bytes:
            with file.open("rb") as opened:
                return opened.read(_LARGEST_FILE)

        try:
            raw = patiently(read)
        except FileNotFoundError as error:
            raise IndexFolderError(
                f"there is no index in {folder}: make one with Index.create or `solar index`"
            ) from error
        except OSError as error:
            raise IndexFolderError(f"cannot read {file}: {error}") from error
        return cls.from_bytes(raw, file)

    def write(self, folder: Path) -> None:
        """Commit: put this manifest in the place of the last one, at once and on disk.

        Raises:
            OSError: it could not be written; the last one is untouched.
        """

        def write() -> None:
            with write_atomically(folder / MANIFEST_NAME) as file:
                file.write(self.to_bytes())

        patiently(write)


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


def _parse(raw: bytes, file: Path) -> object:
    try:
        return json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise IndexFolderError(
            f"{file} is not JSON: it was damaged; restore it from a copy, or make the index anew"
        ) from error


class _Fields:
    """Fields of a JSON object, each with the type and range that it must have."""

    def __init__(self, content: object, file: Path, name: str = "its content") -> None:
        if not isinstance(content, Mapping):
            raise IndexFolderError(f"{file}: {name} must be a JSON object")
        self._content = content
        self._file = file

    def _refuse(self, key: str, wanted: str) -> IndexFolderError:
        return IndexFolderError(f"{self._file}: '{key}' must be {wanted}")

    def inner(self, key: str) -> _Fields:
        return _Fields(self._content.get(key), self._file, f"'{key}'")

    def text(self, key: str) -> str:
        value = self._content.get(key)
        if not isinstance(value, str) or not value or "\0" in value:
            raise self._refuse(key, "a text")
        return value

    def fingerprint(self, key: str) -> str:
        value = self.text(key)
        if not re.fullmatch("[0-9a-f]{64}", value):
            raise self._refuse(key, "a SHA-256 in hexadecimal")
        return value

    def integer(self, key: str, least: int = 0, most: int = _LARGEST_COUNT) -> int:
        value = self._content.get(key)
        if type(value) is not int or not least <= value <= most:
            raise self._refuse(key, f"a whole number from {least} to {most}")
        return value

    def scales(self, key: str) -> tuple[float, ...]:
        values = self._content.get(key)
        if not isinstance(values, list) or not 1 <= len(values) <= 100:
            raise self._refuse(key, "a list of 1 to 100 numbers")
        for value in values:
            if type(value) is not float or not math.isfinite(value) or not 0 < value <= 100:
                raise self._refuse(key, "a list of numbers above 0, up to 100")
        return tuple(values)
