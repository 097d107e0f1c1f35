"""Everything that descriptors depend on, as one value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from solar.errors import SolarError, UsageError
from solar.photos import require_sizes

MOST_DIMENSIONS = 1 << 16
_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Extraction:
    """What made descriptors; those of different extractions never meet in one ranking.

    Attributes:
        model: a named model, or where it lies. Not compared: the fingerprint is.
        fingerprint: SHA-256, hexadecimal, of the network's architecture and weights.
        dimensions: D of the descriptors.
        image_size: limit of a photo's longest side, in pixels.
        scales: at which descriptors are averaged.
        precision: a class within which descriptors agree to a cosine of 0.9999: `full` is float32,
            bfloat16 and float16.
        decoding: how files become pixels: `upright` turns photos by their EXIF orientation.
        whitening: SHA-256 of a whitening applied after the network; None for none.
    """

    model: str
    fingerprint: str
    dimensions: int
    image_size: int
    scales: tuple[float, ...]
    precision: str = "full"
    decoding: str = "upright"
    whitening: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "scales", tuple(map(float, self.scales)))
        require_sizes(self.image_size, self.scales)
        if not 1 <= self.dimensions <= MOST_DIMENSIONS:
            raise UsageError(f"{self.dimensions} dimensions: use 1 to {MOST_DIMENSIONS}")
        if not self.model or "\0" in self.model:
            raise UsageError("a model needs a name")
        if not _DIGEST.fullmatch(self.fingerprint):
            raise UsageError("a fingerprint is a SHA-256 in hexadecimal")

    def differences(self, other: Extraction) -> list[str]:
        """What keeps descriptors of this and of another extraction apart, in words.

        Returns:
            Such as `["image_size 1024, not 512"]`; empty if they may be mixed.
        """
        found = []
        if self.fingerprint != other.fingerprint:
            ours, theirs = self.fingerprint[:12], other.fingerprint[:12]
            found.append(f"model {self.model} ({ours}), not {other.model} ({theirs})")
        for name in ("dimensions", "image_size", "scales", "precision", "decoding", "whitening"):
            ours, theirs = getattr(self, name), getattr(other, name)
            if ours != theirs:
                found.append(f"{name} {_short(ours)}, not {_short(theirs)}")
        return found

    def require_same(self, other: Extraction, what: object, way_out: str) -> None:
        """Refuse to mix descriptors.

        Args:
            other: what is offered.
            what: holds descriptors of this extraction, such as a folder; begins the message.
            way_out: ends the message.

        Raises:
            UsageError: they differ; says in what.
        """
        if different := self.differences(other):
            raise UsageError(f"{what} was made with {'; '.join(different)}: {way_out}")

    def to_json(self) -> dict[str, Any]:
        """Plain values, by the names of the attributes."""
        return {**asdict(self), "scales": list(self.scales)}

    @classmethod
    def from_json(cls, document: object, source: object) -> Extraction:
        """From plain values that anyone may have written.

        Args:
            document: what `to_json` gave.
            source: the file that holds it, for messages.

        Raises:
            SolarError: it is no such thing; names the source and the entry.
        """
        if not isinstance(document, Mapping):
            raise SolarError(f"{source}: the extraction must be a JSON object")
        values = dict(document)
        for name, kinds in _TYPES.items():
            if name not in values or type(values[name]) not in kinds:
                raise SolarError(f"{source}: the extraction's '{name}' is missing or wrong")
        if values.keys() != _TYPES.keys():
            odd = sorted(values.keys() ^ _TYPES.keys())[0]
            raise SolarError(f"{source}: the extraction has an unknown entry '{odd:.60}'")
        scales = values["scales"]
        if not all(type(scale) in (int, float) for scale in scales):
            raise SolarError(f"{source}: the extraction's 'scales' must be numbers")
        try:
            return cls(**{**values, "scales": tuple(scales)})
        except (UsageError, OverflowError) as error:
            raise SolarError(f"{source}: {error}") from error


_TYPES: dict[str, tuple[type, ...]] = {
    field.name: {"int": (int,), "str": (str,), "str | None": (str, type(None))}.get(
        str(field.type), (list,)
    )
    for field in fields(Extraction)
}


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:12]}…"
