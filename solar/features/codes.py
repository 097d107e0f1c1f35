"""Local codes: a photo's keypoints and their descriptors, one byte for each number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from solar.features.keypoints import FloatArray, Keypoints

KEYPOINT = np.dtype([("x", "<u2"), ("y", "<u2"), ("size", "<u2"), ("angle", "<u2")])
WHOLE = (0.0, 0.0, 1.0, 1.0)
_STEPS = 1 << 16  # Of a side of the photo, and of a full turn.
_OCTAVE = 4096  # Steps of a doubling of a keypoint's size, from 1/16 pixel to 4096 pixels.
_SMALLEST = -4.0
_LARGEST_BYTE = 127

Rows = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Codes:
    """The keypoints of a photo, or of a box of it, as they were found in a copy of some size.

    A descriptor's byte is its number times 127 over the largest of its row. Rows are made unit
    again, so that factor need not be kept; the cosine of a row with the original is above 0.9995.

    Attributes:
        width: of the copy, pixels.
        height: of the copy, pixels.
        keypoints: (N,) of the type `KEYPOINT`: places as parts of the sides, sizes by their
            logarithm, angles as parts of a turn.
        descriptors: (N, D) int8.
        frame: x1, y1, x2, y2: what the copy shows of the photo, as parts of its sides.
    """

    width: int
    height: int
    keypoints: npt.NDArray[np.void]
    descriptors: npt.NDArray[np.int8]
    frame: tuple[float, float, float, float] = WHOLE

    @classmethod
    def of(
        cls,
        keypoints: Keypoints,
        descriptors: FloatArray,
        shape: tuple[int, int],
        frame: tuple[float, float, float, float] = WHOLE,
    ) -> Codes:
        """Encode.

        Args:
            keypoints: N of them, in pixels of the copy.
            descriptors: (N, D) of them.
            shape: (height, width) of the copy.
            frame: what the copy shows; see the class.
        """
        height, width = shape
        coded = np.empty(len(keypoints), KEYPOINT)
        for name, side, places in zip("xy", (width, height), keypoints.xy.T, strict=True):
            coded[name] = np.clip((places + 0.5) / side * _STEPS, 0, _STEPS - 1)
        octaves = np.log2(keypoints.size) - _SMALLEST
        coded["size"] = np.clip(np.round(octaves * _OCTAVE), 0, _STEPS - 1)
        coded["angle"] = np.round(keypoints.angle / 360 * _STEPS).astype(np.int64) % _STEPS
        largest = np.abs(descriptors).max(axis=1, keepdims=True, initial=1e-12)
        rows = np.round(descriptors * (_LARGEST_BYTE / largest)).astype(np.int8)
        return cls(width, height, coded, rows, frame)

    @classmethod
    def from_rows(cls, width: int, height: int, rows: Rows) -> Codes:
        """From what `rows` gave."""
        split = KEYPOINT.itemsize
        keypoints = np.ascontiguousarray(rows[:, :split]).view(KEYPOINT)[:, 0]
        return cls(width, height, keypoints, rows[:, split:].view(np.int8))

    def rows(self) -> Rows:
        """(N, 8 + D) bytes: each keypoint with its descriptor."""
        keypoints = self.keypoints.view(np.uint8).reshape(len(self), KEYPOINT.itemsize)
        return np.concatenate([keypoints, self.descriptors.view(np.uint8)], axis=1)

    def __len__(self) -> int:
        return len(self.keypoints)

    @property
    def parts(self) -> npt.NDArray[np.float64]:
        """(N, 2) places, 0 to 1 along the sides of the copy."""
        return (np.stack([self.keypoints["x"], self.keypoints["y"]], axis=1) + 0.5) / _STEPS

    @property
    def xy(self) -> npt.NDArray[np.float64]:
        """(N, 2) places in pixels of the copy; pixel centres have whole coordinates."""
        return self.parts * (self.width, self.height) - 0.5

    @property
    def turn_and_size(self) -> npt.NDArray[np.complex128]:
        """(N,) size in pixels times e^(i angle): multiplied as keypoints are turned and scaled."""
        size = 2.0 ** (self.keypoints["size"] / _OCTAVE + _SMALLEST)
        return np.asarray(size * np.exp(2j * np.pi / _STEPS * self.keypoints["angle"]))

    @property
    def unit_descriptors(self) -> FloatArray:
        """(N, D) float32, unit rows; a row of zeros stays one."""
        return unit_rows(self.descriptors)


def unit_rows(coded: npt.NDArray[np.int8]) -> FloatArray:
    """Coded descriptors (N, D) as float32 of unit length."""
    rows = coded.astype(np.float32)
    squares = np.einsum("nd,nd->n", rows, rows)
    rows /= np.sqrt(np.maximum(squares, 1))[:, None]
    return rows
