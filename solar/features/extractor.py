"""What makes features: keypoints of a photo, and a descriptor of each."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from solar.errors import PhotoError, UsageError
from solar.extraction import Failed
from solar.features.descriptors import open_descriptor
from solar.features.detectors import SiftDetector, open_detector
from solar.features.extraction import IMAGE_SIZE, KEYPOINTS, FeatureExtraction
from solar.features.features import WHOLE, Features
from solar.features.keypoints import (
    DescribeKeypoints,
    Detector,
    FloatArray,
    KeypointDescriptor,
    Keypoints,
)
from solar.files.threads import cores, threads
from solar.photos import Box, Photo, decode, name_of

_AHEAD = 4  # photos a thread that may wait for whoever takes their features


@dataclass(frozen=True, eq=False)
class FeaturesOf:
    """A photo's features.

    Attributes:
        position: of the photo among those asked for.
        features: its own.
    """

    position: int
    features: Features


@runtime_checkable
class FeatureExtractor(Protocol):
    """Turns photos into features, always in the same way; used by many threads at once."""

    @property
    def extraction(self) -> FeatureExtraction:
        """What the features depend on."""
        ...

    def describe(
        self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
    ) -> Iterator[FeaturesOf | Failed]:
        """The features of photos, or of boxes of them; one that cannot be used stops no other.

        Args:
            photos: any, each decoded once.
            boxes: one for each, None for a whole photo; None for whole photos.

        Returns:
            For each photo once, in any order: its features, or why it has none.
        """
        ...


def open_feature_extractor(
    name: str | Path,
    device: str = "auto",
    precision: str = "auto",
    *,
    detector: str = "sift",
    keypoints: int = KEYPOINTS,
    image_size: int = IMAGE_SIZE,
) -> KeypointExtractor:
    """What makes features.

    Args:
        name: of a descriptor; see `open_descriptor`.
        device: where a network runs; `auto` for the graphics processor if there is one.
        precision: of a network's arithmetic; see `open_patch_descriptor`.
        detector: `sift`, `sift-faint` or `orb`.
        keypoints: at most so many of a photo, the strongest.
        image_size: limit of the described copy's longest side, in pixels.

    Raises:
        CheckpointError: the network cannot be loaded.
        UsageError: there is no such descriptor, detector or device.
    """
    import cv2  # noqa: F401  while a query is still read, not when its keypoints are wanted

    finds, found = open_detector(detector, keypoints), open_descriptor(name, device, precision)
    extraction = FeatureExtraction(
        os.fspath(name),
        found.fingerprint,
        found.dimensions,
        keypoints,
        image_size,
        found.bits,
        detector,
    )
    return KeypointExtractor(extraction, finds, found)


def features_of_one(extractor: FeatureExtractor, photo: Photo, box: Box | None = None) -> Features:
    """The features of one photo, or of a box of it.

    Raises:
        PhotoError: it cannot be used.
        UsageError: the box lies outside it.
    """
    (found,) = extractor.describe([photo], [box])
    if isinstance(found, Failed):
        raise found.error
    return found.features


@dataclass(frozen=True)
class KeypointExtractor:
    """A detector of keypoints and a descriptor of what it finds.

    Attributes:
        extraction: how many keypoints, in a copy of what size, and what `descriptor` is.
        detector: finds them.
        descriptor: describes them.
    """

    extraction: FeatureExtraction
    detector: Detector
    descriptor: DescribeKeypoints

    def describe(
        self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
    ) -> Iterator[FeaturesOf | Failed]:
        """See `FeatureExtractor.describe`; no keypoint of a box sees beyond it."""
        if boxes is not None and len(boxes) != len(photos):
            raise UsageError(f"{len(boxes)} boxes for {len(photos)} photos")

        def describe(position: int) -> FeaturesOf | Failed:
            try:
                photo = photos[position]  # once: it may be decoded by that
                name = name_of(photo, position, len(photos))
                features = self._features(photo, name, boxes[position] if boxes else None)
            except (PhotoError, UsageError) as error:
                return Failed(position, error)
            return FeaturesOf(position, features)

        return _in_threads(describe, len(photos))

    def _features(self, photo: Photo, name: str, box: Box | None) -> Features:
        seen = see(photo, name, self.detector, self.descriptor, self.extraction.image_size, box)
        descriptors = seen.descriptors
        if len(descriptors) == 0:
            descriptors = np.empty((0, self.extraction.dimensions), np.float32)
        frame, bits = frame_of(box, seen.size), self.extraction.bits
        return Features.of(seen.keypoints, descriptors, seen.shape, frame, bits=bits)


@dataclass(frozen=True, eq=False)
class SeenPhoto:
    """What was found in a photo, before it is made compact.

    Attributes:
        keypoints: N, in pixels of the copy that was looked at.
        descriptors: (N, D) of them.
        shape: (height, width) of the copy.
        size: (width, height) of the photo.
    """

    keypoints: Keypoints
    descriptors: FloatArray
    shape: tuple[int, int]
    size: tuple[int, int]


def see(
    photo: Photo,
    name: str,
    detector: Detector,
    descriptor: DescribeKeypoints,
    image_size: int,
    box: Box | None = None,
) -> SeenPhoto:
    """Find and describe the keypoints of a photo, or of a box of it.

    Args:
        photo: any.
        name: what errors call it.
        detector: finds its keypoints.
        descriptor: describes them.
        image_size: limit of the longest side of the copy that is looked at, in pixels.
        box: x1, y1, x2, y2 in pixels of the upright photo.

    Raises:
        PhotoError: it cannot be used.
        UsageError: the box lies outside the photo, or the image size is below 1.
    """
    opened = decode(photo, name, wanted=image_size)
    copy = np.array(opened.prepared(image_size, box).convert("L"))
    size = opened.size
    del opened  # before the detector's pyramids
    if isinstance(detector, SiftDetector) and not detector.upright:
        at_once = descriptor.detected if isinstance(descriptor, KeypointDescriptor) else None
        if at_once is not None:
            return SeenPhoto(
                *at_once(copy, detector.max_keypoints, detector.contrast), copy.shape, size
            )
    found = detector(copy)
    return SeenPhoto(found, descriptor(copy, found), copy.shape, size)


def frame_of(box: Box | None, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """What of a photo of some size (width, height) lies in a box: x1, y1, x2, y2 as parts of it."""
    if box is None:
        return WHOLE
    (x1, y1, x2, y2), (width, height) = box, size
    return max(x1, 0) / width, max(y1, 0) / height, min(x2 / width, 1), min(y2 / height, 1)


def _in_threads(
    describe: Callable[[int], FeaturesOf | Failed], count: int
) -> Iterator[FeaturesOf | Failed]:
    """What `describe` gives for 0, 1, ..., in order, a bounded number of them ahead."""
    most = min(cores(), max(1, count))
    waiting: deque[Future[FeaturesOf | Failed]] = deque()
    with threads(most) as pool:
        for position in range(count):
            if len(waiting) == _AHEAD * most:
                yield waiting.popleft().result()
            waiting.append(pool.submit(describe, position))
        while waiting:
            yield waiting.popleft().result()
