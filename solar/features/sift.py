"""SIFT and RootSIFT as descriptors of any keypoints."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from solar.features.keypoints import FloatArray, Keypoints
from solar.features.opencv import opencv
from solar.typing import GrayImage


@dataclass(frozen=True)
class Sift:
    """SIFT by OpenCV (Lowe, IJCV 2004), at unit length.

    Attributes:
        root: RootSIFT: square roots of the L1-normalised rows (Arandjelović, Zisserman, CVPR 2012).
    """

    root: bool = True
    dimensions: int = 128
    binary: bool = False

    @property
    def name(self) -> str:
        """What tables call it."""
        return "RootSIFT" if self.root else "SIFT"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what it is."""
        return hashlib.sha256(f"{self.name} of OpenCV's SIFT keypoints".encode()).hexdigest()

    def __call__(self, photo: GrayImage, keypoints: Keypoints) -> FloatArray:
        """(N, 128), unit rows; a row of zeros where the photo is flat."""
        cv2 = opencv()
        points = _to_opencv(keypoints, photo.shape, cv2.KeyPoint)
        if not points:
            return np.empty((0, self.dimensions), np.float32)
        sift = np.asarray(
            cv2.SIFT_create(enable_precise_upscale=True).compute(photo, points)[1], np.float32
        )
        norms = sift.sum(1) if self.root else np.linalg.norm(sift, axis=1)
        rows = sift / np.maximum(norms, np.float32(1e-12))[:, None]
        return np.asarray(np.sqrt(rows) if self.root else rows, np.float32)


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
