"""A describer without a network: a photo's descriptor follows from its bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from solar.errors import PhotoError
from solar.index.manifest import Settings
from solar.index.records import Descriptor

if TYPE_CHECKING:
    from solar.photos import Box

NOT_A_PHOTO = b"not a photo"
SETTINGS = Settings("bytes", hashlib.sha256(b"bytes").hexdigest(), 16, 64, (1.0, 0.5))


def describe_bytes(content: bytes, dimensions: int = SETTINGS.dimensions) -> Descriptor:
    """The descriptor of a photo with this content: far from that of any other."""
    seed = int.from_bytes(hashlib.sha256(content).digest(), "big")
    descriptor = np.random.default_rng(seed).standard_normal(dimensions).astype(np.float32)
    unit: Descriptor = descriptor / np.linalg.norm(descriptor)
    return unit


class BytesDescriber:
    """Counts what it is asked for, and answers in an order that is not that of the question."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.settings = settings
        self.described: list[Path] = []

    def describe(self, paths: Sequence[Path]) -> Iterator[tuple[int, Descriptor | str]]:
        for position in sorted(range(len(paths)), key=lambda p: (p % 3, p)):
            self.described.append(paths[position])
            content = paths[position].read_bytes()
            if content.startswith(NOT_A_PHOTO):
                yield position, f"{paths[position]}: not a photo"
            else:
                yield position, describe_bytes(content, self.settings.dimensions)

    def describe_query(self, path: Path, box: Box | None) -> Descriptor:
        content = path.read_bytes()
        if content.startswith(NOT_A_PHOTO):
            raise PhotoError(f"{path}: not a photo")
        return describe_bytes(content if box is None else content + repr(box).encode())
