"""Photos and their places in compact form: a million of them take some 100 MB."""

from __future__ import annotations

import math
import os
import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from solar.errors import PhotoError
from solar.files import printable
from solar.photos import Box

NO_BOX: Box = (math.nan, math.nan, math.nan, math.nan)

_ORIENTATION = 274
_ON_ITS_SIDE = (5, 6, 7, 8)  # orientations that exchange width and height
_DAMAGE = (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError)


@dataclass(frozen=True, eq=False)
class Places:
    """Photos and the place that each shows.

    Attributes:
        source: where it was read from, for messages.
        photos: folder that the photos' paths start from.
        places: (N,) place number 0 to P - 1 of each photo.
        names: (P,) names of the places.
        pairs: (K, 2) numbers of photos known to match; None: any two photos of a place match.
        rows: (N,) row of the source that names the photo first, counted from 1; None: it has none.
        texts: the photos' paths below the folder, one after the other, in the system's own bytes.
        ends: (N,) where each path ends in `texts`.
        boxes: (N, 4) x1, y1, x2, y2, NaN for whole photos; None: all are whole.
        relative: boxes are shares of the photo's width and height instead of pixels.
    """

    source: Path
    photos: Path
    places: NDArray[np.int32]
    names: Sequence[str]
    pairs: NDArray[np.int64] | None
    rows: NDArray[np.int64] | None
    texts: bytes
    ends: NDArray[np.int64]
    boxes: NDArray[np.float64] | None
    relative: bool

    def __len__(self) -> int:
        return len(self.places)

    def path(self, number: int) -> Path:
        """The file of a photo, which may be missing.

        Raises:
            IndexError: there is no such photo.
        """
        if not 0 <= number < len(self):
            raise IndexError(f"photo {number} of {len(self)}")
        start = self.ends[number - 1] if number else 0
        return self.photos / os.fsdecode(self.texts[start : self.ends[number]])

    def box(self, number: int) -> Box | None:
        """The part of a photo that shows the place, None for all of it.

        Returns:
            x1, y1, x2, y2 in pixels of the upright photo. Its part inside the photo counts.

        Raises:
            IndexError: there is no such photo.
            PhotoError: the box is relative, and the file's header, which tells the size, cannot
                be read.
        """
        path = self.path(number)
        if self.boxes is None or np.isnan(self.boxes[number, 0]):
            return None
        x1, y1, x2, y2 = self.boxes[number].tolist()
        width, height = _upright_size(path) if self.relative else (1, 1)
        return x1 * width, y1 * height, x2 * width, y2 * height


class PlacesBuilder:
    """Takes photos one by one and makes `Places` of them."""

    def __init__(self) -> None:
        self._texts = bytearray()
        self._ends, self._rows, self._keys = array("q"), array("q"), array("q")
        self._places = array("i")
        self._names: dict[str, int] = {}
        self._boxes = array("d")
        self._boxed = False

    def __len__(self) -> int:
        return len(self._ends)

    def add(self, path: str, place: str, row: int = 0, box: Box | None = None) -> None:
        """One photo.

        Args:
            path: below the photos' folder, with forward slashes.
            place: name of its place.
            row: of the source that says so.
            box: what of the photo counts.

        Raises:
            ValueError: the path cannot be written in the system's own bytes.
        """
        text = os.fsencode(path)
        self._texts += text
        self._ends.append(len(self._texts))
        self._rows.append(row)
        self._keys.append(hash((text, box)))
        self._places.append(self._names.setdefault(place, len(self._names)))
        self._boxes.extend(box or NO_BOX)
        self._boxed |= box is not None

    def build(
        self,
        source: Path,
        photos: Path,
        *,
        rows: bool = True,
        pairs: NDArray[np.int64] | None = None,
        relative: bool = False,
    ) -> Places:
        """What was added so far, which stays in memory once: add no more afterwards.

        Args:
            source: where it was read from.
            photos: folder that the paths start from.
            rows: the rows given are rows of the source.
            pairs: as in `Places`.
            relative: as in `Places`.
        """
        return Places(
            source=source,
            photos=photos,
            places=np.frombuffer(self._places, np.int32),
            names=tuple(self._names),
            pairs=pairs,
            rows=np.frombuffer(self._rows, np.int64) if rows else None,
            texts=bytes(self._texts),
            ends=np.frombuffer(self._ends, np.int64),
            boxes=np.frombuffer(self._boxes).reshape(-1, 4) if self._boxed else None,
            relative=relative,
        )

    def repeated(self) -> list[tuple[int, int]]:
        """Rows that name a photo and box of an earlier row: (row, earlier row), by row."""
        keys = np.frombuffer(self._keys, np.int64)
        order = np.argsort(keys, kind="stable")
        alike = np.flatnonzero(keys[order[1:]] == keys[order[:-1]])
        first: dict[tuple[bytes, tuple[float, ...]], int] = {}
        found = []
        for number in np.unique(order[np.concatenate([alike, alike + 1])]).tolist():
            key = self._exact(number)
            if key in first:
                found.append((self._rows[number], first[key]))
            else:
                first[key] = self._rows[number]
        return found

    def _exact(self, number: int) -> tuple[bytes, tuple[float, ...]]:
        """What two photos share only if they are the same; NaN would differ from itself."""
        start = self._ends[number - 1] if number else 0
        box = self._boxes[4 * number : 4 * number + 4]
        whole = box[0] != box[0]
        return bytes(self._texts[start : self._ends[number]]), () if whole else tuple(box)


def _upright_size(path: Path) -> tuple[int, int]:
    """Width and height of a photo after its EXIF orientation, from its header alone."""
    try:
        with Image.open(path, formats=("JPEG", "PNG", "WEBP")) as photo:
            width, height = photo.size
            turned = photo.getexif().get(_ORIENTATION) in _ON_ITS_SIDE
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PhotoError(
            f"{printable(str(path))}: its size cannot be read ({reason}): copy it again"
        ) from error
    return (height, width) if turned else (width, height)
