"""An extractor without a network: a photo's descriptor follows from its bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from solar.errors import PhotoError
from solar.extraction import Described, Extraction, Failed
from solar.photos import Box, DecodedPhoto, Photo, name_of
from solar.typing import Descriptor

NOT_A_PHOTO = b"not a photo"
EXTRACTION = Extraction("bytes", hashlib.sha256(b"bytes").hexdigest(), 16, 64, (1.0, 0.5))


def describe_bytes(content: bytes, dimensions: int = EXTRACTION.dimensions) -> Descriptor:
    """The descriptor of a photo with this content: far from that of any other."""
    seed = int.from_bytes(hashlib.sha256(content).digest(), "big")
    descriptor = np.random.default_rng(seed).standard_normal(dimensions).astype(np.float32)
    unit: Descriptor = descriptor / np.linalg.norm(descriptor)
    return unit


def five_photos(folder: Path) -> Path:
    """Write what the extractor takes for photos, in two folders."""
    (folder / "more").mkdir(parents=True)
    for name in ("a.jpg", "b.jpg", "c.jpg", "more/d.jpg", "more/e.jpg"):
        (folder / name).write_text(f"photo {name}")
    return folder


def content_of(photo: Any) -> bytes:
    """What a photo consists of, whatever it comes as."""
    if isinstance(photo, DecodedPhoto):
        return Path(photo.name).read_bytes()  # As if it had not been decoded.
    if isinstance(photo, bytes):
        return photo
    content = photo.read() if hasattr(photo, "read") else Path(photo).read_bytes()
    assert isinstance(content, bytes)
    return content


@dataclass
class BytesExtractor:
    """Counts what it is asked for, and answers in an order that is not that of the question."""

    extraction: Extraction = EXTRACTION
    described: list[Path] = field(default_factory=list)

    def describe(
        self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
    ) -> Iterator[Described | Failed]:
        for position in sorted(range(len(photos)), key=lambda p: (p % 3, p)):
            name = name_of(photos[position], position, len(photos))
            self.described.append(Path(os.fspath(name)))
            try:
                content = content_of(photos[position])
            except OSError:
                yield Failed(position, PhotoError("cannot be read", name))
                continue
            if content.startswith(NOT_A_PHOTO):
                yield Failed(position, PhotoError("not a photo", name))
                continue
            box = boxes[position] if boxes else None
            content += b"" if box is None else repr(box).encode()
            yield Described(position, describe_bytes(content, self.extraction.dimensions))
