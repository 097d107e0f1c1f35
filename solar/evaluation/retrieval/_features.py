"""Features of a data set, kept in the user's cache as its descriptors are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solar.datasets.photos import LabelledSet
from solar.errors import SolarError, some
from solar.evaluation.kept import kept_at, load_or_make, state_of
from solar.evaluation.retrieval._ranking import FeaturesOfSet
from solar.evaluation.retrieval.described import rows_of_queries
from solar.extraction import Failed
from solar.features.extraction import from_bytes, to_bytes
from solar.features.extractor import FeatureExtractor
from solar.features.features import Features
from solar.photos import AsStored, Box, Photo
from solar.typing import Progress

_AT_ONCE = 64  # photos that an interruption may cost

_Photo = tuple[str, Path, Box | None]


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
        SolarError: photos cannot be described; names them.
    """
    truth, made = photos.ground_truth, extractor.extraction
    wanted: list[_Photo] = [
        (name, path, None) for name, path in zip(truth.database, photos.database, strict=True)
    ]
    rows = rows_of_queries(truth, crop)
    if rows is None:
        names = [query.name for query in truth.queries]
        wanted += zip(names, photos.queries, photos.boxes(crop), strict=True)
    features: list[Features] = []
    for start in range(0, len(wanted), _AT_ONCE):
        features += _described(extractor, wanted[start : start + _AT_ONCE], turned)
        if progress:
            progress(len(features), len(wanted))
    count = len(truth.database)
    queries = features[count:] if rows is None else [features[row] for row in rows]
    how = f"{made}, {made.keypoints} keypoints, {made.image_size} px"
    return FeaturesOfSet(features[:count], queries, how)


def _described(
    extractor: FeatureExtractor, photos: Sequence[_Photo], turned: bool
) -> list[Features]:
    """From the cache, or new: their lengths in bytes, then their bytes."""
    made = extractor.extraction
    states = [[name, state_of(path), box] for name, path, box in photos]

    def describe() -> NDArray[np.uint8]:
        found: dict[int, bytes] = {}
        failed = []
        paths: Sequence[Photo] = [path for _, path, _ in photos]
        seen = paths if turned else AsStored(paths)
        for each in extractor.describe(seen, [box for *_, box in photos]):
            if isinstance(each, Failed):
                failed.append(each.reason)
            else:
                found[each.position] = to_bytes(each.features)
        if failed:
            what = f"keypoints of {len(failed)} of {len(photos)} photos cannot be described"
            raise SolarError(f"{what} ({some(failed)})")
        parts = [found[position] for position in range(len(photos))]
        lengths = np.array([len(part) for part in parts], "<i8")
        return np.frombuffer(lengths.tobytes() + b"".join(parts), np.uint8)

    path = kept_at("features", {**made.to_json(), "descriptor": None}, turned, states)
    content = load_or_make(path, describe, np.uint8).tobytes()
    ends = 8 * len(photos) + np.cumsum(np.frombuffer(content, "<i8", len(photos)))
    starts = [8 * len(photos), *ends[:-1].tolist()]
    parts = [content[start:end] for start, end in zip(starts, ends.tolist(), strict=True)]
    return [from_bytes(part, made) for part in parts]
