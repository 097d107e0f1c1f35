"""An extractor that needs no model: what a photo looks like at 4 x 4 pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from solar.errors import PhotoError
from solar.extraction import Described, Extraction, Extractor, Failed
from solar.photos import Box, Photo, decode_each

DIMENSIONS = 48


@dataclass(frozen=True)
class CheapExtractor:
    """`seen` is told every photo that is described."""

    extraction: Extraction
    seen: Callable[[Photo], None]

    def describe(
        self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
    ) -> Iterator[Described | Failed]:
        """See `Extractor.describe`; the last photo comes first."""
        for position in reversed(range(len(photos))):
            self.seen(photos[position])
            try:
                photo = decode_each(photos, position)
            except PhotoError as error:
                yield Failed(position, error)
                continue
            small = photo.prepared(64, boxes[position] if boxes else None).resize((4, 4))
            row = np.asarray(small, np.float32).ravel() + 1
            yield Described(position, row / np.linalg.norm(row))


def cheap_extractor(
    seen: Callable[[Photo], None] = lambda photo: None, **settings: Any
) -> Extractor:
    """Settings override the default ones."""
    full: dict[str, Any] = {
        "model": "cheap",
        "fingerprint": "0" * 64,
        "image_size": 64,
        "scales": (1.0,),
        "dimensions": DIMENSIONS,
        **settings,
    }
    return CheapExtractor(Extraction(**full), seen)


def paint(path: Path, seed: int, colour: tuple[int, int, int] = (120, 120, 120)) -> Path:
    """A noisy photo of one colour, 32 x 32."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(-25, 25, (32, 32, 3))
    Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8)).save(path)
    return path


def unit_rows(rng: np.random.Generator, rows: int, dimensions: int) -> NDArray[np.float32]:
    """Random directions."""
    matrix = rng.standard_normal((rows, dimensions))
    unit: NDArray[np.float32] = (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).astype(
        "f4"
    )
    return unit
