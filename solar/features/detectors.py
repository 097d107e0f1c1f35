"""Detectors of keypoints, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from solar.errors import UsageError
from solar.features.keypoints import MAGNIFICATION, Detector, Keypoints
from solar.typing import GrayImage

CONTRAST = 0.04
"""Of OpenCV's SIFT where nothing else is said."""
_ORB_MARGIN = 31  # pixels from the border where OpenCV's ORB finds nothing


@dataclass(frozen=True)
class SiftDetector:
    """OpenCV's difference of Gaussians (Lowe, IJCV 2004).

    Attributes:
        max_keypoints: the strongest so many are kept; orientations of a point count one by one.
        upright: drop orientations; see `Keypoints.upright`.
        contrast: the least, as OpenCV counts it; below OpenCV's own, fainter keypoints too.
    """

    max_keypoints: int = 2000
    upright: bool = False
    contrast: float = CONTRAST

    def __call__(self, photo: GrayImage) -> Keypoints:
        """At most `max_keypoints` keypoints, the strongest first."""
        import cv2

        # Without the precise upscale every point would lie 1/4 px too far right and down.
        sift = cv2.SIFT_create(
            nfeatures=self.max_keypoints,
            contrastThreshold=self.contrast,
            enable_precise_upscale=True,
        )
        found = Keypoints.from_opencv(sift.detect(photo, None))
        keypoints = found.take(found.strongest(self.max_keypoints))
        return keypoints.upright() if self.upright else keypoints


@dataclass(frozen=True)
class OrbDetector:
    """OpenCV's oriented FAST corners on a pyramid (Rublee et al., ICCV 2011): quicker than SIFT's.

    ORB describes 31 px at its finest level; sizes are stated so that `MAGNIFICATION` of them cover
    the same.

    Attributes:
        max_keypoints: the strongest so many are kept.
    """

    max_keypoints: int = 2000

    def __call__(self, photo: GrayImage) -> Keypoints:
        """At most `max_keypoints` keypoints, the strongest first."""
        if min(photo.shape) <= 2 * _ORB_MARGIN:  # on the tiniest OpenCV fails
            return Keypoints.from_opencv([])
        import cv2

        orb = cv2.ORB_create(nfeatures=self.max_keypoints)
        found = Keypoints.from_opencv(orb.detect(photo, None))
        found = found.take(found.strongest(self.max_keypoints))
        return replace(found, size=found.size / np.float32(MAGNIFICATION))


DETECTORS: dict[str, Callable[[int], Detector]] = {
    "sift": SiftDetector,
    "sift-faint": partial(SiftDetector, contrast=CONTRAST / 2),
    "orb": OrbDetector,
}
"""`sift-faint` finds keypoints of half the contrast too, as COLMAP's SIFT does: for maps."""


def open_detector(name: str, keypoints: int) -> Detector:
    """A built-in detector of so many keypoints: `sift`, `sift-faint` or `orb`.

    Raises:
        UsageError: another name.
    """
    if name not in DETECTORS:
        raise UsageError(f"detector {name}: use {' or '.join(DETECTORS)}")
    return DETECTORS[name](keypoints)
