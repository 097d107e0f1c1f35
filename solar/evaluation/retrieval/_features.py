"""Features of a data set, kept beside its descriptors."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from solar.datasets.photos import LabelledSet
from solar.errors import SolarError, some
from solar.evaluation.kept import kept_at, state_of
from solar.evaluation.retrieval._ranking import FeaturesOfSet
from solar.extraction import Failed
from solar.features.extractor import FeatureExtractor
from solar.features.features import Features
from solar.features.store import FeatureStore
from solar.files.lock import only_one
from solar.photos import Box, Photo, decode
from solar.typing import Progress

_PHOTOS_PER_COMMIT = 64


@dataclass(frozen=True)
class _Photo:
    """A photo to describe, or a box of it, and under which key its features are kept."""

    path: Path
    box: Box | None
    name: str

    @cached_property
    def key(self) -> bytes:
        what = repr((self.name, self.box, state_of(self.path)))
        return hashlib.sha256(what.encode("utf-8", "surrogatepass")).digest()


class _AsStored(Sequence[Photo]):
    """Photos, each decoded when it is asked for, and not turned."""

    def __init__(self, photos: Sequence[Photo]) -> None:
        self._photos = photos

    def __len__(self) -> int:
        return len(self._photos)

    def __getitem__(self, position: Any) -> Any:
        return decode(self._photos[position], turned=False)


def features_of_set(
    extractor: FeatureExtractor,
    photos: LabelledSet,
    *,
    crop: bool = True,
    turned: bool = True,
    progress: Progress | None = None,
) -> FeaturesOfSet:
    """The features of a data set's photos; those that were made before are taken over.

    Args:
        extractor: what makes features.
        photos: the data set.
        crop: only keypoints inside the boxes of queries.
        turned: photos by their EXIF orientation; else as they are stored.
        progress: called with photos done and in all.

    Raises:
        SolarError: photos cannot be described, names them; or another run makes these features.
    """
    truth, made = photos.ground_truth, extractor.extraction
    database = list(map(_Photo, photos.database, [None] * len(truth.database), truth.database))
    names = [query.name for query in truth.queries]
    queries = list(map(_Photo, photos.queries, photos.boxes(crop), names))
    settings = {**made.to_json(), "descriptor": None, "turned": turned}
    folder = kept_at("features", settings, truth.dataset, truth.database)
    busy = f"{folder}: another run makes these features: wait for it"
    with only_one(folder, busy), FeatureStore.open(folder / "features.bin", made) as store:
        _fill(store, extractor, [*database, *queries], turned, progress)
        return FeaturesOfSet(
            _read(store, database),
            _read(store, queries),
            f"{made}, {made.keypoints} keypoints, {made.image_size} px",
        )


def _fill(
    store: FeatureStore,
    extractor: FeatureExtractor,
    photos: Sequence[_Photo],
    turned: bool,
    progress: Progress | None,
) -> None:
    """Describe what the store does not have."""
    keys = store.keys()
    missing = list({photo.key: photo for photo in photos if photo.key not in keys}.values())
    failed = []
    paths: Sequence[Photo] = [photo.path for photo in missing]
    seen = paths if turned else _AsStored(paths)
    boxes = [photo.box for photo in missing]
    for done, found in enumerate(extractor.describe(seen, boxes), 1):
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
