"""Photos with hundreds of keypoints."""

from __future__ import annotations

import numpy as np
from PIL import Image


def texture(seed: int, size: tuple[int, int] = (480, 360)) -> Image.Image:
    """Soft coloured blobs all over; no two seeds alike."""
    width, height = size
    blobs = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return Image.fromarray(blobs).resize(size, Image.Resampling.BICUBIC)
