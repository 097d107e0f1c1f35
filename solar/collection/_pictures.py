"""Whether two photos are one picture: pixel by pixel, where one is laid on the other."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from solar.collection._alignment import Alignment, Gray, Matrix, as_wholes
from solar.errors import PhotoError
from solar.photos import decode

SIDE = 384
"""Pixels of the longest side of the copies that are compared."""
SAME = 0.9
"""Correlation that each of the parts of one picture has, see `likeness`."""
WHOLE = 0.95
"""Part of the smaller of two copies that must lie in the other."""

_SMALL = 32  # Pixels of a side of what is turned and mirrored to see which way fits.
_ROUGHLY = 0.85  # Correlation of these.
_CELL = 24  # Pixels.
_FLAT = 4.0  # Standard deviation of a cell that shows nothing.
_KEPT = 400
_WORTH = 0.3  # Likeness from which on it is worth to lay a photo better on another.
_SHARP_SIDE = 1024


class Looks:
    """Grey copies of photos, decoded once for as long as they are among the last used."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Gray | None] = OrderedDict()
        self.unread: set[str] = set()

    def __call__(self, path: str) -> Gray | None:
        """The copy of a photo; None if it cannot be opened (any more)."""
        if path in self._kept:
            self._kept.move_to_end(path)
            return self._kept[path]
        try:
            image = decode(path, wanted=SIDE, draft=True).prepared(SIDE).convert("L")
            made: Gray | None = np.asarray(image)
        except PhotoError:
            made = None
            self.unread.add(path)
        self._kept[path] = made
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return made


@dataclass(frozen=True)
class Verdict:
    """That two photos are one picture.

    Attributes:
        how: one was made of the other, in words.
        likeness: see `likeness`.
        inliers: keypoints that fit; 0 where none were needed.
    """

    how: str
    likeness: float
    inliers: int


def same_picture(
    looks: Looks,
    one: str,
    two: str,
    sides: Sequence[tuple[int, int]],
    alignments: Sequence[Alignment | None],
) -> Verdict | None:
    """Look whether two photos are one picture.

    Args:
        looks: at photos.
        one: path of the one.
        two: path of the other.
        sides: width and height of each, in pixels; 0 where that is not known.
        alignments: by keypoints; another is tried first, by the photos as wholes.

    Returns:
        How one was made of the other; None if they are two pictures, or cannot be opened.
    """
    first, second = looks(one), looks(two)
    if first is None or second is None:
        return None
    for alignment in (laid_whole(first, second), *alignments):
        if alignment is None or max(alignment.covered()) < WHOLE:
            continue
        found = likeness(first, second, alignment.matrix)
        if _WORTH <= found < SAME:
            better = refined(first, second, alignment.matrix)
            if better is not None and (again := likeness(first, second, better)) > found:
                found, alignment = again, replace(alignment, matrix=better)
        if found >= SAME and max(alignment.covered()) >= WHOLE:
            return Verdict(_words(alignment, sides), found, alignment.inliers)
    return None


def _words(alignment: Alignment, sides: Sequence[tuple[int, int]]) -> str:
    """How one picture was made of the other."""
    one, two = (side if min(side) else (1, 1) for side in sides)
    zoom, turned, flipped = alignment.shape(one, two)
    quarters = round(turned / 90) % 4
    words = []
    if min(alignment.covered()) < WHOLE:
        words.append("cropped")
    if flipped:
        words.append("mirrored")
    if quarters:
        words.append(f"turned by {90 * quarters}°")
    if abs(np.log(zoom)) > 0.03:
        words.append("resized")
    return ", ".join(words) or "encoded anew"


def sharpness(path: str) -> float | None:
    """Of a photo: the standard deviation of its smoothed Laplacian, at 1,024 pixels or less.

    Returns:
        None if it cannot be opened.
    """
    import cv2

    try:
        image = decode(path, wanted=_SHARP_SIDE, draft=True).prepared(_SHARP_SIDE).convert("L")
    except PhotoError:
        return None
    smooth = cv2.GaussianBlur(np.asarray(image), (0, 0), 1.0)  # without what encoding adds
    return float(cv2.Laplacian(smooth, cv2.CV_64F).std())


