"""Features of a data set, kept beside its descriptors."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from solar.datasets.photos import LabelledSet
from solar.errors import SolarError, some
from solar.evaluation.retrieval._ranking import FeaturesOfSet
from solar.extraction import Failed
from solar.features.extractor import FeatureExtractor
from solar.features.features import Features
from solar.features.store import FeatureStore
from solar.photos import Box
from solar.typing import AnyPath, Progress

FILE = "features.bin"
_PHOTOS_PER_COMMIT = 64


@dataclass(frozen=True)
class _Photo:
    """A photo to describe, or a box of it, and under which key its features are kept."""

    path: Path
    box: Box | None
    name: str

    @property
    def key(self) -> bytes:
        return hashlib.sha256(repr((self.name, self.box)).encode()).digest()


def features_of_set(
    extractor: FeatureExtractor,
    photos: LabelledSet,
    folder: AnyPath,
    *,
    crop: bool = True,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> FeaturesOfSet:
    """The features of a data set's photos; those that the folder has are kept, so it resumes.

    Args:
        extractor: what makes features.
        photos: the data set.
        folder: of its descriptors, which exists.
        crop: only keypoints inside the boxes of queries.
        overwrite: replace features that were made otherwise.
        progress: called with photos done and in all.

    Raises:
        UsageError: the folder holds features that were made otherwise.
        SolarError: photos cannot be described; names them.
    """
    truth, made = photos.ground_truth, extractor.extraction
    kept = list(map(_Photo, photos.database, [None] * len(truth.database), truth.database))
    names = [query.name for query in truth.queries]
    sought = list(map(_Photo, photos.queries, photos.boxes(crop), names))
    with FeatureStore.open(Path(folder, FILE), made, overwrite=overwrite) as store:
        _fill(store, extractor, [*kept, *sought], progress)
        return FeaturesOfSet(
            _read(store, kept),
            _read(store, sought),
            f"{made}, {made.keypoints} keypoints, {made.image_size} px",
        )


def _fill(
    store: FeatureStore,
    extractor: FeatureExtractor,
    photos: Sequence[_Photo],
    progress: Progress | None,
) -> None:
    """Describe what the store does not have."""
    keys = store.keys()
    missing = list({photo.key: photo for photo in photos if photo.key not in keys}.values())
    failed = []
    paths, boxes = [photo.path for photo in missing], [photo.box for photo in missing]
    for done, found in enumerate(extractor.describe(paths, boxes), 1):
        if isinstance(found, Failed):
            failed.append(found.reason)
        else:
            store.put(missing[found.position].key, found.features)
        if done % _PHOTOS_PER_COMMIT == 0 or done == len(missing):
            store.commit()
        if progress:
            progress(done, len(missing))
    if failed:
        raise SolarError(
            f"keypoints of {len(failed)} of {len(missing)} photos cannot be described "
            f"({some(failed)})"
        )


def _read(store: FeatureStore, photos: Sequence[_Photo]) -> list[Features]:
    found = []
    for photo in photos:
        features = store.find(photo.key)
        if features is None:
            raise SolarError(f"no features of {photo.name} are kept: evaluate again")
        found.append(features)
    return found
