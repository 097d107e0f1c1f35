"""Pictures that Solar draws: attention over a photo."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

# Dark violet over red to pale yellow: brightness rises with attention, also in grey.
_COLOURS = np.array(
    [(13, 8, 65), (96, 20, 120), (190, 45, 90), (246, 125, 50), (252, 250, 170)], np.float32
)
SIDE = 1024


def attention_overlay(
    photo: Image.Image, weights: NDArray[np.float32], at: tuple[float, float]
) -> Image.Image:
    """Where a position attends, laid over the photo in colour, the position ringed.

    Args:
        photo: RGB.
        weights: (h, w), non-negative; coloured relative to the greatest.
        at: x, y in pixels of the photo.

    Returns:
        The picture, longest side at most 1024 px.
    """
    picture = photo.copy()
    picture.thumbnail((SIDE, SIDE))
    scale = picture.width / photo.width
    relative = Image.fromarray(weights / max(float(weights.max()), 1e-12))
    levels = np.asarray(relative.resize(picture.size, Image.Resampling.BICUBIC)).clip(0, 1)
    heat = _coloured(levels)
    share = (0.35 + 0.4 * levels)[..., None]
    mixed = np.asarray(picture.convert("L"))[..., None] * (1 - share) + heat * share
    result = Image.fromarray(mixed.round().astype(np.uint8))
    x, y, radius = at[0] * scale, at[1] * scale, max(picture.size) / 60
    draw = ImageDraw.Draw(result)
    for colour, grow in (("black", 2), ("white", 0)):
        draw.ellipse(
            (x - radius - grow, y - radius - grow, x + radius + grow, y + radius + grow),
            outline=colour,
            width=3,
        )
    return result


def _coloured(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w) in 0-1 -> (h, w, 3) in 0-255."""
    steps = np.linspace(0, 1, len(_COLOURS))
    channels = [np.interp(levels, steps, _COLOURS[:, channel]) for channel in range(3)]
    return np.stack(channels, -1).astype(np.float32)
