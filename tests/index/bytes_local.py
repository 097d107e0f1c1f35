"""A feature extractor without a network: a photo's features follow from its bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from solar.errors import PhotoError
from solar.extraction import Failed
from solar.features.extraction import FeatureExtraction
from solar.features.extractor import FeaturesOf
from solar.features.features import KEYPOINT, Features

if TYPE_CHECKING:
    from solar.photos import Box, Photo

NO_KEYPOINTS = b"no keypoints"
EXTRACTION = FeatureExtraction("bytes-local", hashlib.sha256(b"bytes local").hexdigest(), 4, 8, 64)


def bytes_features(content: bytes) -> Features:
    """The features of a photo with this content: 0 to 6 keypoints."""
    seed = int.from_bytes(hashlib.sha256(b"features" + content).digest(), "big")
    chance = np.random.default_rng(seed)
    count = 0 if content.startswith(NO_KEYPOINTS) else int(chance.integers(1, 7))
    keypoints = chance.integers(0, 1 << 16, (count, 4)).astype("<u2").view(KEYPOINT)[:, 0]
    descriptors = chance.integers(-127, 128, (count, EXTRACTION.dimensions)).astype(np.int8)
    return Features(64, 48, keypoints, descriptors)


class BytesLocal:
    """Notes what it is asked for; cannot describe what begins with `blind`."""

    def __init__(self, extraction: FeatureExtraction = EXTRACTION) -> None:
        self.extraction = extraction
        self.described: list[Path] = []

    def describe(
        self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
    ) -> Iterator[FeaturesOf | Failed]:
        for position, photo in enumerate(photos):
            assert isinstance(photo, Path)
            path = photo
            box = boxes[position] if boxes else None
            self.described.append(path)
            content = path.read_bytes()
            if content.startswith(b"blind"):
                yield Failed(position, PhotoError(f"{path}: cannot be described"))
            else:
                content += b"" if box is None else repr(box).encode()
                yield FeaturesOf(position, bytes_features(content))
