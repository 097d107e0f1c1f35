"""Features of a data set, kept beside its descriptors, and geometric re-ranking by them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from solar.datasets.photos import LabelledSet
from solar.errors import SolarError, some
from solar.evaluation.retrieval.ranking import FeaturesOfSet
from solar.extraction import Failed
from solar.features.extractor import FeatureExtractor
from solar.features.features import Features
from solar.index.local_store import LocalStore
from solar.photos import Box
from solar.rerank.geometric import Geometric
from solar.typing import AnyPath, Progress

FOLDER = "local"
FIRST = Geometric().first
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
        folder: of its descriptors.
        crop: only keypoints inside the boxes of queries.
        overwrite: replace features that were made otherwise.
        progress: called with photos done and in all.

    Raises:
        UsageError: the folder holds features that were made otherwise.
        SolarError: photos cannot be described; names them.
    """
    store = _open(Path(folder) / FOLDER, extractor, overwrite)
    truth = photos.ground_truth
    kept = [
        _Photo(path, None, name) for path, name in zip(photos.database, truth.database, strict=True)
    ]
    sought = [
        _Photo(path, box, query.name)
        for path, query, box in zip(photos.queries, truth.queries, photos.boxes(crop), strict=True)
    ]
    _fill(store, extractor, [*kept, *sought], progress)
    store, made = LocalStore.open(store.folder), extractor.extraction
    return FeaturesOfSet(
        _read(store, kept),
        _read(store, sought),
        f"{made}, {made.keypoints} keypoints, {made.image_size} px",
    )


def _open(folder: Path, extractor: FeatureExtractor, overwrite: bool) -> LocalStore:
    """The features that a folder has, if they are made as the extractor makes them; or none yet."""
    if LocalStore.exists(folder):
        store = LocalStore.open(folder)
        if not store.extraction.differences(extractor.extraction):
            return store
        if not overwrite:
            way_out = "choose another folder, or say --overwrite"
            store.extraction.require_same(extractor.extraction, folder, way_out)
        shutil.rmtree(folder)
    return LocalStore.create(folder, extractor.extraction)


def _fill(
    store: LocalStore,
    extractor: FeatureExtractor,
    photos: Sequence[_Photo],
    progress: Progress | None,
) -> None:
    """Describe what the store does not have."""
    keys = store.keys()
    missing = list({photo.key: photo for photo in photos if photo.key not in keys}.values())
    failed = []
    if not missing:
        return
    with store.writer() as writer:
        paths, boxes = [photo.path for photo in missing], [photo.box for photo in missing]
        for done, found in enumerate(extractor.describe(paths, boxes), 1):
            if isinstance(found, Failed):
                failed.append(found.reason)
            else:
                writer.put(missing[found.position].key, found.features)
            if done % _PHOTOS_PER_COMMIT == 0 or done == len(missing):
                writer.commit()
            if progress:
                progress(done, len(missing))
    if failed:
        raise SolarError(
            f"keypoints of {len(failed)} of {len(missing)} photos cannot be described "
            f"({some(failed)})"
        )


def _read(store: LocalStore, photos: Sequence[_Photo]) -> list[Features]:
    found = []
    for photo in photos:
        features = store.find(photo.key)
        if features is None:
            raise SolarError(f"{store.folder}: no features of {photo.name}: evaluate again")
        found.append(features)
    return found
