"""Features of a data set, kept beside its descriptors, and geometric re-ranking by them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solar.datasets.ground_truth import GroundTruth
from solar.errors import SolarError
from solar.evaluation.retrieval.exact import scores
from solar.evaluation.retrieval.score import Ranks, Reranking
from solar.extraction import Failed
from solar.extraction.shards import some
from solar.features.extractor import FeatureExtractor
from solar.features.features import Features
from solar.index.local_store import LocalStore
from solar.photos import Box
from solar.rerank.geometric import CHANCE, Geometric, order, verify

FOLDER = "local"
FIRST = Geometric().first
_PHOTOS_PER_COMMIT = 64

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class _Photo:
    """A photo to describe, or a box of it, and under which key its features are kept."""

    path: Path
    box: Box | None
    name: str

    @property
    def key(self) -> bytes:
        return hashlib.sha256(repr((self.name, self.box)).encode()).digest()


def geometric(
    extractor: FeatureExtractor,
    ground_truth: GroundTruth,
    database: Sequence[Path],
    queries: Sequence[Path],
    folder: str | Path,
    *,
    crop: bool = True,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Reranking:
    """Describe the keypoints of a data set's photos, and re-rank by them.

    Args:
        extractor: what makes features.
        ground_truth: the data set.
        database: its photos.
        queries: the photos of its queries.
        folder: of the exported descriptors; the features that it has are kept, so it resumes.
        crop: only keypoints inside the boxes of queries.
        overwrite: replace features that were made otherwise.
        progress: told ``("keypoints", photos done, photos in all)``.

    Raises:
        UsageError: the folder holds features that were made otherwise.
        SolarError: photos cannot be described; names them.
    """
    store = _open(Path(folder) / FOLDER, extractor, overwrite)
    kept = [
        _Photo(path, None, name) for path, name in zip(database, ground_truth.database, strict=True)
    ]
    sought = [
        _Photo(path, query.box if crop else None, query.name)
        for path, query in zip(queries, ground_truth.queries, strict=True)
    ]
    _fill(store, extractor, [*kept, *sought], progress)
    store = LocalStore.open(store.folder)
    extraction = store.extraction
    return Reranking(
        f"geometric: the first {FIRST} by inliers above {CHANCE}, {extraction}, "
        f"{extraction.keypoints} keypoints, {extraction.image_size} px",
        GeometricRanking(_read(store, sought), _read(store, kept)).rank,
    )


class GeometricRanking:
    """Ranks by descriptors, and the first hits again by the keypoints that agree.

    What was verified is remembered, for descriptors of other dimensions.
    """

    def __init__(self, queries: Sequence[Features], database: Sequence[Features]) -> None:
        """Take the features of all queries and database photos."""
        self._queries, self._database = queries, database
        self._inliers: dict[tuple[int, int], int] = {}

    def rank(self, queries: NDArray[np.float32], database: NDArray[np.float32]) -> Ranks:
        """See `Reranking.rank`."""
        ranks: Ranks = np.argsort(-scores(queries, database), axis=1, kind="stable")
        for query, row in enumerate(ranks):
            first = row[:FIRST].copy()
            row[:FIRST] = first[order(self._verified(query, first.tolist()))]
        return ranks

    def _verified(self, query: int, positions: Sequence[int]) -> list[int]:
        """Inliers of a query and database photos."""
        new = [position for position in positions if (query, position) not in self._inliers]
        found = verify(self._queries[query], [self._database[position] for position in new])
        for position, agreement in zip(new, found, strict=True):
            self._inliers[query, position] = agreement.inliers
        return [self._inliers[query, position] for position in positions]


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
                progress("keypoints", done, len(missing))
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
