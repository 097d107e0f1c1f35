"""Photos that the tests make: no two alike, each with something to see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw


def scene(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A picture of coloured shapes."""
    random = np.random.default_rng(seed)
    photo = Image.new("RGB", size, tuple(random.integers(0, 256, 3).tolist()))
    draw = ImageDraw.Draw(photo)
    for _ in range(25):
        x, y = random.uniform(0, size[0]), random.uniform(0, size[1])
        w, h = random.uniform(5, 60, 2)
        colour = tuple(random.integers(0, 256, 3).tolist())
        shape = draw.ellipse if random.random() < 0.5 else draw.rectangle
        shape((x, y, x + w, y + h), fill=colour)
    return photo


def album(folder: Path, count: int, size: tuple[int, int] = (160, 120)) -> list[Path]:
    """Save so many scenes as 00.png, 01.png, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:02}.png" for number in range(count)]
    for number, path in enumerate(paths):
        scene(number, size).save(path)
    return paths
