"""Small data sets in the published file formats, written to disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from solar.datasets.patches.hpatches import KINDS

Patches = npt.NDArray[np.uint8]


def write_phototour(
    folder: Path,
    patches: Patches,
    points: list[int],
    pairs: list[tuple[int, int]],
    pairs_name: str = "m50_100000_100000_0.txt",
) -> Path:
    """A PhotoTour scene of (N, 64, 64) patches with their 3-D points, and a file of pairs."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(-(-len(patches) // 256)):
        mosaic = np.zeros((1024, 1024), np.uint8)
        for place, patch in enumerate(patches[256 * number : 256 * (number + 1)]):
            top, left = 64 * (place // 16), 64 * (place % 16)
            mosaic[top : top + 64, left : left + 64] = patch
        Image.fromarray(mosaic).save(folder / f"patches{number:04d}.bmp")
    (folder / "info.txt").write_text("".join(f"{point} 0\n" for point in points))
    (folder / pairs_name).write_text(
        "".join(f"{a} {points[a]} 0 {b} {points[b]} 0 0\n" for a, b in pairs)
    )
    return folder


def write_hpatches(folder: Path, strips: dict[str, Patches]) -> Path:
    """An HPatches sequence: (N, 65, 65) patches for each of the 16 strips."""
    folder.mkdir(parents=True, exist_ok=True)
    assert set(strips) == set(KINDS)
    for kind, patches in strips.items():
        Image.fromarray(patches.reshape(-1, 65)).save(folder / f"{kind}.png")
    return folder


def write_sequence(
    folder: Path, photos: list[Patches], homographies: list[npt.NDArray[np.float64]]
) -> Path:
    """A homography sequence in the HPatches layout."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, photo in enumerate(photos, start=1):
        Image.fromarray(photo).save(folder / f"{number}.ppm")
    for number, matrix in enumerate(homographies, start=2):
        np.savetxt(folder / f"H_1_{number}", matrix)
    return folder


def noise(seed: int, *shape: int) -> Patches:
    """Uniform grey noise."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
