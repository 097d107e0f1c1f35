"""SIFT and RootSIFT as descriptors of any keypoints."""

from __future__ import annotations

from typing import Any

import numpy as np

from solar.features.keypoints import FloatArray, Keypoints
from solar.typing import GrayImage
from solar.unit import of_unit_length


def sift(photo: GrayImage, keypoints: Keypoints) -> FloatArray:
    """SIFT by OpenCV (Lowe, IJCV 2004).

    Returns:
        (N, 128), unit rows; a row of zeros where the photo is flat.
    """
    rows = _histograms(photo, keypoints)
    return of_unit_length(rows)


def root_sift(photo: GrayImage, keypoints: Keypoints) -> FloatArray:
    """RootSIFT: square roots of L1-normalised SIFT (Arandjelović, Zisserman, CVPR 2012).

    Returns:
        (N, 128), unit rows; a row of zeros where the photo is flat.
    """
    return _root(_histograms(photo, keypoints))


def detected(photo: GrayImage, most: int, contrast: float) -> tuple[Keypoints, FloatArray]:
    """What `SiftDetector` finds, described by RootSIFT from the same pyramid: in 2/3 of the time.

    Args:
        photo: (height, width).
        most: the strongest so many are kept.
        contrast: the least; see `SiftDetector`.

    Returns:
        N keypoints, the strongest first, and (N, 128) of them.
    """
    import cv2

    sift = cv2.SIFT_create(nfeatures=most, contrastThreshold=contrast, enable_precise_upscale=True)
    points, rows = sift.detectAndCompute(photo, None)
    keypoints = Keypoints.from_opencv(points)
    strongest = keypoints.strongest(most)
    rows = np.empty((0, 128), np.float32) if rows is None else rows[strongest]
    return keypoints.take(strongest), _root(rows)


def _root(rows: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(rows / np.maximum(rows.sum(1), np.float32(1e-12))[:, None]))


def _histograms(photo: GrayImage, keypoints: Keypoints) -> FloatArray:
    """(N, 128) as OpenCV gives them."""
    import cv2

    points = _to_opencv(keypoints, photo.shape, cv2.KeyPoint)
    if not points:
        return np.empty((0, 128), np.float32)
    described = cv2.SIFT_create(enable_precise_upscale=True).compute(photo, points)[1]
    return np.asarray(described, np.float32)


def _to_opencv(keypoints: Keypoints, shape: tuple[int, ...], make: Any) -> list[Any]:
    """OpenCV's keypoints, with the octave and layer of its SIFT pyramid that their sizes imply.

    OpenCV's size is 2 * 1.6 * 2**(octave + layer / 3), with layers 1 to 3 up to half a layer off.
    """
    layers = np.round(3 * np.log2(keypoints.size / 3.2)).astype(int)
    top = max(0, int(np.log2(min(shape[:2]))) - 3)
    octaves = np.clip((layers - 1) // 3, -1, top)
    packed = (octaves & 255) | (np.clip(layers - 3 * octaves, 1, 3) << 8)
    return [
        make(float(x), float(y), float(size), float(angle), float(response), int(octave))
        for (x, y), size, angle, response, octave in zip(
            keypoints.xy,
            keypoints.size,
            keypoints.angle,
            keypoints.response,
            packed,
            strict=True,
        )
    ]
