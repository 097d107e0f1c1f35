"""A local describer without a network: a photo's codes follow from its bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from solar.errors import PhotoError
from solar.features.codes import KEYPOINT, Codes
from solar.features.extractor import LocalSettings

if TYPE_CHECKING:
    from solar.photos import Box

NO_KEYPOINTS = b"no keypoints"
SETTINGS = LocalSettings("bytes-local", hashlib.sha256(b"bytes local").hexdigest(), 4, 8, 64)


def bytes_codes(content: bytes) -> Codes:
    """The codes of a photo with this content: 0 to 6 keypoints."""
    seed = int.from_bytes(hashlib.sha256(b"codes" + content).digest(), "big")
    chance = np.random.default_rng(seed)
    count = 0 if content.startswith(NO_KEYPOINTS) else int(chance.integers(1, 7))
    keypoints = chance.integers(0, 1 << 16, (count, 4)).astype("<u2").view(KEYPOINT)[:, 0]
    descriptors = chance.integers(-127, 128, (count, SETTINGS.dimensions)).astype(np.int8)
    return Codes(64, 48, keypoints, descriptors)


class BytesLocal:
    """Notes what it is asked for; cannot describe what begins with `blind`."""

    def __init__(self, settings: LocalSettings = SETTINGS) -> None:
        self.settings = settings
        self.described: list[Path] = []

    def describe(self, path: Path, box: Box | None = None) -> Codes:
        self.described.append(path)
        content = path.read_bytes()
        if content.startswith(b"blind"):
            raise PhotoError(f"{path}: cannot be described")
        return bytes_codes(content if box is None else content + repr(box).encode())
