"""Everything that features depend on, as one value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from solar.errors import SolarError, UsageError
from solar.features.features import KEYPOINT

KEYPOINTS = 500
IMAGE_SIZE = 1024
_DIGEST = re.compile("[0-9a-f]{64}")
_MOST = {"dimensions": 1 << 12, "keypoints": 1 << 20, "image_size": 1 << 16}


@dataclass(frozen=True)
class FeatureExtraction:
    """What made features; those of different extractions are never matched.

    Attributes:
        descriptor: its name, or where it lies. Not compared: the fingerprint is.
        fingerprint: SHA-256, hexadecimal, of the descriptor.
        dimensions: D of the descriptors.
        keypoints: at most so many of a photo, the strongest.
        image_size: limit of the described copy's longest side, in pixels.
        binary: a bit holds each number of the descriptors.
        detector: of the keypoints.
    """

    descriptor: str
    fingerprint: str
    dimensions: int
    keypoints: int = KEYPOINTS
    image_size: int = IMAGE_SIZE
    binary: bool = False
    detector: str = "sift"

    def __post_init__(self) -> None:
        for name, most in _MOST.items():
            if not 1 <= getattr(self, name) <= most:
                raise UsageError(f"{name} {getattr(self, name)}: use 1 to {most}")
        if self.binary and self.dimensions % 8:
            raise UsageError(f"dimensions {self.dimensions}: bits come in eights")
        if not self.descriptor or not _DIGEST.fullmatch(self.fingerprint):
            raise UsageError("a descriptor needs a name, and a SHA-256 in hexadecimal")

    @property
    def row_bytes(self) -> int:
        """Of each keypoint with its descriptor, as `Features.rows` gives them."""
        return KEYPOINT.itemsize + (self.dimensions // 8 if self.binary else self.dimensions)

    def differences(self, other: FeatureExtraction) -> list[str]:
        """What keeps features of this and of another extraction apart, in words.

        Returns:
            Such as `["keypoints 500, not 1000"]`; empty if they may be matched.
        """
        found = []
        if self.fingerprint != other.fingerprint:
            found.append(f"descriptor {self}, not {other}")
        for name in ("dimensions", "keypoints", "image_size", "binary", "detector"):
            ours, theirs = getattr(self, name), getattr(other, name)
            if ours != theirs:
                found.append(f"{name} {ours}, not {theirs}")
        return found

    def require_same(self, other: FeatureExtraction, what: object, way_out: str) -> None:
        """Refuse to mix features.

        Args:
            other: what is offered.
            what: holds features of this extraction, such as a folder; begins the message.
            way_out: ends the message.

        Raises:
            UsageError: they differ; says in what.
        """
        if different := self.differences(other):
            raise UsageError(f"{what} holds features made with {'; '.join(different)}: {way_out}")

    def __str__(self) -> str:
        """The descriptor and the start of its fingerprint."""
        return f"{self.descriptor} ({self.fingerprint[:12]})"

    def to_json(self) -> dict[str, Any]:
        """Plain values, by the names of the attributes."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: object, source: object) -> FeatureExtraction:
        """From plain values that anyone may have written.

        Args:
            document: what `to_json` gave.
            source: the file that holds it, for messages.

        Raises:
            SolarError: it is no such thing; names the source and the entry.
        """
        values = dict(document) if isinstance(document, Mapping) else {}
        for name, kind in _KINDS.items():
            if type(values.get(name)) is not kind:
                raise SolarError(f"{source}: '{name}' of the features is missing or wrong")
        if odd := sorted(map(str, values.keys() - _KINDS.keys())):
            raise SolarError(f"{source}: the features have an unknown entry '{odd[0]:.60}'")
        try:
            return cls(**values)
        except UsageError as error:
            raise SolarError(f"{source}: {error}") from error


_KINDS = {
    "descriptor": str,
    "fingerprint": str,
    "dimensions": int,
    "keypoints": int,
    "image_size": int,
    "binary": bool,
    "detector": str,
}
