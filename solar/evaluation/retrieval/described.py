"""The first step of an evaluation: descriptors of a data set.

They are kept in the user's cache, in shards that only the same extraction of the same photos
shares: another evaluation of them describes nothing again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solar.datasets.ground_truth import GroundTruth, Query
from solar.datasets.photos import LabelledSet
from solar.errors import PhotoError, SolarError, some
from solar.evaluation.kept import kept_at, state_of
from solar.extraction import Extraction, Extractor, collect, engine_of
from solar.extraction.shard import FORM, on_grid
from solar.extraction.shards import Shards, create_shards, fill, progress_within
from solar.files.threads import threads
from solar.photos import Box, decode
from solar.typing import Progress

_SHARD = 256
_TRIAL_SIDE = 16  # pixels: what can be decoded small is decoded quickly


@dataclass(frozen=True, eq=False)
class DescribedSet:
    """Descriptors of a data set.

    Attributes:
        extraction: what made them.
        crop: queries were cropped to their boxes.
        photos: those that could be used, and their labels.
        queries: (Q, D) float32, unit rows.
        database: (N, D) float32, unit rows.
        skipped: a line for each photo that could not be used.
        engine: what ran the network, in words; None if that is not known.
    """

    extraction: Extraction
    crop: bool
    photos: LabelledSet
    queries: NDArray[np.float32]
    database: NDArray[np.float32]
    skipped: tuple[str, ...] = ()
    engine: str | None = None

    @property
    def ground_truth(self) -> GroundTruth:
        """The labels."""
        return self.photos.ground_truth


@dataclass(frozen=True)
class _Part:
    """Photos that are kept together, and where."""

    names: Sequence[str]
    paths: Sequence[Path]
    boxes: Sequence[Box | None]

    def shards(self, extractor: Extractor) -> Shards:
        """The folder of the cache that is for these photos as they are now."""
        extraction = extractor.extraction
        arithmetic = str(engine_of(extractor))  # and its precision
        photos = [
            [name, state_of(path), box]
            for name, path, box in zip(self.names, self.paths, self.boxes, strict=True)
        ]
        settings = {**extraction.to_json(), "model": None}
        folder = kept_at("descriptors", FORM, settings, arithmetic, photos)
        return create_shards(folder, extraction, self.names, _SHARD, "float32", "remove it")


def describe_set(
    extractor: Extractor,
    photos: LabelledSet,
    *,
    crop: bool = True,
    skip: bool = False,
    progress: Progress | None = None,
) -> DescribedSet:
    """Describe a data set's photos; what was described before is taken over.

    Args:
        extractor: what describes them.
        photos: the data set.
        crop: crop each query to its box.
        skip: go on without photos that cannot be used; else look at all of them before the work.
        progress: called with photos done and in all.

    Raises:
        SolarError: photos cannot be used; names them.
    """
    truth = photos.ground_truth
    parts = [_Part(truth.database, photos.database, [None] * len(truth.database))]
    if (rows := rows_of_queries(truth, crop)) is None:
        names = [query.name for query in truth.queries]
        parts.append(_Part(names, photos.queries, photos.boxes(crop)))
    kept = [part.shards(extractor) for part in parts]
    if not skip and any(shards.missing() for shards in kept):
        _require_usable([path for part in parts for path in part.paths])
    before, total, found = 0, sum(len(part.names) for part in parts), []
    for part, shards in zip(parts, kept, strict=True):
        told = progress and progress_within(progress, before, total)
        fill(shards, extractor, part.paths, part.boxes, skip_failed=True, progress=told)
        before += len(part.names)
        found.append(_loaded(part, shards, extractor))
    database, wrong = found[0]
    queries, unusable = found[-1]
    if rows is not None:
        queries = database[rows]
        unusable = {query: wrong[row] for query, row in enumerate(rows) if row in wrong}
    reasons = list(dict.fromkeys([*wrong.values(), *unusable.values()]))
    if reasons and not skip:
        raise _unusable(reasons, total)
    good = np.setdiff1d(np.arange(len(database)), list(wrong))
    asked = np.setdiff1d(np.arange(len(queries)), list(unusable))
    if not len(asked):
        raise SolarError(f"{truth.dataset}: no query can be used ({some(reasons)})")
    used = _without(photos, good, asked) if reasons else photos
    return DescribedSet(
        extractor.extraction,
        crop,
        used,
        queries[asked],
        database[good],
        tuple(reasons),
        engine_of(extractor),
    )


def rows_of_queries(truth: GroundTruth, crop: bool) -> list[int] | None:
    """The queries' rows in the database, if each is a whole photo of it, described there."""
    whole = not crop or all(query.box is None for query in truth.queries)
    row = {name: number for number, name in enumerate(truth.database)}
    if not whole or not all(query.name in row for query in truth.queries):
        return None
    return [row[query.name] for query in truth.queries]


def _loaded(
    part: _Part, shards: Shards, extractor: Extractor
) -> tuple[NDArray[np.float32], dict[int, str]]:
    """A row for each photo, and why some have none; those that failed once are tried again."""
    failed = [failure.position for failure in shards.failures()]
    rows = np.zeros((len(part.names), shards.dimensions), np.float32)
    rows[np.setdiff1d(np.arange(len(rows)), failed)] = shards.load()
    paths, boxes = [part.paths[n] for n in failed], [part.boxes[n] for n in failed]
    again = collect(extractor, paths, boxes)
    rows[[failed[n] for n in again.positions]] = on_grid(again.descriptors)
    return rows, {failed[each.position]: each.reason for each in again.failures}


def _require_usable(paths: Sequence[Path]) -> None:
    """Refuse, before hours of work, photos that cannot be decoded even at a small size."""

    def wrong(path: Path) -> str | None:
        try:
            decode(path, wanted=_TRIAL_SIDE)
        except PhotoError as error:
            return str(error)
        return None

    with threads() as pool:
        reasons = [reason for reason in pool.map(wrong, dict.fromkeys(paths)) if reason]
    if reasons:
        raise _unusable(reasons, len(paths))


def _unusable(reasons: Sequence[str], total: int) -> SolarError:
    way_out = "mend them, or go on without them: --bad-photos skip"
    return SolarError(
        f"{len(reasons)} of {total} photos cannot be used ({some(reasons)}): {way_out}"
    )


def _without(photos: LabelledSet, good: NDArray[np.int64], asked: NDArray[np.int64]) -> LabelledSet:
    """Some database photos and queries only; labels of the others are dropped."""
    truth = photos.ground_truth

    def left(positions: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(good, positions[np.isin(positions, good)])

    queries = [
        Query(each.name, each.box, {name: left(found) for name, found in each.labels.items()})
        for each in (truth.queries[number] for number in asked.tolist())
    ]
    names = tuple(truth.database[number] for number in good.tolist())
    return LabelledSet(
        GroundTruth(truth.dataset, names, tuple(queries), truth.figures),
        [photos.database[number] for number in good.tolist()],
        [photos.queries[number] for number in asked.tolist()],
        photos.stored,
    )
