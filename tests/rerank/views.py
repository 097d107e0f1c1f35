"""Views of made scenes, for the tests of re-ranking."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from solar.photos.augment import Visit, rephotograph
from tests.scenes import scene

GENTLE = Visit(angle=8, occlusion=0, blur=0, noise=2)


def busy_scene(seed: int) -> Image.Image:
    """A scene with enough corners for some hundred keypoints, 480 x 360."""
    photo = Image.new("RGB", (480, 360))
    for number in range(9):
        tile = scene(100 * seed + number, (160, 120))
        photo.paste(tile, (160 * (number % 3), 120 * (number // 3)))
    return photo


def street(folder: Path, places: int, visits: int) -> list[Path]:
    """Save views of places as 0_0.png, 0_1.png, ... (place, visit)."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for place in range(places):
        whole = busy_scene(place)
        for visit in range(visits):
            path = folder / f"{place}_{visit}.png"
            rephotograph(whole, 10 * place + visit, GENTLE).save(path)
            paths.append(path)
    return paths
