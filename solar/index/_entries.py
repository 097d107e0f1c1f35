"""What a catalogue keeps: an entry of each photo, and the state of the whole; with checksums."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from solar.errors import IndexDamaged, SolarError
from solar.extraction.extraction import Extraction
from solar.features.extraction import FeatureExtraction
from solar.index.vectors import kind_named
from solar.photos.facts import Facts

Descriptor = NDArray[np.float32]
"""(D,), unit length."""

LENGTH_TOLERANCE = 1e-3
"""How far from 1 the length of a descriptor may be."""

KEPT_TOLERANCE = LENGTH_TOLERANCE + 2**-11
"""How far it may be as a kind of vectors keeps it, which may round numbers to 11 digits."""

_LARGEST = (1 << 63) - 1  # What SQLite keeps of a whole number.
SUM_BYTES = 8


class Entry(NamedTuple):
    """One photo, as the index knows it: with a descriptor, or with the reason why it has none.

    Attributes:
        id: its number, kept for as long as the photo is in the index, and never used again.
        root: number of the folder that `path` starts from.
        path: of the photo's file, relative to its root, with forward slashes, as bytes.
        sha256: of the file; None if it was not read.
        size: of the file in bytes; -1 if it was not read.
        mtime_ns: when its content changed last.
        ctime_ns: when anything about it changed last.
        row: of its descriptor in the vectors.
        descriptor_sum: checksum of that descriptor.
        features_at: where its features start in the features file; None if it has none.
        features_length: of its features in bytes.
        features_sum: checksum of these bytes.
        reason: why it has no descriptor.
        taken: this and what follows is what the file says of itself, see `Facts`.
    """

    id: int
    root: int
    path: bytes
    sha256: bytes | None = None
    size: int = -1
    mtime_ns: int = -1
    ctime_ns: int = -1
    row: int | None = None
    descriptor_sum: bytes | None = None
    features_at: int | None = None
    features_length: int | None = None
    features_sum: bytes | None = None
    reason: str | None = None
    taken: str | None = None
    zone: int | None = None
    latitude: float | None = None
    longitude: float | None = None
    camera: str | None = None
    width: int | None = None
    height: int | None = None

    @property
    def facts(self) -> Facts:
        """What the file says of itself."""
        where = self.latitude, self.longitude
        return Facts(self.taken, self.zone, *where, self.camera, self.width, self.height)

    def with_facts(self, facts: Facts) -> Entry:
        """This photo, of whose file something else is known."""
        return self._replace(**facts._asdict())

    def failed(self, reason: str) -> Entry:
        """This photo, which has no descriptor for some reason."""
        return self._replace(reason=reason.encode("utf-8", "backslashreplace").decode())

    @property
    def stamp(self) -> tuple[int, int, int]:
        """Size and times of the file: while these are the same, so is the file."""
        return self.size, self.mtime_ns, self.ctime_ns

    def with_features_of(self, other: Entry | None) -> Entry:
        """This photo with another's features, which have the same bytes; of None, with none."""
        at, length, known = (None,) * 3 if other is None else other[9:12]
        return self._replace(features_at=at, features_length=length, features_sum=known)

    def checksum(self, born: int) -> bytes:
        """Of everything above and of the generation that the entry came with."""
        return checksum(repr((*self, born)).encode())


COLUMNS = ", ".join(Entry._fields)


def checksum(data: bytes) -> bytes:
    """Eight bytes that change with any other."""
    return hashlib.blake2b(data, digest_size=SUM_BYTES).digest()


def descriptor_sum(descriptor: Descriptor) -> bytes:
    """The checksum of a descriptor as it lies on disk."""
    return checksum(descriptor.astype("<f4", copy=False).tobytes())


def stamp_of(found: os.stat_result) -> tuple[int, int, int]:
    """Size and times of a file, within what can be kept."""
    return found.st_size, _kept(found.st_mtime_ns), _kept(found.st_ctime_ns)


def _kept(value: int) -> int:
    return min(max(value, -_LARGEST), _LARGEST)


def is_gone(path: Path) -> bool:
    """Whether a file is no longer there; one that is out of reach for now is not gone."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def path_to_bytes(path: Path) -> bytes:
    """A path as the index stores it: with forward slashes, in the file system's own bytes."""
    return os.fsencode(path.as_posix())


