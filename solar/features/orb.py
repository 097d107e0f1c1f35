"""ORB as a descriptor of any keypoints: binary, beside real-valued ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from solar.features.keypoints import MAGNIFICATION, FloatArray, Keypoints
from solar.typing import GrayImage

_BITS = 256
_SIDE = 31  # pixels of a level that ORB looks at
_STEP = 1.2  # between the levels of its pyramid
_ENLARGED = 5  # levels finer than the photo, so that the smallest keypoints have one
_SMALLEST_LEVEL = 16  # pixels


def orb(photo: GrayImage, keypoints: Keypoints) -> FloatArray:
    """ORB by OpenCV (Rublee et al., ICCV 2011), at the level of its pyramid nearest a patch's size.

    A bit b becomes (2 b - 1) / 16, so that rows have unit length: the cosine of two is
    1 - h / 128 where h bits differ, and their order by distance is that of Hamming's.

    Returns:
        (N, 256), unit rows.
    """
    import cv2

    levels = _levels(keypoints, photo.shape)
    points = [
        cv2.KeyPoint(float(x), float(y), float(size), float(angle), 1.0, int(level), row)
        for row, ((x, y), size, angle, level) in enumerate(
            zip(keypoints.xy, keypoints.size, keypoints.angle, levels, strict=True)
        )
    ]
    described = np.zeros((len(points), _BITS), np.float32)
    if not points:
        return described
    extractor = cv2.ORB_create(
        scaleFactor=_STEP,
        nlevels=int(levels.max()) + 1,
        edgeThreshold=0,  # or it would drop the keypoints near the border
        firstLevel=_ENLARGED,
        patchSize=_SIDE,
    )
    kept, packed = extractor.compute(photo, points)  # by level; class_id says which is which
    described[[point.class_id for point in kept]] = unpacked(np.asarray(packed, np.uint8))
    return described


def unpacked(bits: npt.NDArray[np.uint8]) -> FloatArray:
    """Packed bits (N, D / 8) as unit rows (N, D) of -1 / sqrt(D) and 1 / sqrt(D)."""
    ones = np.unpackbits(bits, axis=1).astype(np.float32)
    return np.asarray((2 * ones - 1) / np.float32(max(1, ones.shape[1]) ** 0.5))


def _levels(keypoints: Keypoints, shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """The level where `_SIDE` pixels come closest to the side of the patches of networks."""
    patch = keypoints.size * np.float32(MAGNIFICATION)
    levels = np.round(np.log(patch / _SIDE) / np.log(_STEP)) + _ENLARGED
    top = int(np.log(min(shape[:2]) / _SMALLEST_LEVEL) / np.log(_STEP)) + _ENLARGED
    return np.asarray(levels.clip(0, max(0, top)), np.int64)
