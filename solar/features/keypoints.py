"""Keypoints of a photo, and what finds and describes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from solar.typing import GrayImage

MAGNIFICATION = 6.0
"""Side of what is described around a keypoint, in keypoint sizes: SIFT's region, 12 sigma."""

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

    @classmethod
    def from_opencv(cls, found: Sequence[Any]) -> Keypoints:
        """OpenCV's keypoints."""
        rows = [(*point.pt, point.size, point.angle, point.response) for point in found]
        table = np.array(rows, dtype=np.float32).reshape(-1, 5)
        return cls(table[:, :2], table[:, 2], table[:, 3], table[:, 4])

    def strongest(self, most: int) -> npt.NDArray[np.int64]:
        """Rows of at most so many, the strongest first."""
        return np.argsort(-self.response, kind="stable")[:most]

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


class DescribeKeypoints(Protocol):
    """Anything that describes the keypoints of a grey photo, (height, width) uint8."""

    def __call__(self, photo: GrayImage, keypoints: Keypoints) -> FloatArray:
        """(N, D) descriptors, unit rows, in the order of the keypoints."""
        ...


@dataclass(frozen=True)
class KeypointDescriptor:
    """A descriptor of keypoints with what identifies it.

    Attributes:
        name: for tables.
        fingerprint: SHA-256, hexadecimal: equal if and only if descriptors are.
        dimensions: D.
        describe: makes them.
        bits: that hold each number where it is kept; see `solar.features.compact.BITS`.
        detected: finds the strongest so many of SIFT's keypoints of at least some contrast, and
            describes them in one go; None if it cannot.
        engine: what runs a network, in words; None where there is none.
    """

    name: str
    fingerprint: str
    dimensions: int
    describe: DescribeKeypoints
    bits: int = 8
    detected: Callable[[GrayImage, int, float], tuple[Keypoints, FloatArray]] | None = None
    engine: str | None = None

    def __call__(self, photo: GrayImage, keypoints: Keypoints) -> FloatArray:
        """(N, D) descriptors of a grey photo's keypoints, unit rows."""
        return self.describe(photo, keypoints)
