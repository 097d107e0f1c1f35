"""Sequences of photos of one plane with known homographies: HPatches and Oxford affine layouts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from solar.datasets.gray import read_gray
from solar.errors import SolarError
from solar.files import read_text
from solar.typing import AnyPath, GrayImage

_SUFFIXES = (".ppm", ".png", ".pgm", ".jpg", ".jpeg", ".bmp")
# (photo, homography) names of the two layouts; {k} counts photos from 1.
_LAYOUTS = (("{k}", "H_1_{k}"), ("img{k}", "H1to{k}p"))


@dataclass(frozen=True)
class HomographySequence:
    """Photos of one plane.

    Attributes:
        name: of the folder; in HPatches `i_` changes illumination, `v_` the viewpoint.
        photos: the files, photo 1 first.
        homographies: `homographies[i]` (3, 3) maps pixels (x, y, 1) of `photos[0]` to
            `photos[i + 1]`; pixel centres have whole coordinates.
    """

    name: str
    photos: tuple[Path, ...]
    homographies: tuple[npt.NDArray[np.float64], ...]

    def photo(self, number: int) -> GrayImage:
        """Grey pixels (height, width) of `photos[number]`, as stored."""
        return read_gray(self.photos[number])


def open_sequence(folder: AnyPath) -> HomographySequence:
    """One sequence: `1.ppm`, ... with `H_1_2`, ..., or `img1.ppm`, ... with `H1to2p`, ....

    Raises:
        SolarError: no photo 1, fewer than two photos, or a homography missing or malformed.
    """
    folder = Path(folder)
    for photo_name, matrix_name in _LAYOUTS:
        photos = _photos(folder, photo_name)
        if not photos:
            continue
        if (folder / matrix_name.format(k=len(photos) + 1)).exists():
            raise SolarError(
                f"{folder}: photo {photo_name.format(k=len(photos) + 1)} is missing, although "
                "its homography is there; unpack the sequence again"
            )
        if len(photos) < 2:
            raise SolarError(f"{folder}: holds one photo only; a sequence needs two or more")
        matrices = [
            _read_homography(folder / matrix_name.format(k=k)) for k in range(2, len(photos) + 1)
        ]
        return HomographySequence(folder.resolve().name, tuple(photos), tuple(matrices))
    raise SolarError(
        f"{folder}: no homography sequence; expected 1.ppm with H_1_2 (HPatches) "
        "or img1.ppm with H1to2p (Oxford affine)"
    )


def open_pair(first: AnyPath, other: AnyPath, homography: AnyPath) -> HomographySequence:
    """Two photos and a file of nine numbers that map pixels of the first to the other.

    Raises:
        SolarError: a file is missing or malformed.
    """
    photos = Path(first), Path(other)
    for photo in photos:
        read_gray(photo)
    matrix = _read_homography(Path(homography), "write the nine numbers of a matrix, by rows")
    return HomographySequence(f"{photos[0].stem}-{photos[1].stem}", photos, (matrix,))


def open_sequences(root: AnyPath) -> list[HomographySequence]:
    """Every sequence in the sub-folders of `root`, by name; or `root` itself if it is one.

    Raises:
        SolarError: there is none, or one is incomplete.
    """
    root = Path(root)
    if not root.is_dir():
        raise SolarError(f"{root}: no such folder; point at a sequence or a folder of sequences")
    if any(_photos(root, photo_name) for photo_name, _ in _LAYOUTS):
        return [open_sequence(root)]
    folders = sorted(path for path in root.iterdir() if path.is_dir() and path.name[0] != ".")
    return [open_sequence(folder) for folder in folders] or [open_sequence(root)]


def _photos(folder: Path, name: str) -> list[Path]:
    """Photos 1, 2, ... up to the first number without a file."""
    found: list[Path] = []
    while True:
        stem = name.format(k=len(found) + 1)
        files = [folder / (stem + suffix) for suffix in _SUFFIXES]
        file = next((path for path in files if path.is_file()), None)
        if file is None:
            return found
        found.append(file)


def _read_homography(path: Path, way_out: str = "unpack it again") -> npt.NDArray[np.float64]:
    if not path.exists():
        raise SolarError(f"{path}: no such file, although the photo is there; {way_out}")
    try:
        matrix = np.array(read_text(path, 1 << 16).split(), dtype=np.float64)
    except ValueError as error:
        raise SolarError(f"{path}: not a table of numbers; {way_out}") from error
    if matrix.size != 9 or not np.isfinite(matrix).all():
        raise SolarError(f"{path}: not nine finite numbers; {way_out}")
    matrix = matrix.reshape(3, 3)
    if np.linalg.cond(matrix) > 1e12:
        raise SolarError(f"{path}: the matrix cannot be inverted; {way_out}")
    return matrix
