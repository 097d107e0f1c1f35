"""What a commit says of the whole index: how it was made, how much of each file counts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from solar.errors import IndexDamaged, SolarError
from solar.extraction.extraction import Extraction
from solar.features.extraction import FeatureExtraction
from solar.index._entries import checksum

FORMAT = 1
LARGEST_DOCUMENT = 1 << 17
_MOST = 1 << 48  # Of bytes, rows or ids: products with a row's size stay below 2^63.
_DIGESTS = 1 << 64
_COUNTS = (
    *("generation", "files", "versions", "next_id"),
    *("rows", "features_bytes", "photos", "failed"),
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
        digest: the sum of the checksums of all entries, so that none can come, go or change alone.
        roots: checksum of the table of roots.
        unfinished: the first places of which adding was begun and has not ended.
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
        """What `to_text` gave, or what anyone has put in its place.

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
            commit = cls(extraction, made, str(content["kind"]), roots=content["roots"], **values)
        except IndexDamaged:
            raise
        except SolarError as error:
            raise IndexDamaged(f"{error.reason}: {_RESTORE}", file) from error
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
