"""Photos as structure from motion knows them: by their stored pixels, named below one folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solar.errors import PhotoError, SolarError
from solar.features.features import Features
from solar.index import Index, IndexedPhoto
from solar.photos import read_photo, size_and_turn_of

# By EXIF orientation: directions in the stored photo of those along and down the upright one.
_TURNS = {
    1: ((1, 0), (0, 1)),
    2: ((-1, 0), (0, 1)),
    3: ((-1, 0), (0, -1)),
    4: ((1, 0), (0, -1)),
    5: ((0, 1), (1, 0)),
    6: ((0, -1), (1, 0)),
    7: ((0, -1), (-1, 0)),
    8: ((0, 1), (-1, 0)),
}


@dataclass(frozen=True)
class SfmPhoto:
    """A photo of an index.

    Attributes:
        id: its number there.
        name: its path below the folder of all photos, with forward slashes.
        path: of its file.
        size: (width, height) in pixels as it is stored, which hloc and COLMAP read.
        turn: its EXIF orientation, which they leave.
    """

    id: int
    name: str
    path: Path
    size: tuple[int, int]
    turn: int


@dataclass(frozen=True, eq=False)
class Points:
    """Keypoints of a photo in its stored pixels, whose centres have whole coordinates.

    Attributes:
        xy: (N, 2) float32.
        scales: (N,) float32: standard deviation of the Gaussian where a keypoint was found.
        angles: (N,) float32, degrees from the x axis towards the y axis, 0 to 360.
    """

    xy: NDArray[np.float32]
    scales: NDArray[np.float32]
    angles: NDArray[np.float32]


def open_photos(index: Index, where: str | None = None) -> tuple[Path, list[SfmPhoto], list[str]]:
    """The photos of an index that can be found, and whose files are there.

    Args:
        index: at its commit.
        where: only those that this filter lets through; see `solar.index.where`.

    Returns:
        The folder of all, the photos, and a line for each that had to be left out.

    Raises:
        SolarError: no two photos are left.
        UsageError: the filter cannot be read.
    """
    found, left_out = [], []
    for photo in index.photos(where):
        if photo.reason is None and photo.root:
            found.append(photo)
        else:
            left_out.append(photo.reason or f"{photo.path}: is a name, and no file")
    folder = _common(found) if found else Path()
    photos = []
    for photo in found:
        try:
            photos.append(_opened(photo, folder))
        except SolarError as error:
            left_out.append(str(error))
    if len(photos) < 2:
        why = f" ({left_out[0]})" if left_out else ""
        raise SolarError(f"holds {len(photos)} photos that can be exported{why}", index.place)
    return folder, photos, left_out


def _common(photos: Iterable[IndexedPhoto]) -> Path:
    return Path(os.path.commonpath({photo.root for photo in photos}))


def _opened(photo: IndexedPhoto, folder: Path) -> SfmPhoto:
    name = Path(photo.path).relative_to(folder).as_posix()
    if not name.isprintable():
        raise PhotoError("its name cannot stand in a list of pairs: rename it", photo.path)
    size, turn = size_and_turn_of(read_photo(Path(photo.path)), photo.path)
    return SfmPhoto(photo.id, name, Path(photo.path), size, turn)


def points_of(features: Features, photo: SfmPhoto) -> Points:
    """Where the features of an upright photo are among its stored pixels."""
    along, down = np.array(_TURNS[photo.turn], np.float64)
    turn = np.stack([along, down])  # (2, 2): a row of the upright times it is one of the stored
    parts = features.parts @ turn + (turn.sum(axis=0) < 0)
    xy = parts * photo.size - 0.5
    width = photo.size[0] if photo.turn <= 4 else photo.size[1]
    turned = features.turn_and_size * (width / features.width)
    towards = np.stack([turned.real, turned.imag], axis=1) @ turn
    angles = np.rad2deg(np.arctan2(towards[:, 1], towards[:, 0])) % 360
    # OpenCV's sizes are diameters of two standard deviations.
    return Points(_single(xy), _single(np.abs(turned) / 2), _single(angles))


def _single(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)


def names_with_spaces(photos: Sequence[SfmPhoto]) -> list[str]:
    """Names at which hloc would split a line of pairs."""
    return [photo.name for photo in photos if len(photo.name.split()) != 1]
