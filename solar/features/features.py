"""The features of a photo, kept compactly: its keypoints and their descriptors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from solar.features.compact import Compact, packed, unit_rows
from solar.features.keypoints import FloatArray, Keypoints

KEYPOINT = np.dtype([("x", "<u2"), ("y", "<u2"), ("size", "<u2"), ("angle", "<u2")])
WHOLE = (0.0, 0.0, 1.0, 1.0)
_STEPS = 1 << 16  # Of a side of the photo, and of a full turn.
_OCTAVE = 4096  # Steps of a doubling of a keypoint's size, from 1/16 pixel to 4096 pixels.
_SMALLEST = -4.0

Rows = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Features:
    """The keypoints of a photo, or of a box of it, as they were found in a copy of some size.

    Attributes:
        width: of the copy, pixels.
        height: of the copy, pixels.
        keypoints: (N,) of the type `KEYPOINT`: positions as parts of the sides, sizes by their
            logarithm, angles as parts of a turn.
        descriptors: (N, D * bits / 8), as `solar.features.compact.packed` makes them.
        frame: x1, y1, x2, y2: what the copy shows of the photo, as parts of its sides.
        bits: of each number of the descriptors.
    """

    width: int
    height: int
    keypoints: npt.NDArray[np.void]
    descriptors: Compact
    frame: tuple[float, float, float, float] = WHOLE
    bits: int = 8

    @classmethod
    def of(
        cls,
        keypoints: Keypoints,
        descriptors: FloatArray,
        shape: tuple[int, int],
        frame: tuple[float, float, float, float] = WHOLE,
        *,
        bits: int = 8,
    ) -> Features:
        """Make compact.

        Args:
            keypoints: N of them, in pixels of the copy.
            descriptors: (N, D) of them.
            shape: (height, width) of the copy.
            frame: what the copy shows; see the class.
            bits: of each number that are kept.
        """
        height, width = shape
        compact = np.empty(len(keypoints), KEYPOINT)
        for name, side, at in zip("xy", (width, height), keypoints.xy.T, strict=True):
            compact[name] = np.clip((at + 0.5) / side * _STEPS, 0, _STEPS - 1)
        octaves = np.log2(keypoints.size) - _SMALLEST
        compact["size"] = np.clip(np.round(octaves * _OCTAVE), 0, _STEPS - 1)
        compact["angle"] = np.round(keypoints.angle / 360 * _STEPS).astype(np.int64) % _STEPS
        return cls(width, height, compact, packed(descriptors, bits), frame, bits)

    @classmethod
    def from_rows(cls, width: int, height: int, rows: Rows, *, bits: int = 8) -> Features:
        """From what `rows` gave."""
        split = KEYPOINT.itemsize
        keypoints = np.ascontiguousarray(rows[:, :split]).view(KEYPOINT)[:, 0]
        return cls(width, height, keypoints, rows[:, split:], bits=bits)

    def rows(self) -> Rows:
        """(N, 8 + D * bits / 8): each keypoint with its descriptor."""
        keypoints = self.keypoints.view(np.uint8).reshape(len(self), KEYPOINT.itemsize)
        return np.concatenate([keypoints, self.descriptors], axis=1)

    def take(self, rows: npt.NDArray[np.int64]) -> Features:
        """The keypoints at some rows, in that order."""
        return replace(self, keypoints=self.keypoints[rows], descriptors=self.descriptors[rows])

    def __len__(self) -> int:
        return len(self.keypoints)

    @property
    def parts(self) -> npt.NDArray[np.float64]:
        """(N, 2) positions, 0 to 1 along the sides of the copy."""
        return (np.stack([self.keypoints["x"], self.keypoints["y"]], axis=1) + 0.5) / _STEPS

    @property
    def xy(self) -> npt.NDArray[np.float64]:
        """(N, 2) positions in pixels of the copy; pixel centres have whole coordinates."""
        return self.parts * (self.width, self.height) - 0.5

    @property
    def turn_and_size(self) -> npt.NDArray[np.complex128]:
        """(N,) size in pixels times e^(i angle): multiplied as keypoints are turned and scaled."""
        size = 2.0 ** (self.keypoints["size"] / _OCTAVE + _SMALLEST)
        return np.asarray(size * np.exp(2j * np.pi / _STEPS * self.keypoints["angle"]))

    @property
    def unit_descriptors(self) -> FloatArray:
        """(N, D) float32, unit rows; a row of zeros stays one."""
        return unit_rows(self.descriptors, self.bits)
