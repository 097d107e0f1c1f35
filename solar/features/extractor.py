"""What makes local codes: keypoints of a photo, described by RootSIFT or a patch network."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from solar.errors import PhotoError, UsageError
from solar.features.codes import WHOLE, Codes
from solar.features.describe import Describer, root_sift
from solar.features.keypoints import SiftDetector
from solar.features.named import ROOT_SIFT, network_describer
from solar.photos import Box, open_photo, prepare

KEYPOINTS = 500
IMAGE_SIZE = 1024
_DIMENSIONS = 128
_ROOT_SIFT_FINGERPRINT = hashlib.sha256(b"RootSIFT of OpenCV's SIFT keypoints").hexdigest()


@dataclass(frozen=True)
class LocalSettings:
    """How all local codes of a store are made; those made otherwise are refused.

    Attributes:
        name: `rootsift`, or what `solar.load_local` takes, a path being absolute.
        fingerprint: SHA-256 of the network's weights and architecture, hexadecimal.
        dimensions: D of the descriptors.
        keypoints: at most so many of a photo, the strongest.
        image_size: limit of the described copy's longest side, in pixels.
    """

    name: str
    fingerprint: str
    dimensions: int = _DIMENSIONS
    keypoints: int = KEYPOINTS
    image_size: int = IMAGE_SIZE


@runtime_checkable
class LocalDescriber(Protocol):
    """Turns photos into local codes, always in the same way; used by many threads at once."""

    @property
    def settings(self) -> LocalSettings:
        """What the codes depend on."""
        ...

    def describe(self, path: Path, box: Box | None = None) -> Codes:
        """The codes of a photo, or of a box of it.

        Raises:
            PhotoError: it cannot be used.
            UsageError: the box lies outside the photo.
        """
        ...


@dataclass(frozen=True)
class KeypointDescriber:
    """SIFT keypoints, described by anything that can.

    Attributes:
        settings: how many keypoints, in a copy of what size, and what `describer` is.
        describer: of the keypoints.
    """

    settings: LocalSettings
    describer: Describer

    def describe(self, path: Path, box: Box | None = None) -> Codes:
        """See `LocalDescriber.describe`; no keypoint of a box sees beyond it."""
        photo = open_photo(path)
        copy = np.array(prepare(photo, self.settings.image_size, box).convert("L"))
        frame = WHOLE if box is None else _frame(box, *photo.size)
        del photo  # Before the detector's pyramids.
        found = SiftDetector(self.settings.keypoints)(copy)
        if len(found) == 0:
            descriptors = np.empty((0, self.settings.dimensions), np.float32)
        else:
            descriptors = self.describer(copy, found)
        return Codes.of(found, descriptors, copy.shape, frame)


def _frame(box: Box, width: int, height: int) -> tuple[float, float, float, float]:
    """The part of a photo inside a box, as parts of its sides."""
    x1, y1, x2, y2 = box
    return max(x1, 0) / width, max(y1, 0) / height, min(x2 / width, 1), min(y2 / height, 1)


def load_local_describer(name: str) -> KeypointDescriber:
    """What makes local codes, on the graphics processor if there is one.

    Args:
        name: `rootsift`, or what `solar.load_local` takes.

    Raises:
        CheckpointError: the network cannot be loaded.
    """
    if name == ROOT_SIFT:
        return KeypointDescriber(LocalSettings(name, _ROOT_SIFT_FINGERPRINT), root_sift)
    from solar.index.describer import fastest_device
    from solar.models.checkpoints import load_local

    network = load_local(name)
    settings = LocalSettings(name, network.fingerprint)
    return KeypointDescriber(settings, network_describer(network.to(fastest_device())))


def describe_photos(
    describer: LocalDescriber, photos: Sequence[tuple[Path, Box | None]]
) -> Iterator[tuple[int, Codes | str]]:
    """The codes of many photos, or of boxes of them; one that cannot be used stops no other.

    Returns:
        For each photo, in order: its position, and its codes or one line that says why it has none.
    """

    def describe(position: int) -> tuple[int, Codes | str]:
        try:
            return position, describer.describe(*photos[position])
        except (PhotoError, UsageError) as error:
            return position, str(error)

    workers = os.cpu_count() or 1
    window = 4 * workers  # After an interruption, only these are still described.
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(photos), window):
            yield from pool.map(describe, range(start, min(start + window, len(photos))))
