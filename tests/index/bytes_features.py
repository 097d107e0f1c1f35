"""An extractor of features without a network: a photo's features follow from its bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from solar.errors import PhotoError
from solar.extraction import Failed
from solar.features.extraction import FeatureExtraction
from solar.features.extractor import FeaturesOf
from solar.features.features import KEYPOINT, Features
from solar.photos import Box, Photo, name_of
from tests.index.bytes_extractor import content_of

NO_KEYPOINTS = b"no keypoints"
MADE = FeatureExtraction("bytes-local", hashlib.sha256(b"bytes local").hexdigest(), 4, 8, 64)


def bytes_features(content: bytes) -> Features:
    """The features of a photo with this content: 0 to 6 keypoints."""
    seed = int.from_bytes(hashlib.sha256(b"codes" + content).digest(), "big")
    chance = np.random.default_rng(seed)
    count = 0 if content.startswith(NO_KEYPOINTS) else int(chance.integers(1, 7))
    keypoints = chance.integers(0, 1 << 16, (count, 4)).astype("<u2").view(KEYPOINT)[:, 0]
    descriptors = chance.integers(0, 256, (count, MADE.dimensions)).astype(np.uint8)
    return Features(64, 48, keypoints, descriptors)


@dataclass
class BytesFeatures:
    """Notes what it is asked for; cannot describe what begins with `blind`."""

    extraction: FeatureExtraction = MADE
    described: list[Path] = field(default_factory=list)

    def describe(
        self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
    ) -> Iterator[FeaturesOf | Failed]:
        for position, photo in enumerate(photos):
            name = name_of(photo, position, len(photos))
            self.described.append(Path(os.fspath(name)))
            content = content_of(photo)
            box = boxes[position] if boxes else None
            if content.startswith(b"blind"):
                yield Failed(position, PhotoError("cannot be described", name))
            else:
                content += b"" if box is None else repr(box).encode()
                yield FeaturesOf(position, bytes_features(content))
