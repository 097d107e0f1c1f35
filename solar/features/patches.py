"""Square patches around keypoints, cut from the right level of an image pyramid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from solar.features.keypoints import FloatArray, Keypoints
from solar.typing import GrayImage

_SMALLEST_LEVEL = 16  # pixels; a smaller level is not made
_AT_ONCE = 256  # keypoints, whose samples then stay in the processor's caches


class PhotoPyramid:
    """A photo and its halvings, end to end in one array, so that one step samples any level.

    Level 0 is the photo; level l + 1 is level l smoothed by the binomial filter of 5 taps and
    halved, so that pixel x of level l lies at pixel 2**l x of the photo.
    """

    def __init__(self, photo: GrayImage) -> None:
        """Smooth and halve (height, width) uint8 until a side would fall below 16 pixels."""
        import cv2

        levels = [photo.astype(np.float32)]
        while min(levels[-1].shape) >= 2 * _SMALLEST_LEVEL:
            levels.append(cv2.pyrDown(levels[-1], borderType=cv2.BORDER_REPLICATE))
        self._pixels = np.concatenate([level.ravel() for level in levels])
        self._starts = np.cumsum([0, *(level.size for level in levels[:-1])])
        self._sizes = np.array([level.shape[::-1] for level in levels])  # width, height

    def patches(
        self, keypoints: Keypoints, *, size: int = 32, magnification: float = 6.0
    ) -> FloatArray:
        """Patches turned and scaled with their keypoints, by bilinear sampling.

        The level is the one where a patch's samples lie closest to one pixel apart. Beyond the
        photo its border pixels repeat.

        Args:
            keypoints: N keypoints; make them `upright` to ignore their angles.
            size: samples along a side.
            magnification: side of the patch in the photo, in keypoint sizes. 6 is the region of
                the SIFT descriptor: 12 sigma.

        Returns:
            (N, 1, size, size) float32, 0 to 255.
        """
        patches = np.empty((len(keypoints), 1, size, size), np.float32)
        step = keypoints.size * np.float32(magnification / size)  # pixels of the photo
        for start in range(0, len(keypoints), _AT_ONCE):
            rows = np.arange(start, min(start + _AT_ONCE, len(keypoints)))
            patches[rows, 0] = self._sampled(keypoints.take(rows), step[rows], size)
        return patches

    def _sampled(self, keypoints: Keypoints, step: FloatArray, size: int) -> FloatArray:
        """(n, size, size) samples so many pixels apart."""
        levels = np.rint(np.log2(step)).astype(np.int64).clip(0, len(self._starts) - 1)
        shrink = np.exp2(-levels.astype(np.float32))[:, None]
        centre = keypoints.xy * shrink  # from here on in pixels of the level
        angle = np.deg2rad(keypoints.angle)[:, None]
        ticks = (np.arange(size, dtype=np.float32) - (size - 1) / 2) * (step[:, None] * shrink)
        along, across = ticks * np.cos(angle), ticks * np.sin(angle)  # (n, size)
        x = (centre[:, :1] + along)[:, None, :] - across[:, :, None]  # (n, size, size)
        y = (centre[:, 1:] + across)[:, None, :] + along[:, :, None]
        width, height = self._sizes[levels].T[:, :, None, None]  # (n, 1, 1) each
        left, right, u = _neighbours(x, width)
        top, bottom, v = _neighbours(y, height)
        top, bottom = (rows * width + self._starts[levels, None, None] for rows in (top, bottom))
        upper, lower = (
            self._pixels[row + left] * (1 - u) + self._pixels[row + right] * u
            for row in (top, bottom)
        )
        sampled: FloatArray = upper * (1 - v) + lower * v
        return sampled


def _neighbours(
    at: FloatArray, extent: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], FloatArray]:
    """The pixels on both sides of each position, and how far it is from the first."""
    inside = np.clip(at, 0, extent - 1, dtype=np.float32, casting="same_kind")
    before = inside.astype(np.int64)
    return before, np.minimum(before + 1, extent - 1), inside - before.astype(np.float32)
