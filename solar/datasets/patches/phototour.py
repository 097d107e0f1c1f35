"""PhotoTour: the patches of liberty, notredame and yosemite (Brown, Hua and Winder, PAMI 2011)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from solar.datasets.gray import read_gray
from solar.errors import SolarError
from solar.files import MEGABYTE, cut, require_file
from solar.typing import AnyPath

PUBLISHED_PAIRS = "m50_100000_100000_0.txt"
PATCH_SIZE = 64
_PER_SIDE = 16
_PER_MOSAIC = _PER_SIDE * _PER_SIDE
_MOSAIC_SIZE = _PER_SIDE * PATCH_SIZE

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PatchPairs:
    """Pairs of patches and whether both show the same 3-D point.

    Attributes:
        first: (P,) patch numbers.
        second: (P,) patch numbers.
        matching: (P,) bool.
    """

    first: IntArray
    second: IntArray
    matching: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.first)


class PhotoTour:
    """One scene: its folder of `patchesNNNN.bmp`, `info.txt` and files of pairs.

    A mosaic holds 16 x 16 patches of 64 x 64 pixels, left to right, then top to bottom; row n of
    `info.txt` belongs to patch n of the scene. Pixels are read when asked for.

    Attributes:
        folder: where the scene lies.
        name: of the folder, for instance "liberty".
        point_ids: (N,) the 3-D point of every patch; equal ids match.
    """

    def __init__(self, folder: AnyPath) -> None:
        """Read `info.txt` and check that every mosaic is there.

        Raises:
            SolarError: a file is missing or not of this format.
        """
        self.folder = Path(folder)
        self.name = self.folder.resolve().name
        self.point_ids = _read_columns(self.folder / "info.txt", (0,))[:, 0]
        for number in range(-(-len(self) // _PER_MOSAIC)):
            if not self._mosaic_path(number).is_file():
                raise SolarError(
                    f"{self._mosaic_path(number)}: missing, although info.txt lists "
                    f"{len(self)} patches; unpack the archive of {self.name} again"
                )

    def __len__(self) -> int:
        return len(self.point_ids)

    def pairs(self, name: str = PUBLISHED_PAIRS) -> PatchPairs:
        """The pairs of one file: rows `patch point unused patch point unused`.

        Raises:
            SolarError: the file is missing, malformed, or names a patch the scene lacks.
        """
        path = self.folder / name
        rows = _read_columns(path, (0, 1, 3, 4))
        outside = ((rows[:, [0, 2]] < 0) | (rows[:, [0, 2]] >= len(self))).any(axis=1)
        if outside.any():
            row = int(outside.argmax())
            raise SolarError(
                f"{path}: row {row + 1} names a patch that info.txt does not list "
                f"({len(self)} patches); the file belongs to another scene"
            )
        return PatchPairs(rows[:, 0], rows[:, 2], rows[:, 1] == rows[:, 3])

    def patches(self, numbers: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """Patches by number, in the order asked; each mosaic is read once.

        Returns:
            (len(numbers), 64, 64) uint8.

        Raises:
            SolarError: a number the scene lacks, or a mosaic that is damaged.
        """
        wanted = np.asarray(numbers, dtype=np.int64)
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise SolarError(f"{self.name}: patches are numbered 0 to {len(self) - 1}")
        result = np.empty((len(wanted), PATCH_SIZE, PATCH_SIZE), np.uint8)
        mosaics = wanted // _PER_MOSAIC
        for number in np.unique(mosaics):
            rows = np.flatnonzero(mosaics == number)
            result[rows] = self._mosaic(int(number))[wanted[rows] % _PER_MOSAIC]
        return result

    def _mosaic_path(self, number: int) -> Path:
        return self.folder / f"patches{number:04d}.bmp"

    def _mosaic(self, number: int) -> npt.NDArray[np.uint8]:
        path = self._mosaic_path(number)
        pixels = read_gray(path)
        if pixels.shape != (_MOSAIC_SIZE, _MOSAIC_SIZE):
            height, width = pixels.shape
            raise SolarError(
                f"{path}: {width} x {height} pixels, but a mosaic has "
                f"{_MOSAIC_SIZE} x {_MOSAIC_SIZE}; unpack the archive of {self.name} again"
            )
        rows = pixels.reshape(_PER_SIDE, PATCH_SIZE, _PER_SIDE, PATCH_SIZE)
        return np.swapaxes(rows, 1, 2).reshape(_PER_MOSAIC, PATCH_SIZE, PATCH_SIZE)


def _read_columns(path: Path, columns: tuple[int, ...]) -> IntArray:
    """Whole numbers of some columns of a text file: (rows, columns)."""
    if not path.exists():
        raise SolarError(f"{path}: no such file; point at the folder of one scene, unpacked")
    require_file(path, 256 * MEGABYTE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # NumPy only warns of a file without rows
            return np.loadtxt(path, dtype=np.int64, usecols=columns, ndmin=2)
    except (OSError, ValueError, UserWarning) as error:
        reason = cut(error).rstrip(".;")
        raise SolarError(f"{path}: {reason}; unpack the archive again") from error
