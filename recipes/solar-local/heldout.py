"""Write sequences of held-out photos and two other visits each, for `solar eval homographies`."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from solar.datasets.rephotograph import Visit, revisit
from solar.images import find_photos, open_photo


def main() -> None:
    """Read the options, write the sequences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="the folder held out in part")
    parser.add_argument("--to", type=Path, required=True, help="new folder")
    options = parser.parse_args()
    # The recipe holds out every fifth photo; every fourth of these is enough.
    for number, path in enumerate(find_photos(options.photos)[::20]):
        photo, folder = open_photo(path), options.to / f"v_{number:03}"
        folder.mkdir(parents=True)
        photo.save(folder / "1.ppm")
        for visit in (2, 3):
            random = np.random.default_rng((99, number, visit))
            view = revisit(photo, random, Visit(angle=20 * visit, roll=20, zoom=1.3))
            view.photo.save(folder / f"{visit}.ppm")
            np.savetxt(folder / f"H_1_{visit}", view.homography)


if __name__ == "__main__":
    main()
