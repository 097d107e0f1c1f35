"""What descriptors or features depend on: compared, refused where mixed, kept as JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from solar.errors import SolarError, UsageError

if TYPE_CHECKING:
    from typing_extensions import Self

_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Settings:
    """Plain values: first a name, or where it lies, which is not compared, then a fingerprint.

    What was made with equal settings may be mixed.
    """

    def __post_init__(self) -> None:
        named, fingerprint = [getattr(self, field.name) for field in fields(self)][:2]
        if not named or "\0" in named:
            raise UsageError(f"a {fields(self)[0].name} needs a name")
        if not _DIGEST.fullmatch(fingerprint):
            raise UsageError("a fingerprint is a SHA-256 in hexadecimal")

    def __str__(self) -> str:
        """The name and the start of the fingerprint."""
        named, fingerprint = [getattr(self, field.name) for field in fields(self)][:2]
        return f"{named} ({fingerprint[:12]})"

    def differences(self, other: Self) -> list[str]:
        """What keeps things made with these and with other settings apart, in words.

        Returns:
            Such as `["image_size 1024, not 512"]`; empty if they may be mixed.
        """
        found = []
        name, *compared = (field.name for field in fields(self))
        for field in compared:
            ours, theirs = getattr(self, field), getattr(other, field)
            if ours != theirs and field == "fingerprint":
                found.append(f"{name} {self}, not {other}")
            elif ours != theirs:
                found.append(f"{field} {_short(ours)}, not {_short(theirs)}")
        return found

    def require_same(self, other: Self, what: object, way_out: str) -> None:
        """Refuse to mix.

        Args:
            other: what is offered.
            what: was made with these settings, such as a folder; begins the message.
            way_out: ends the message.

        Raises:
            UsageError: they differ; says in what.
        """
        if different := self.differences(other):
            raise UsageError(f"{what} was made with {'; '.join(different)}: {way_out}")

    def to_json(self) -> dict[str, Any]:
        """Plain values, by the names of the attributes."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, document: object, source: object) -> Self:
        """From plain values that anyone may have written.

        Args:
            document: what `to_json` gave.
            source: the file that holds it, for messages.

        Raises:
            SolarError: it is no such thing; names the source and the entry.
        """
        values = dict(document) if isinstance(document, Mapping) else {}
        kinds = {field.name: get_type_hints(cls)[field.name] for field in fields(cls)}
        for name, kind in kinds.items():
            if name not in values or not _fits(values[name], kind):
                raise SolarError(f"{source}: '{name}' of the extraction is missing or wrong")
        if odd := sorted(map(str, values.keys() - kinds.keys())):
            raise SolarError(f"{source}: the extraction has an unknown entry '{odd[0]:.60}'")
        try:
            return cls(**{n: tuple(v) if isinstance(v, list) else v for n, v in values.items()})
        except (UsageError, OverflowError) as error:
            raise SolarError(f"{source}: {error}") from error


def _fits(value: object, kind: Any) -> bool:
    """Whether a JSON value is of a field's type: a plain one, one or None, or a tuple of floats."""
    if isinstance(value, list):
        return kind == tuple[float, ...] and all(type(entry) in (int, float) for entry in value)
    return type(value) in (get_args(kind) or (kind,))


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:12]}…"
