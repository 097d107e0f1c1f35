"""Describing photos whose very bytes are known: what is described is what was hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np

from solar.errors import SolarError, UsageError
from solar.extraction import Extractor, Failed
from solar.features.extraction import to_bytes
from solar.features.extractor import FeatureExtractor, FeaturesOf
from solar.index._entries import LENGTH_TOLERANCE, Descriptor
from solar.photos import Photo


class WatchedPhoto:
    """A photo's file as a binary file, opened when it is read.

    Attributes:
        name: what errors call it.
        sha256: of the bytes that were handed out last, None before that.
    """

    def __init__(self, path: Path) -> None:
        """Watch the file at a path."""
        self.name = str(path)
        self.sha256: bytes | None = None
        self._path = path

    def read(self, size: int = -1) -> bytes:
        """The file from its beginning, or so many bytes of it."""
        with self._path.open("rb") as file:
            data = file.read(size)
        self.sha256 = hashlib.sha256(data).digest()
        return data


def describe_files(
    extractor: Extractor, files: Sequence[Path], dimensions: int
) -> Iterator[tuple[int, bytes | None, Descriptor | str]]:
    """Describe photos, D numbers each.

    Yields:
        In any order: position, SHA-256 of what was decoded (None if the file could not be read),
        and the descriptor, or one line that says why there is none.

    Raises:
        SolarError: the extractor does not keep to its protocol.
    """
    watched = [WatchedPhoto(path) for path in files]
    waiting = set(range(len(files)))
    for result in extractor.describe(cast("Sequence[Photo]", watched)):
        waiting.remove(result.position)
        photo = watched[result.position]
        if isinstance(result, Failed):
            yield result.position, photo.sha256, str(result.error)
            continue
        if result.descriptor.shape != (dimensions,):
            shape = result.descriptor.shape
            raise SolarError(f"{photo.name}: its descriptor has shape {shape}, not ({dimensions},)")
        length = float(np.linalg.norm(result.descriptor))
        if abs(length - 1) <= LENGTH_TOLERANCE:
            yield result.position, photo.sha256, result.descriptor.astype("<f4")
        else:  # NaN as well.
            why = f"{photo.name}: its descriptor has length {length:.4g} instead of 1"
            yield result.position, photo.sha256, why
    if waiting:
        raise SolarError(
            f"{len(waiting)} photos came back from extraction without a result, "
            f"among them {files[min(waiting)]}"
        )


def make_features(
    extractor: FeatureExtractor, files: Mapping[bytes, Path], step: Callable[[], None]
) -> dict[bytes, bytes | str]:
    """Make the features of photos.

    Args:
        extractor: makes them.
        files: one for each SHA-256 that it must have.
        step: called for each once it is done.

    Returns:
        For each SHA-256 the features, or one line that says why there are none.
    """
    watched, keys = [WatchedPhoto(path) for path in files.values()], list(files)
    made: dict[bytes, bytes | str] = {}
    for result in extractor.describe(cast("Sequence[Photo]", watched)):
        step()
        key, photo = keys[result.position], watched[result.position]
        if not isinstance(result, FeaturesOf):
            made[key] = str(result.error)
        elif photo.sha256 != key:
            made[key] = f"{photo.name}: has just changed: add it again"
        elif result.features.rows().shape[1] != extractor.extraction.row_bytes:
            shape = result.features.descriptors.shape
            raise UsageError(f"features of {shape}, not {extractor.extraction.dimensions} wide")
        else:
            made[key] = to_bytes(result.features)
    return made
