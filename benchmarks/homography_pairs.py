"""Sequences with known homographies, from photos that no network was trained on.

Each photo becomes a folder as HPatches has them: `1.png`, the photo; `2.png` and so on, views of
it from another side and on another day (`solar.photos.augment`); `H_1_2` and so on. Then:

    python benchmarks/homography_pairs.py PHOTOS --to SEQUENCES [--count 12] [--views 5] [--seed 0]
    solar eval homographies SEQUENCES --descriptor solar-local --descriptor rootsift --to runs/own
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from solar.errors import UsageError
from solar.photos import find_photos, open_photo
from solar.photos.augment import Visit, revisit

SHORTEST = 300  # pixels of a photo's short side
STRONG = Visit(angle=50, roll=30, zoom=1.6)


def main() -> None:
    """Read the options and write one folder a photo."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path, help="folder, searched with its sub-folders")
    parser.add_argument("--to", type=Path, required=True, help="a new folder")
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--views", type=int, default=5, help="of each photo")
    parser.add_argument("--seed", type=int, default=0, help="of the choice and of the views")
    options = parser.parse_args()
    chosen = choose(options.photos, options.count, options.seed)
    options.to.mkdir(parents=True)
    for number, photo in enumerate(chosen):
        folder = options.to / f"v_{number:02d}_{photo.parent.name}_{photo.stem}"
        write_sequence(photo, folder, [(options.seed, number, k) for k in range(options.views)])
        print(f"{folder}: {photo}", flush=True)


def choose(folder: Path, count: int, seed: int) -> list[Path]:
    """So many photos of a folder that are large enough, at random."""
    photos = [path for path in find_photos(folder) if min(open_photo(path).size) >= SHORTEST]
    if len(photos) < count:
        what = f"{len(photos)} photos of at least {SHORTEST} px on the short side"
        raise UsageError(f"{folder}: {what}, not {count}")
    rows = np.random.default_rng(seed).permutation(len(photos))[:count]
    return [photos[row] for row in sorted(rows.tolist())]


def write_sequence(photo: Path, folder: Path, seeds: list[tuple[int, ...]]) -> None:
    """Write a photo, a view a seed, and the homographies from the photo to each."""
    folder.mkdir()
    original = open_photo(photo)
    original.save(folder / "1.png")
    for number, seed in enumerate(seeds, start=2):
        view = revisit(original, np.random.default_rng(seed), STRONG)
        view.photo.save(folder / f"{number}.png")
        np.savetxt(folder / f"H_1_{number}", view.homography, fmt="%.17g")


if __name__ == "__main__":
    main()