def path_to_text(path: bytes) -> str:
    """A stored path as text; bytes that are no UTF-8 become surrogates, as everywhere in Python."""
    return os.fsdecode(path)


FORMAT = 1
LARGEST_DOCUMENT = 1 << 17
_MOST = 1 << 48  # Of bytes, rows or ids: products with a row's size stay below 2^63.
_DIGESTS = 1 << 64
_COUNTS = (
    *("generation", "files", "versions", "next_id"),
    *("rows", "features_bytes", "photos", "failed", "probes", "candidates"),
)


@dataclass(frozen=True)
class Commit:
    """The state of an index after a commit.

    Attributes:
        extraction: of all descriptors.
        features: of all features; None if none are kept.
        kind: of vectors.
        generation: raised by every commit.
        files: number in the names of the data files.
        versions: of photos that the catalogue holds, dead ones too.
        next_id: that no photo ever had.
        rows: of descriptors that count.
        features_bytes: that count.
        photos: with a descriptor.
        failed: photos without one.
        probes: lists that a search of an approximate kind looks at; 0 for what the kind says.
        candidates: rows that it ranks, at least.
        digest: the sum of the checksums of all entries, so that none can come, go or change alone.
        roots: checksum of the table of roots.
        unfinished: the first paths of which adding was begun and has not ended.
    """

    extraction: Extraction
    features: FeatureExtraction | None = None
    kind: str = "exact"
    generation: int = 1
    files: int = 1
    versions: int = 0
    next_id: int = 0
    rows: int = 0
    features_bytes: int = 0
    photos: int = 0
    failed: int = 0
    probes: int = 0
    candidates: int = 0
    digest: int = 0
    roots: str = ""
    unfinished: tuple[str, ...] = ()

    def to_text(self) -> str:
        """JSON that ends with a checksum of all that comes before."""
        content = {"format": FORMAT, **asdict(self), "extraction": self.extraction.to_json()}
        content["features"] = None if self.features is None else self.features.to_json()
        return json.dumps({**content, "checksum": _sum(content)})

    @classmethod
    def from_text(cls, text: str, file: Path) -> Commit:
        """What `to_text` gave, or what anyone has put instead of it.

        Raises:
            IndexDamaged: it cannot be used.
        """
        try:
            content = json.loads(text)
            given = content.pop("checksum")
            if content.pop("format") != FORMAT:
                raise IndexDamaged("was written by another version of Solar: make it anew", file)
            values: dict[str, Any] = {name: _count(content, name, file) for name in _COUNTS}
            values["digest"] = _count(content, "digest", file, _DIGESTS)
            features = content["features"]
            made = FeatureExtraction.from_json(features, file) if features is not None else None
            extraction = Extraction.from_json(content["extraction"], file)
            values["unfinished"] = tuple(map(str, content["unfinished"]))
            kind_named(str(content["kind"]))
            commit = cls(extraction, made, str(content["kind"]), roots=content["roots"], **values)
        except IndexDamaged:
            raise
        except SolarError as error:
            reason = error.reason.removeprefix(f"{file}: ")
            raise IndexDamaged(f"{reason}: {_RESTORE}", file) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise IndexDamaged(f"its settings cannot be read: {_RESTORE}", file) from error
        if commit.to_text() != text or given != _sum({"format": FORMAT, **content}):
            raise IndexDamaged(f"its settings do not match their checksum: {_RESTORE}", file)
        return commit


_RESTORE = "it was damaged or edited; restore it from a copy, or make the index anew"


def digest_of(sums: Iterable[bytes]) -> int:
    """The sum of some checksums, in any order."""
    return sum(int.from_bytes(each, "big") for each in sums) % _DIGESTS


def _sum(content: dict[str, Any]) -> str:
    return checksum(json.dumps(content).encode()).hex()


def _count(content: dict[str, Any], name: str, file: Path, most: int = _MOST) -> int:
    value = content[name]
    if type(value) is not int or not 0 <= value < most:
        raise IndexDamaged(f"'{name}' must be a whole number from 0 to {most}: {_RESTORE}", file)
    return value
