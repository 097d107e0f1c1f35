"""Whether two photos show the same place: keypoints, descriptors, matches, geometry."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
import numpy.typing as npt

from solar.errors import UsageError
from solar.features.descriptors import open_descriptor
from solar.features.detectors import open_detector
from solar.features.extractor import SeenPhoto, see
from solar.features.keypoints import DescribeKeypoints, Detector, Keypoints
from solar.features.patch_descriptor import of_network
from solar.matching.geometry import Geometry
from solar.matching.nearest import Matches, mutual_nearest
from solar.matching.verification import chance_inliers, distinct_matches, verify_matches
from solar.photos import Photo, name_of, require_sizes
from solar.photos.plane import FloatArray, Matrix, project
from solar.typing import GrayImage, Progress

if TYPE_CHECKING:
    from solar.models.local_descriptor import LocalDescriptor

IMAGE_SIZE = 1600
"""Pixels: keypoints are looked for in copies of at most this longest side."""


@dataclass(frozen=True)
class Match:
    """What two photos have in common; everything in pixels of the upright originals.

    Attributes:
        keypoints: of photo 1, of photo 2.
        matches: K pairs of their rows that are each other's nearest, no two of the same points.
        inliers: (K,) mask of the matches that agree with `geometry`.
        geometry: (3, 3), the homography that maps photo 1 to photo 2, or their fundamental
            matrix; None where no plausible one was found.
        kind: which of the two.
        sizes: (width, height) of photo 1, of photo 2.
        engine: what ran the network of the descriptors, in words; None where none did.
    """

    keypoints: tuple[Keypoints, Keypoints]
    matches: Matches
    inliers: npt.NDArray[np.bool_]
    geometry: Matrix | None
    kind: Geometry
    sizes: tuple[tuple[int, int], tuple[int, int]]
    engine: str | None = None

    @property
    def xy(self) -> tuple[FloatArray, FloatArray]:
        """(K, 2) and (K, 2): where the matches lie in photo 1 and in photo 2."""
        first, second = self.keypoints
        return first.xy[self.matches.first], second.xy[self.matches.second]

    @property
    def chance(self) -> int:
        """So many inliers may be chance."""
        return chance_inliers(self.kind, len(self.matches))

    @property
    def same_place(self) -> bool:
        """Whether more matches agree than chance explains; see `chance_inliers`."""
        return int(self.inliers.sum()) > self.chance

    @property
    def summary(self) -> str:
        """What was found, in a sentence."""
        if bare := [n for n, found in enumerate(self.keypoints, 1) if len(found) == 0]:
            return f"no keypoint in photo {' and photo '.join(map(str, bare))}: nothing to compare"
        kind = {"homography": "homography", "fundamental": "fundamental matrix"}[self.kind]
        if self.geometry is None:
            matches = "1 match" if len(self.matches) == 1 else f"{len(self.matches)} matches"
            return f"no plausible {kind} in {matches}: no sign of the same place"
        agree = f"{self.inliers.sum()} of {len(self.matches)} matches agree with one {kind}"
        verdict = "likely" if self.same_place else "not enough to call it"
        return f"{agree}, up to {self.chance} may be chance: {verdict} the same place"

    def to_json(self) -> dict[str, object]:
        """Plain values: one entry a match, the matrix by rows."""
        first, second = (xy.astype(float).round(2).tolist() for xy in self.xy)
        rows = zip(first, second, self.matches.distance, self.inliers, strict=True)
        return {
            "sizes": self.sizes,
            "keypoints": [len(found) for found in self.keypoints],
            "matches": [
                {"first": a, "second": b, "distance": round(float(d), 4), "inlier": bool(agrees)}
                for a, b, d, agrees in rows
            ],
            "inliers": int(self.inliers.sum()),
            "chance": self.chance,
            "geometry": None if self.geometry is None else self.geometry.tolist(),
            "kind": self.kind,
            "same_place": self.same_place,
            "summary": self.summary,
            "engine": self.engine,
        }


def match(
    first: Photo,
    second: Photo,
    *,
    model: str | Path | LocalDescriptor | DescribeKeypoints = "solar-local",
    geometry: Geometry = "homography",
    detector: str | Detector = "sift",
    keypoints: int = 2000,
    upright: bool = False,
    ratio: float | None = 0.9,
    image_size: int = IMAGE_SIZE,
    threshold: float = 3.0,
    engine: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    progress: Progress | None = None,
) -> Match:
    """Match two photos.

    Args:
        first: a photo.
        second: another, or the same.
        model: what describes keypoints: what `open_descriptor` takes, a local network, or any
            `DescribeKeypoints`.
        geometry: `homography` for planes and for cameras that only turn, `fundamental` for
            any rigid scene.
        detector: `sift`, `sift-faint`, `orb`, or any `Detector`.
        keypoints: at most so many of a photo, the strongest.
        upright: ignore orientations: better where both cameras were held alike.
        ratio: of Lowe's test, on top of mutual nearest neighbours; None for none.
        image_size: keypoints are found and described in copies of at most this longest side.
        threshold: pixels of those copies that a match may be off; `chance_inliers` holds for 3.
        engine: that runs a named network; see `solar.open_extractor`.
        device: where it runs; `auto` for the graphics processor if there is one.
        precision: of a network's arithmetic; see `open_patch_descriptor`.
        progress: called with steps done and their number.

    Raises:
        UsageError: an option out of its range, or there is no such model or device.
        PhotoError: a photo cannot be used.
        CheckpointError: the network cannot be loaded.
    """
    require_sizes(image_size, (1.0,))
    _check(geometry, keypoints, ratio, threshold)
    detect, describe = (
        _detector(detector, keypoints, upright),
        _descriptor(model, device, precision, engine),
    )
    step = progress or (lambda done, total: None)
    step(0, 3)
    one = see(first, name_of(first, 0, 2), detect, describe, image_size)
    step(1, 3)
    two = see(second, name_of(second, 1, 2), detect, describe, image_size)
    step(2, 3)
    found = mutual_nearest(one.descriptors, two.descriptors, ratio=ratio)
    result = _agreeing(one, two, found, geometry, threshold)
    step(3, 3)
    return replace(result, engine=getattr(describe, "engine", None))


def _check(geometry: str, keypoints: int, ratio: float | None, threshold: float) -> None:
    if geometry not in get_args(Geometry):
        raise UsageError(f"geometry {geometry}: use {' or '.join(get_args(Geometry))}")
    if keypoints < 1:
        raise UsageError(f"keypoints {keypoints}: give at least 1")
    if ratio is not None and not 0 < ratio <= 1:
        raise UsageError(f"ratio {ratio:g}: give more than 0 and at most 1")
    if not 0 < threshold < float("inf"):
        raise UsageError(f"threshold {threshold:g}: give a positive number of pixels")


def _detector(detector: str | Detector, keypoints: int, upright: bool) -> Detector:
    """One that finds at most so many keypoints, unturned where asked."""
    found = open_detector(detector, keypoints) if isinstance(detector, str) else detector

    def detect(photo: GrayImage) -> Keypoints:
        seen = found(photo)
        seen = seen.take(np.arange(min(len(seen), keypoints)))
        return seen.upright() if upright else seen

    return detect


def _descriptor(
    model: str | Path | LocalDescriptor | DescribeKeypoints,
    device: str,
    precision: str,
    engine: str,
) -> DescribeKeypoints:
    if isinstance(model, (str, Path)):
        return open_descriptor(model, device, precision, engine)
    torch = sys.modules.get("torch")  # whoever hands over a network has imported it
    if torch is not None and isinstance(model, torch.nn.Module):
        return of_network(model, precision)
    return model


def _to_original(photo: SeenPhoto) -> tuple[Matrix, Keypoints]:
    """(3, 3) from pixels of the copy to those of the original, and the keypoints in the latter."""
    height, width = photo.shape
    x, y = photo.size[0] / width, photo.size[1] / height
    matrix = np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])
    xy = project(matrix, photo.keypoints.xy).astype(np.float32)
    size = photo.keypoints.size * np.float32((x * y) ** 0.5)
    return matrix, replace(photo.keypoints, xy=xy, size=size)


def _agreeing(
    one: SeenPhoto, two: SeenPhoto, matches: Matches, geometry: Geometry, threshold: float
) -> Match:
    """The matches that agree with a geometry, and it, in pixels of the originals."""
    xy = one.keypoints.xy, two.keypoints.xy
    matches = distinct_matches(*xy, matches)
    found = verify_matches(*xy, matches, geometry=geometry, threshold=threshold)
    (right, first), (left, second) = _to_original(one), _to_original(two)
    matrix = found.matrix
    if matrix is not None:
        if geometry == "fundamental":
            left = np.asarray(np.linalg.inv(left).T)
        matrix = left @ matrix @ np.linalg.inv(right)
    return Match((first, second), matches, found.inliers, matrix, geometry, (one.size, two.size))
