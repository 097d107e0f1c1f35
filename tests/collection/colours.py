"""An extractor without a network: a photo's descriptor is the histogram of its colours.

It does not change when a photo is mirrored, turned or scaled, and little when it is cropped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from solar.calibration import Calibration, Level, Supported, Weights
from solar.errors import PhotoError
from solar.extraction import Described, Extraction, Failed
from solar.photos import Box, Photo, decode, name_of
from solar.typing import Descriptor

BINS = 6
MADE = Extraction("colours", hashlib.sha256(b"colours").hexdigest(), BINS**3, 64, (1.0,))
CALIBRATION = Calibration(
    MADE.fingerprint, Weights(-4, 1), Weights(-6, 1, 2.5), Supported(), Level(0.3, 0.2, 100)
)
"""A photo with as many inliers as chance gives is improbable, one with 30 very probable."""


def histogram(photo: Photo, box: Box | None = None) -> Descriptor:
    """The square roots of how often colours are there: unit length."""
    pixels = np.asarray(decode(photo).prepared(64, box)).reshape(-1, 3)
    bins = np.ravel_multi_index(tuple((pixels // (256 // BINS + 1)).T), (BINS,) * 3)
    counts = np.bincount(bins, minlength=BINS**3)
    found: Descriptor = np.sqrt(counts / counts.sum()).astype(np.float32)
    return found


@dataclass
class ColourExtractor:
    """Notes what it is asked for."""

    extraction: Extraction = MADE
    described: list[str] = field(default_factory=list)

    def describe(
        self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
    ) -> Iterator[Described | Failed]:
        for position, photo in enumerate(photos):
            self.described.append(name_of(photo))
            try:
                found = histogram(photo, boxes[position] if boxes else None)
            except PhotoError as error:
                yield Failed(position, error)
                continue
            yield Described(position, found)
