"""Patches of the same points in a photo and in other visits to its place.

Keypoints are found in the photo. In each visit (see `solar.photos.augment`) they are found
anew, and the homography tells which show the same point: those patches differ as a detector's do.
Where a point was not found again, a patch may be cut where it must lie, misplaced a little.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from solar.datasets.patches.store import SIDE, IntArray, Part, Patches
from solar.errors import PhotoError
from solar.features.detectors import SiftDetector
from solar.features.keypoints import Keypoints
from solar.features.patches import PhotoPyramid
from solar.photos import open_photo
from solar.photos.augment import Visit, revisit
from solar.photos.plane import Matrix, project
from solar.training.run.tables import Ranged, number
from solar.typing import GrayImage

# Keypoints of two views show one point if they differ by less, in keypoint sizes, octaves and
# degrees (Brown, Hua and Winder, PAMI 2011, allow 5 px, 0.25 octaves and 22.5 degrees).
_NEAR, _OCTAVES, _DEGREES = 0.4, 0.4, 22.5
# Points of one photo lie at least so far from one another, in sizes of the larger keypoint.
_APART = 0.8
# Standard deviations of what a patch that was not found anew is misplaced by, in the same units.
_SHIFT, _ZOOM, _TURN = 0.15, 0.12, 8.0
_FLAT = 3.0  # grey levels of standard deviation: a patch below shows nothing

USUAL: dict[str, Any] = {"angle": 45, "roll": 10, "zoom": 1.3, "occlusion": 0}
"""How visits differ from those of `Visit()`."""
# Point k of photo n has the number n * POINTS_PER_PHOTO + k.
POINTS_PER_PHOTO = 65_536


@dataclass(frozen=True)
class PairSettings(Ranged):
    """How patches of points are made from a photo.

    Attributes:
        visits: to the photo's place.
        points: at most so many of a photo.
        magnification: side of a patch in keypoint sizes.
        misplaced: share of the points not found anew in a visit whose patch is cut there anyway.
        rescale: the greatest factor by which a visit may be scaled up or down, 1 to 4.
        visit: how different a visit may be.

    Raises:
        UsageError: a value is outside its range.
    """

    visits: int = number(3, 1, 100)
    points: int = number(400, 1, POINTS_PER_PHOTO)
    magnification: float = number(6.0, 0.1, 100)
    misplaced: float = number(0.3, 0, 1)
    rescale: float = number(1.4, 1, 4)
    visit: Visit = field(default_factory=lambda: Visit(**USUAL))


def photo_points(
    photo: Image.Image, random: np.random.Generator, settings: PairSettings
) -> tuple[Patches, IntArray]:
    """Patches of points of a photo, two or more of each point.

    Args:
        photo: RGB, both sides at least 16 pixels.
        random: of everything random.
        settings: everything else.

    Returns:
        (N, 32, 32) uint8 and the (N,) points that they show, numbered from 0 in random order.
        No two points are the same place of the photo. Empty if nothing was found twice.
    """
    gray = _gray(photo)
    keypoints = distinct(SiftDetector()(gray), settings.points, random)
    parts = [_cut(gray, keypoints, settings.magnification)]
    points = [np.arange(len(keypoints))]
    for _ in range(settings.visits):
        view, homography = _visit(photo, random, settings)
        seen, rows = _again(view, keypoints, homography, random, settings.misplaced)
        parts.append(_cut(view, seen, settings.magnification))
        points.append(rows)
    return _twice(np.concatenate(parts), np.concatenate(points))


def _gray(photo: Image.Image) -> GrayImage:
    return np.asarray(photo.convert("L"))


def _visit(
    photo: Image.Image, random: np.random.Generator, settings: PairSettings
) -> tuple[GrayImage, Matrix]:
    """A grey view, scaled at random, and the homography to it."""
    view = revisit(photo, random, settings.visit)
    factor = settings.rescale ** random.uniform(-1, 1)
    width, height = (max(16, round(side * factor)) for side in view.photo.size)
    scaled = view.photo.resize((width, height), Image.Resampling.BICUBIC)
    x, y = width / view.photo.width, height / view.photo.height
    # Pixel centres have whole coordinates, so edges lie at halves.
    scale = np.array([(x, 0, x / 2 - 0.5), (0, y, y / 2 - 0.5), (0, 0, 1)])
    return _gray(scaled), scale @ view.homography


def distinct(keypoints: Keypoints, count: int, random: np.random.Generator) -> Keypoints:
    """At most so many keypoints, drawn at random, no two at the same place."""
    drawn = keypoints.take(random.permutation(len(keypoints))[: 3 * count])
    gaps = np.linalg.norm(drawn.xy[:, None] - drawn.xy[None], axis=2)
    same = gaps < _APART * np.maximum(drawn.size[:, None], drawn.size[None])
    kept: list[int] = []
    for row in range(len(drawn)):
        if not same[row, kept].any():
            kept.append(row)
    return drawn.take(np.array(kept[:count], np.int64))


def _again(
    view: GrayImage,
    keypoints: Keypoints,
    homography: Matrix,
    random: np.random.Generator,
    misplaced: float,
) -> tuple[Keypoints, IntArray]:
    """Keypoints of a view that show the same points, and the rows of those points."""
    expected = moved(keypoints, homography)
    detected = SiftDetector()(view)
    found, rows = corresponding(expected, detected)
    height, width = view.shape
    x, y = expected.xy.T
    missed = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    missed[rows] = False
    others = np.flatnonzero(missed & (random.random(len(expected)) < misplaced))
    cut = _misplace(expected.take(others), random)
    seen = detected.take(found)
    joined = Keypoints(
        np.concatenate([seen.xy, cut.xy]),
        np.concatenate([seen.size, cut.size]),
        np.concatenate([seen.angle, cut.angle]),
        np.concatenate([seen.response, cut.response]),
    )
    return joined, np.concatenate([rows, others])


def moved(keypoints: Keypoints, homography: Matrix) -> Keypoints:
    """Where a homography takes keypoints: place, size and angle, by its derivative there."""
    xy = keypoints.xy.astype(np.float64)
    angle = np.deg2rad(keypoints.angle.astype(np.float64))
    along = np.column_stack([np.cos(angle), np.sin(angle)])
    across = np.column_stack([-along[:, 1], along[:, 0]])
    centre = project(homography, xy)
    step = 0.01  # pixels
    u = (project(homography, xy + step * along) - centre) / step
    v = (project(homography, xy + step * across) - centre) / step
    factor = np.sqrt(np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]))
    return Keypoints(
        centre.astype(np.float32),
        (keypoints.size * factor).astype(np.float32),
        np.rad2deg(np.arctan2(u[:, 1], u[:, 0])).astype(np.float32),
        keypoints.response,
    )


def corresponding(expected: Keypoints, detected: Keypoints) -> tuple[IntArray, IntArray]:
    """Rows of `detected` and of `expected` that agree in place, size and angle; nearest first.

    Every row of `expected` occurs at most once.
    """
    if len(detected) == 0 or len(expected) == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    gaps = np.linalg.norm(expected.xy[:, None] - detected.xy[None], axis=2)
    gaps /= expected.size[:, None]
    octaves = np.abs(np.log2(expected.size[:, None] / detected.size[None]))
    turned = np.abs((expected.angle[:, None] - detected.angle[None] + 180) % 360 - 180)
    gaps[(gaps > _NEAR) | (octaves > _OCTAVES) | (turned > _DEGREES)] = np.inf
    nearest = gaps.argmin(axis=1)
    rows = np.flatnonzero(np.isfinite(gaps.min(axis=1)))
    return nearest[rows], rows


def _misplace(keypoints: Keypoints, random: np.random.Generator) -> Keypoints:
    shift, zoom, turn = (random.standard_normal((len(keypoints), n), np.float32) for n in (2, 1, 1))
    return Keypoints(
        keypoints.xy + _SHIFT * shift * keypoints.size[:, None],
        keypoints.size * np.exp2(_ZOOM * zoom[:, 0]),
        keypoints.angle + _TURN * turn[:, 0],
        keypoints.response,
    )


def _cut(gray: GrayImage, keypoints: Keypoints, magnification: float) -> Patches:
    if len(keypoints) == 0:
        return np.empty((0, SIDE, SIDE), np.uint8)
    patches = PhotoPyramid(gray).patches(keypoints, size=SIDE, magnification=magnification)
    return np.rint(patches[:, 0]).clip(0, 255).astype(np.uint8)


def _twice(patches: Patches, points: IntArray) -> tuple[Patches, IntArray]:
    """Without flat patches, and without points that are then left with one; points in order."""
    textured = patches.std(axis=(1, 2)) >= _FLAT
    patches, points = patches[textured], points[textured]
    often = np.bincount(points, minlength=1)[points] >= 2
    order = np.argsort(points[often], kind="stable")
    return patches[often][order], np.unique(points[often][order], return_inverse=True)[1]


class PhotoPoints(Dataset[Part]):
    """The points of photo number i, a function of the seed and the photo's number alone.

    Args:
        paths: of the photos; those that cannot be opened have no points.
        seed: of everything random.
        settings: how patches are made.

    Shape:
        item: patches (n, 32, 32) uint8 and (n,) int64 point ids; see `POINTS_PER_PHOTO`.
    """

    def __init__(self, paths: Sequence[Path], seed: int, settings: PairSettings) -> None:
        self.paths, self.seed, self.settings = paths, seed, settings

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> Part:
        random = np.random.default_rng((self.seed, number))
        try:
            photo = open_photo(self.paths[number])
            patches, points = photo_points(photo, random, self.settings)
        except PhotoError:
            return np.empty((0, SIDE, SIDE), np.uint8), np.empty(0, np.int64)
        return patches, points + number * POINTS_PER_PHOTO


def stream(
    paths: Sequence[Path], seed: int, settings: PairSettings, workers: int = 1
) -> Iterator[Part]:
    """The points of photos in the photos' order, whatever the number of processes.

    Args:
        paths: of the photos.
        seed: of everything random.
        settings: how patches are made.
        workers: processes; 0 for this one.
    """
    photos = PhotoPoints(paths, seed, settings)
    yield from DataLoader(photos, batch_size=None, num_workers=workers, collate_fn=_as_it_is)


def _as_it_is(part: Any) -> Any:
    return part


def photo_names(paths: Sequence[Path]) -> list[str]:
    """Folder and name of each photo: what tells the photos of one store from another's."""
    return [f"{path.parent.name}/{path.name}" for path in paths]
