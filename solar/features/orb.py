"""ORB as a descriptor of any keypoints, a binary peer in the tables of real-valued ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from solar.features.describe import Descriptors, PatchDescriber
from solar.features.keypoints import GrayImage, Keypoints
from solar.features.opencv import opencv

BITS = 256
SIDE = 31  # pixels of a level that ORB looks at
_STEP = 1.2  # between the levels of its pyramid
_ENLARGED = 5  # levels finer than the photo, so that the smallest keypoints have one
_SMALLEST_LEVEL = 16  # pixels


def orb(photo: GrayImage, keypoints: Keypoints) -> Descriptors:
    """ORB by OpenCV (Rublee et al., ICCV 2011), at the level of its pyramid nearest a patch's size.

    A bit b becomes (2 b - 1) / 16, so that rows have unit length and the Euclidean distance of two
    is the square root of their Hamming distance, divided by 8: the order is the same.

    Returns:
        (N, 256), unit rows.
    """
    cv2 = opencv()
    levels = _levels(keypoints, photo.shape)
    points = [
        cv2.KeyPoint(float(x), float(y), float(size), float(angle), 1.0, int(level), row)
        for row, ((x, y), size, angle, level) in enumerate(
            zip(keypoints.xy, keypoints.size, keypoints.angle, levels, strict=True)
        )
    ]
    described = np.zeros((len(points), BITS), np.float32)
    if not points:
        return described
    extractor = cv2.ORB_create(
        scaleFactor=_STEP,
        nlevels=int(levels.max()) + 1,
        edgeThreshold=0,  # or it would drop the keypoints near the border
        firstLevel=_ENLARGED,
        patchSize=SIDE,
    )
    kept, codes = extractor.compute(photo, points)  # sorted by level; class_id says which is which
    bits = np.unpackbits(np.asarray(codes, np.uint8), axis=1)
    described[[point.class_id for point in kept]] = (2 * bits.astype(np.float32) - 1) / 16
    return described


def _levels(keypoints: Keypoints, shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """The level where `SIDE` pixels come closest to the side of the patches of networks."""
    patch = keypoints.size * np.float32(PatchDescriber.magnification)
    levels = np.round(np.log(patch / SIDE) / np.log(_STEP)) + _ENLARGED
    top = int(np.log(min(shape[:2]) / _SMALLEST_LEVEL) / np.log(_STEP)) + _ENLARGED
    return np.asarray(levels.clip(0, max(0, top)), np.int64)
