"""Everything that features depend on, as one value."""

from __future__ import annotations

from dataclasses import dataclass

from solar.errors import UsageError
from solar.extraction.settings import Settings
from solar.features.features import KEYPOINT

KEYPOINTS = 500
IMAGE_SIZE = 1024
_MOST = {"dimensions": 1 << 12, "keypoints": 1 << 20, "image_size": 1 << 16}


@dataclass(frozen=True)
class FeatureExtraction(Settings):
    """What made features; those of different extractions are never matched.

    Attributes:
        descriptor: its name, or where it lies. Not compared: the fingerprint is.
        fingerprint: SHA-256, hexadecimal, of the descriptor.
        dimensions: D of the descriptors.
        keypoints: at most so many of a photo, the strongest.
        image_size: limit of the described copy's longest side, in pixels.
        binary: a bit holds each number of the descriptors.
        detector: of the keypoints.
    """

    descriptor: str
    fingerprint: str
    dimensions: int
    keypoints: int = KEYPOINTS
    image_size: int = IMAGE_SIZE
    binary: bool = False
    detector: str = "sift"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, most in _MOST.items():
            if not 1 <= getattr(self, name) <= most:
                raise UsageError(f"{name} {getattr(self, name)}: use 1 to {most}")
        if self.binary and self.dimensions % 8:
            raise UsageError(f"dimensions {self.dimensions}: bits come in eights")

    @property
    def row_bytes(self) -> int:
        """Of each keypoint with its descriptor, as `Features.rows` gives them."""
        return KEYPOINT.itemsize + (self.dimensions // 8 if self.binary else self.dimensions)
