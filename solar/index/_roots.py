"""Roots: the folders that photos are kept relative to, and where these are now."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from solar.index._entries import path_to_bytes, path_to_text
from solar.index.catalogue import Root

NAMELESS = b""
"""The root of photos whose names are no paths of this machine."""


@dataclass(frozen=True)
class Roots:
    """All roots of an index, where they lie now.

    Attributes:
        places: absolute path of each, by number; empty for the nameless one.
    """

    places: dict[int, bytes]

    @classmethod
    def found(cls, stored: Sequence[Root], folder: Path) -> Roots:
        """Find roots: where they were, or, if they are gone from there, as seen from the index.

        Args:
            stored: as the catalogue has them.
            folder: of the index, which may have moved together with its photos.
        """
        places = {}
        for number, path, beside in stored:
            places[number] = path
            if beside and not _is_folder(path):
                moved = os.path.normpath(os.path.join(os.fsencode(folder), beside))  # noqa: PTH118
                if _is_folder(moved):
                    places[number] = moved
        return cls(places)

    def stored(self, folder: Path) -> list[Root]:
        """What the catalogue keeps of them."""
        return [(n, path, _beside(path, folder)) for n, path in sorted(self.places.items())]

    def home(self, path: bytes) -> tuple[int, bytes] | None:
        """The deepest root that holds a photo, and the photo's path from there."""
        cut = path.rfind(b"/")
        while cut >= 0:
            number = self._numbers.get(path[:cut] or b"/")
            if number is not None:
                return number, path[cut + 1 :]
            cut = path.rfind(b"/", 0, cut)
        return None

    @cached_property
    def _numbers(self) -> dict[bytes, int]:
        return {place: number for number, place in self.places.items() if place}

    def with_root(self, place: bytes) -> tuple[int, Roots]:
        """Number of a root, new or not, and the roots with it."""
        known = self._numbers.get(place) if place else self._nameless
        if known is not None:
            return known, self
        number = max(self.places, default=0) + 1
        return number, Roots({**self.places, number: place})

    @cached_property
    def _nameless(self) -> int | None:
        return next((number for number, place in self.places.items() if not place), None)

    def whole(self, root: int, path: bytes) -> bytes:
        """The absolute path of a photo."""
        place = self.places.get(root, NAMELESS)
        return path if not place else place.rstrip(b"/") + b"/" + path

    def text(self, root: int, path: bytes) -> str:
        """The absolute path of a photo, as text."""
        return path_to_text(self.whole(root, path))

    def missing(self) -> Iterator[int]:
        """Numbers of roots that are not there, because a drive is away or a folder was moved."""
        for number, place in self.places.items():
            if place and not _is_folder(place):
                yield number


def _is_folder(path: bytes) -> bool:
    return Path(path_to_text(path)).is_dir()


def _beside(path: bytes, folder: Path) -> bytes | None:
    """The way from the index's folder to a root; None where there is none."""
    try:
        return path_to_bytes(Path(os.path.relpath(path_to_text(path), folder))) if path else None
    except ValueError:  # Another drive, on Windows.
        return None
