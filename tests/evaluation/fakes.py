"""A describer that needs no model: what a photo looks like at 4 x 4 pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from solar.errors import PhotoError
from solar.evaluation.describer import Described, Describer
from solar.photos.images import Box, open_photo, prepare

DIMENSIONS = 48


def cheap_describer(
    seen: Callable[[Path], None] = lambda photo: None, **settings: Any
) -> Describer:
    """Settings override the default ones; `seen` is told every photo that is described."""
    full: dict[str, Any] = {
        "model": "cheap",
        "fingerprint": "0" * 64,
        "image_size": 64,
        "scales": [1.0],
        "precision": "float32",
        "whitening": None,
        "dimensions": DIMENSIONS,
        **settings,
    }

    def describe(photos: Sequence[Path], boxes: Sequence[Box | None] | None) -> Iterator[Described]:
        for position in reversed(range(len(photos))):
            seen(photos[position])
            try:
                photo = open_photo(photos[position])
            except PhotoError as error:
                yield position, str(error)
                continue
            small = prepare(photo, 64, boxes[position] if boxes else None).resize((4, 4))
            row = np.asarray(small, np.float32).ravel() + 1
            yield position, row / np.linalg.norm(row)

    return Describer(full, describe)


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
