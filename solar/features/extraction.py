"""Everything that features depend on, as one value, and features as bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from solar.errors import SolarError, UsageError
from solar.extraction.settings import Settings
from solar.features.compact import BITS
from solar.features.features import KEYPOINT, Features

KEYPOINTS = 276
IMAGE_SIZE = 640
_SIZE = struct.Struct("<II")
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
        bits: that hold each number of the descriptors; see `solar.features.compact.BITS`.
        detector: of the keypoints.
    """

    descriptor: str
    fingerprint: str
    dimensions: int
    keypoints: int = KEYPOINTS
    image_size: int = IMAGE_SIZE
    bits: int = 8
    detector: str = "sift"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, most in _MOST.items():
            if not 1 <= getattr(self, name) <= most:
                raise UsageError(f"{name} {getattr(self, name)}: use 1 to {most}")
        if self.bits not in BITS:
            raise UsageError(f"bits {self.bits}: use {', '.join(map(str, BITS))}")
        if self.dimensions * self.bits % 8:
            raise UsageError(f"dimensions {self.dimensions}: bits come in eights")

    @property
    def row_bytes(self) -> int:
        """Of each keypoint with its descriptor, as `Features.rows` gives them."""
        return KEYPOINT.itemsize + self.dimensions * self.bits // 8


def to_bytes(features: Features) -> bytes:
    """Width and height of the copy that was described, then each keypoint with its descriptor."""
    return _SIZE.pack(features.width, features.height) + features.rows().tobytes()


def from_bytes(content: bytes, made: FeatureExtraction) -> Features:
    """What `to_bytes` made bytes of.

    Raises:
        SolarError: these are no such bytes.
    """
    if len(content) < _SIZE.size or (len(content) - _SIZE.size) % made.row_bytes:
        raise SolarError("features of a length that cannot be")
    width, height = _SIZE.unpack_from(content)
    if not 0 < width < 1 << 16 or not 0 < height < 1 << 16:
        raise SolarError("features of a size that no photo has")
    rows = np.frombuffer(content, np.uint8, offset=_SIZE.size).reshape(-1, made.row_bytes)
    return Features.from_rows(width, height, rows, bits=made.bits)
