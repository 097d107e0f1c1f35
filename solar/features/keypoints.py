"""Keypoints of a photo, and detectors of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from solar.features.opencv import opencv

_ORB_MARGIN = 31  # pixels from the border where OpenCV's ORB finds nothing

GrayImage = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Keypoints:
    """Oriented, scaled points of one photo.

    Attributes:
        xy: (N, 2) float32 pixels; pixel centres have whole coordinates.
        size: (N,) float32 diameter in pixels, as OpenCV counts it: twice the scale sigma.
        angle: (N,) float32 degrees from the x axis towards the y axis (which points down).
        response: (N,) float32, larger is stronger.
    """

    xy: FloatArray
    size: FloatArray
    angle: FloatArray
    response: FloatArray

    def __len__(self) -> int:
        return len(self.xy)

    def take(self, rows: npt.NDArray[np.int64]) -> Keypoints:
        """The keypoints at some rows, in that order."""
        return Keypoints(self.xy[rows], self.size[rows], self.angle[rows], self.response[rows])

    def upright(self) -> Keypoints:
        """The same points at angle 0; a point that had several orientations remains once."""
        columns = np.column_stack([self.xy, self.size])
        rows = np.sort(np.unique(columns, axis=0, return_index=True)[1])
        kept = self.take(rows)
        return Keypoints(kept.xy, kept.size, np.zeros_like(kept.angle), kept.response)


class Detector(Protocol):
    """Anything that finds keypoints in a grey photo, (height, width) uint8."""

    def __call__(self, photo: GrayImage) -> Keypoints:
        """The keypoints of `photo`, the strongest first."""
        ...


@dataclass(frozen=True)
class SiftDetector:
    """OpenCV's difference of Gaussians (Lowe, IJCV 2004).

    Attributes:
        max_keypoints: the strongest so many are kept; orientations of a point count one by one.
        upright: drop orientations; see `Keypoints.upright`.
    """

    max_keypoints: int = 2000
    upright: bool = False

    def __call__(self, photo: GrayImage) -> Keypoints:
        """At most `max_keypoints` keypoints, the strongest first."""
        # Without the precise upscale every point would lie 1/4 px too far right and down.
        sift = opencv().SIFT_create(nfeatures=self.max_keypoints, enable_precise_upscale=True)
        found = sift.detect(photo, None)
        keypoints = _from_opencv(found)
        strongest = np.argsort(-keypoints.response, kind="stable")[: self.max_keypoints]
        keypoints = keypoints.take(strongest)
        return keypoints.upright() if self.upright else keypoints


@dataclass(frozen=True)
class OrbDetector:
    """OpenCV's oriented FAST corners on a pyramid (Rublee et al., ICCV 2011): quicker than SIFT's.

    ORB describes 31 px at its finest level; sizes are stated so that patches of the usual 6 sizes
    (see `PhotoPyramid.patches`) cover the same.

    Attributes:
        max_keypoints: the strongest so many are kept.
    """

    max_keypoints: int = 2000

    def __call__(self, photo: GrayImage) -> Keypoints:
        """At most `max_keypoints` keypoints, the strongest first."""
        if min(photo.shape) <= 2 * _ORB_MARGIN:  # on the tiniest OpenCV fails
            return _from_opencv([])
        found = _from_opencv(opencv().ORB_create(nfeatures=self.max_keypoints).detect(photo, None))
        strongest = np.argsort(-found.response, kind="stable")[: self.max_keypoints]
        return replace(found, size=found.size / np.float32(6)).take(strongest)


def _from_opencv(found: Sequence[Any]) -> Keypoints:
    rows = [(*point.pt, point.size, point.angle, point.response) for point in found]
    table = np.array(rows, dtype=np.float32).reshape(-1, 5)
    return Keypoints(table[:, :2], table[:, 2], table[:, 3], table[:, 4])
