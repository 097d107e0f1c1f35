"""The features of photos that are being added to an index."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from solar.errors import UsageError
from solar.features.extraction import FeatureExtraction
from solar.features.extractor import FeatureExtractor, FeaturesOf
from solar.features.features import Features
from solar.features.store import to_bytes
from solar.index._content import WatchedPhoto, as_photos


class FeatureMaker:
    """Makes the features of photos that are being added."""

    def __init__(self, extractor: Callable[[], FeatureExtractor]) -> None:
        """Use an extractor, asked for once there is a photo."""
        self._extractor = extractor

    def make(
        self, files: Mapping[bytes, Path], step: Callable[[], None]
    ) -> dict[bytes, bytes | str]:
        """Describe photos.

        Args:
            files: one for each SHA-256 that it must have.
            step: called for each once it is done.

        Returns:
            For each SHA-256 the features, or one line that says why there are none.
        """
        watched = [WatchedPhoto(path) for path in files.values()]
        keys = list(files)
        made: dict[bytes, bytes | str] = {}
        for result in self._extractor().describe(as_photos(watched)):
            step()
            key, photo = keys[result.position], watched[result.position]
            if not isinstance(result, FeaturesOf):
                made[key] = str(result.error)
            elif photo.sha256 != key:
                made[key] = f"{photo.name}: has just changed: add it again"
            else:
                made[key] = to_bytes(_fitting(result.features, self._extractor().extraction))
        return made


def _fitting(features: Features, made: FeatureExtraction) -> Features:
    if features.rows().shape[1] != made.row_bytes:
        raise UsageError(f"features of {features.descriptors.shape}, not {made.dimensions} wide")
    return features
