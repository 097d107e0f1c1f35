"""The features of a photo, kept compactly: its keypoints and their descriptors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from solar.features.keypoints import FloatArray, Keypoints
from solar.features.orb import unpacked

KEYPOINT = np.dtype([("x", "<u2"), ("y", "<u2"), ("size", "<u2"), ("angle", "<u2")])
WHOLE = (0.0, 0.0, 1.0, 1.0)
_STEPS = 1 << 16  # Of a side of the photo, and of a full turn.
_OCTAVE = 4096  # Steps of a doubling of a keypoint's size, from 1/16 pixel to 4096 pixels.
_SMALLEST = -4.0
_LARGEST_BYTE = 127

Rows = npt.NDArray[np.uint8]
Compact = npt.NDArray[np.int8] | npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Features:
    """The keypoints of a photo, or of a box of it, as they were found in a copy of some size.

    A real descriptor keeps a byte a number: times 127 over the largest of its row. Rows are made
    unit again, so that factor need not be kept; the cosine of a row with the original is above
    0.9995. A binary descriptor keeps a bit a number, without loss.

    Attributes:
        width: of the copy, pixels.
        height: of the copy, pixels.
        keypoints: (N,) of the type `KEYPOINT`: positions as parts of the sides, sizes by their
            logarithm, angles as parts of a turn.
        descriptors: (N, D) int8, or (N, D / 8) uint8 of bits where they are binary.
        frame: x1, y1, x2, y2: what the copy shows of the photo, as parts of its sides.
    """

    width: int
    height: int
    keypoints: npt.NDArray[np.void]
    descriptors: Compact
    frame: tuple[float, float, float, float] = WHOLE

    @classmethod
    def of(
        cls,
        keypoints: Keypoints,
        descriptors: FloatArray,
        shape: tuple[int, int],
        frame: tuple[float, float, float, float] = WHOLE,
        *,
        binary: bool = False,
    ) -> Features:
        """Make compact.

        Args:
            keypoints: N of them, in pixels of the copy.
            descriptors: (N, D) of them.
            shape: (height, width) of the copy.
            frame: what the copy shows; see the class.
            binary: every number of the descriptors is one of two; D is a multiple of 8.
        """
        height, width = shape
        compact = np.empty(len(keypoints), KEYPOINT)
        for name, side, at in zip("xy", (width, height), keypoints.xy.T, strict=True):
            compact[name] = np.clip((at + 0.5) / side * _STEPS, 0, _STEPS - 1)
        octaves = np.log2(keypoints.size) - _SMALLEST
        compact["size"] = np.clip(np.round(octaves * _OCTAVE), 0, _STEPS - 1)
        compact["angle"] = np.round(keypoints.angle / 360 * _STEPS).astype(np.int64) % _STEPS
        rows = _bits(descriptors) if binary else _bytes(descriptors)
        return cls(width, height, compact, rows, frame)

    @classmethod
    def from_rows(cls, width: int, height: int, rows: Rows, *, binary: bool = False) -> Features:
        """From what `rows` gave."""
        split = KEYPOINT.itemsize
        keypoints = np.ascontiguousarray(rows[:, :split]).view(KEYPOINT)[:, 0]
        descriptors = rows[:, split:]
        return cls(width, height, keypoints, descriptors if binary else descriptors.view(np.int8))

    def rows(self) -> Rows:
        """(N, 8 + D) bytes, or (N, 8 + D / 8): each keypoint with its descriptor."""
        keypoints = self.keypoints.view(np.uint8).reshape(len(self), KEYPOINT.itemsize)
        return np.concatenate([keypoints, self.descriptors.view(np.uint8)], axis=1)

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
        return unit_rows(self.descriptors)


def unit_rows(compact: Compact) -> FloatArray:
    """Compact descriptors as float32 (N, D) of unit length; a row of zeros stays one.

    The cosine of two binary ones is 1 - 2 h / D where h bits differ.
    """
    if compact.dtype == np.uint8:
        return unpacked(compact.view(np.uint8))
    rows = compact.astype(np.float32)
    squares = np.einsum("nd,nd->n", rows, rows)
    rows /= np.sqrt(np.maximum(squares, 1))[:, None]
    return rows


def _bytes(descriptors: FloatArray) -> npt.NDArray[np.int8]:
    largest = np.abs(descriptors).max(axis=1, keepdims=True, initial=1e-12)
    return np.asarray(np.round(descriptors * (_LARGEST_BYTE / largest)), np.int8)


def _bits(descriptors: FloatArray) -> npt.NDArray[np.uint8]:
    return np.packbits(descriptors > 0, axis=1)