def laid_whole(one: Gray, two: Gray) -> Alignment | None:
    """The way to lay a whole photo on another that fits best; None if none does roughly."""
    import cv2

    first, second = (
        cv2.resize(each, (_SMALL, _SMALL), interpolation=cv2.INTER_AREA) for each in (one, two)
    )
    best, found = _ROUGHLY, None
    for matrix in as_wholes():
        upright = abs(matrix[0, 0]) > 0.5
        height, width = one.shape if upright else one.shape[::-1]
        if abs(np.log(width / height * two.shape[0] / two.shape[1])) > 0.05:
            continue
        fit = correlation(_warped(first, second.shape, matrix), second)
        if fit > best:
            best, found = fit, Alignment(matrix)
    return found


def likeness(one: Gray, two: Gray, matrix: Matrix) -> float:
    """How alike two photos are where both show something, -1 to 1.

    The one with more pixels is laid on the other; both are blurred a little. A tenth of the cells
    of 24 x 24 pixels that show something are less alike than is told: so what moved in a corner
    counts, as it does not in the correlation of all.

    Args:
        one: grey.
        two: grey.
        matrix: (3, 3), positions in the one to positions in the other, as parts of their sides.
    """
    import cv2

    if _zoom(one, two, matrix) > 1:
        one, two, matrix = two, one, np.asarray(np.linalg.inv(matrix), np.float64)
    shrunk = 1 / max(_zoom(one, two, matrix), 0.02)
    blur = 0.6 * np.sqrt(max(shrunk**2 - 1, 0))
    fine = cv2.GaussianBlur(one, (0, 0), blur) if blur > 0.1 else one
    laid = _warped(fine, two.shape, matrix)
    there = _warped(np.full_like(one, 255), two.shape, matrix) > 250
    pair = [cv2.GaussianBlur(each, (0, 0), 1.0).astype(np.float32) for each in (laid, two)]
    return _cells(pair[0], pair[1], there)


def _cells(one: NDArray[np.float32], two: NDArray[np.float32], there: NDArray[np.bool_]) -> float:
    height, width = two.shape
    found = []
    for top in range(0, height - _CELL // 2, _CELL):
        for left in range(0, width - _CELL // 2, _CELL):
            cell = np.s_[top : top + _CELL, left : left + _CELL]
            inside = there[cell]
            if inside.mean() < 0.7:
                continue
            a, b = one[cell][inside], two[cell][inside]
            if max(a.std(), b.std()) >= _FLAT:
                found.append(correlation(a, b))
    if len(found) < 3:
        return correlation(one[there], two[there]) if there.any() else -1.0
    return float(np.quantile(found, 0.1))


def correlation(one: NDArray[np.generic], two: NDArray[np.generic]) -> float:
    """Of the numbers of two arrays, -1 to 1; 0 if one has but one value."""
    a, b = (each.astype(np.float64) - each.mean(dtype=np.float64) for each in (one, two))
    scale = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / scale) if scale > 0 else 0.0


def refined(one: Gray, two: Gray, matrix: Matrix) -> Matrix | None:
    """A better map by the pixels themselves; None if none is found.

    Enhanced correlation coefficient (Evangelidis, Psarakis, PAMI 2008), as in OpenCV.
    """
    import cv2

    start = np.linalg.inv(_in_pixels(one.shape, two.shape, matrix))[:2].astype(np.float32)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 25, 1e-4)
    try:
        _, found = cv2.findTransformECC(two, one, start, cv2.MOTION_AFFINE, stop, None, 5)
    except cv2.error:
        return None
    back = np.vstack([found, [0, 0, 1]]).astype(np.float64)
    if abs(np.linalg.det(back)) < 1e-6:
        return None
    scales = [np.diag([shape[1], shape[0], 1.0]) for shape in (one.shape, two.shape)]
    better: Matrix = np.linalg.inv(scales[1]) @ np.linalg.inv(back) @ scales[0]
    return better


def _in_pixels(one: tuple[int, ...], two: tuple[int, ...], matrix: Matrix) -> Matrix:
    """The map of pixels, whose centres have whole coordinates, by that of parts."""
    half = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    to = half @ np.diag([two[1], two[0], 1.0])
    from_pixels = np.linalg.inv(half @ np.diag([one[1], one[0], 1.0]))
    found: Matrix = to @ matrix @ from_pixels
    return found


def _zoom(one: Gray, two: Gray, matrix: Matrix) -> float:
    return float(np.sqrt(abs(np.linalg.det(_in_pixels(one.shape, two.shape, matrix)[:2, :2]))))


def _warped(one: Gray, shape: tuple[int, ...], matrix: Matrix) -> Gray:
    import cv2

    into = _in_pixels(one.shape, shape, matrix)[:2]
    return np.asarray(cv2.warpAffine(one, into, (shape[1], shape[0]), flags=cv2.INTER_LINEAR))
