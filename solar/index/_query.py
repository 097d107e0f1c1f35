"""A query: what it is made from, what re-rankers may ask about it, and its hits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from solar.calibration import Background, Calibration
from solar.errors import UsageError
from solar.extraction import Extraction, describe_one
from solar.features.extractor import features_of_one
from solar.features.features import Features
from solar.files.atomic import sha256
from solar.index._entries import LENGTH_TOLERANCE
from solar.index._models import Models
from solar.index._snapshot import Snapshot
from solar.index.results import Hit
from solar.index.vectors import lengths_of
from solar.photos import Box, Photo, decode, name_of
from solar.ranking import Ranking
from solar.rerank import Reranker, parse_rerank
from solar.typing import Descriptor, Descriptors, Ids
from solar.unit import of_unit_length


class Query:
    """One query and the index that it searches; see `solar.rerank.View`.

    Attributes:
        descriptor: (D,) of the query: of several photos, their sum divided by its length.
        calibration: of the index's model; None if it has none.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        asked: Sequence[Asked],
        unlike: Descriptors,
        without: frozenset[bytes] | None = None,
        owners: Ids | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        """Look at a snapshot.

        Args:
            snapshot: of the index.
            asked: the photos of the query, one or more.
            unlike: (K, D); a photo that is more like one of these than like the query is not found.
            without: SHA-256 of photos that are not found, and then of those with the same bytes
                only the first is; None for all photos.
            owners: of the photos that may be found, see `Snapshot.owners_of`; None for all.
            calibration: of the index's model.
        """
        total: Descriptor = np.stack([each.descriptor for each in asked]).sum(axis=0)
        self.descriptor: Descriptor = total if len(asked) == 1 else of_unit_length(total[None])[0]
        self._snapshot = snapshot
        self._asked = asked
        self._unlike = unlike
        self._without = without
        self._owners = owners
        self.calibration = calibration

    @cached_property
    def features(self) -> list[Features]:
        """Of each photo of the query; empty where one has none."""
        made = [each.features() for each in self._asked]
        return [each for each in made if each is not None] if None not in made else []

    @cached_property
    def background(self) -> Background:
        """What the query's cosines are compared with."""
        return self._snapshot.background(self.descriptor)

    def descriptors(self, ids: Ids) -> Descriptors:
        """Of photos in the index: (K, D)."""
        return self._snapshot.descriptors(ids.tolist())

    def features_of(self, ids: Ids) -> list[Features | None]:
        """Of photos in the index, None for those that have none."""
        return self._snapshot.features(ids.tolist())

    def search(self, descriptor: Descriptor, top: int) -> Ranking:
        """The photos whose descriptors are nearest to one."""
        reach = top
        while True:
            (ranking,) = self._snapshot.search(descriptor[None], reach, self._owners)
            if self._without is None and not len(self._unlike):
                return ranking
            kept = self._kept(ranking.ids)
            if len(kept) >= top or len(ranking) < reach:
                return Ranking.of(ranking.ids[kept[:top]], ranking.scores[kept[:top]])
            reach *= 2

    def _kept(self, ids: Ids) -> list[int]:
        """Positions of photos that are not to be left out."""
        every = range(len(ids)) if self._without is None else self._distinct(ids.tolist())
        if not len(self._unlike):
            return list(every)
        kept: list[int] = []
        for start in range(0, len(every), _AT_ONCE):
            part = every[start : start + _AT_ONCE]
            rows = self.descriptors(ids[part])
            most = (rows @ self._unlike.T).max(axis=1)
            fits = most <= rows @ self.descriptor + _AS_ALIKE
            kept += [position for position, fit in zip(part, fits, strict=True) if fit]
        return kept

    def _distinct(self, ids: Sequence[int]) -> list[int]:
        """Positions of photos, the first of each content."""
        entries = self._snapshot.find(ids)
        first: dict[bytes | int, int] = {}
        for position, number in enumerate(ids):
            first.setdefault(entries[number].sha256 or number, position)
        return [first[content] for content in first if content not in (self._without or ())]


@dataclass(frozen=True, eq=False)
class Asked:
    """A photo of a query.

    Attributes:
        descriptor: (D,).
        features: makes its features, asked once.
        content: SHA-256 of its file, empty where it is none; None if nobody asks.
    """

    descriptor: Descriptor
    features: Callable[[], Features | None] = lambda: None
    content: bytes | None = None

    @classmethod
    def of(
        cls, snapshot: Snapshot, models: Models, photo: Photo | int, box: Box | None, needs: Needs
    ) -> Asked:
        """A photo, or one of the index itself, of which nothing is decoded unless it has a box."""
        content = _content(photo) if needs.content else None
        if isinstance(photo, int):
            entry = snapshot.entry(photo)
            content = (entry.sha256 or b"") if needs.content else None
            if box is None:
                (descriptor,) = snapshot.descriptors([photo])
                return cls(descriptor, lambda: snapshot.features([entry.id])[0], content)
            photo = snapshot.text(entry)
        extractor, made = models.extractor(snapshot.commit.extraction), snapshot.commit.features
        if made is None or not needs.features:
            return cls(describe_one(extractor, photo, box), content=content)
        opened, maker = decode(photo), models.feature_extractor
        descriptor = describe_one(extractor, opened, box)
        return cls(descriptor, lambda: features_of_one(maker(made), opened, box), content)


class Needs(NamedTuple):
    """What a search needs of its photos beside descriptors: features, and what their files hold."""

    features: bool
    content: bool


def _content(photo: Photo | int) -> bytes:
    """SHA-256 of a photo's file; empty where it is none."""
    if isinstance(photo, bytes):
        return hashlib.sha256(photo).digest()
    if isinstance(photo, int) or not Path(name_of(photo)).is_file():
        return b""
    return bytes.fromhex(sha256(Path(name_of(photo))))


_AT_ONCE = 4096  # Descriptors that are read.
_AS_ALIKE = 1e-6  # Of cosines, in single precision.


def chain_of(rerank: str, snapshot: Snapshot) -> Sequence[Reranker]:
    """The ways to re-rank of a name, if the index has what they need.

    Raises:
        UsageError: there is no such way, or it needs features, and none are kept.
    """
    kept = snapshot.commit.features is not None
    chain = parse_rerank(rerank, features=kept)
    if not kept and any(each.needs_features for each in chain):
        raise UsageError(
            f"keeps no keypoints, which --rerank {rerank} needs: add them with "
            f"`solar index --to {snapshot.folder} --local rootsift`",
            snapshot.folder,
        )
    return chain


def paired(
    photos: Photo | int | Sequence[Photo | int], boxes: Box | Sequence[Box | None] | None
) -> list[tuple[Photo | int, Box | None]]:
    """The photos of a query, each with its box.

    Args:
        photos: one, or a list.
        boxes: of that one, or a list with one for each.

    Raises:
        UsageError: the list is empty, or boxes are not one for each.
    """
    if not isinstance(photos, list | tuple):
        return [(photos, boxes)]  # type: ignore[list-item]
    if not photos:
        raise UsageError("there is no photo to search with: give one or more")
    each = [None] * len(photos) if boxes is None else boxes
    if not isinstance(each, list) or len(each) != len(photos):
        raise UsageError(f"{len(photos)} photos are searched with: give as many boxes, in a list")
    return list(zip(photos, each, strict=True))


def query_of(
    snapshot: Snapshot,
    models: Models,
    photos: Sequence[tuple[Photo | int, Box | None]],
    unlike: Sequence[Photo | int],
    owners: Ids,
    needs: Needs,
) -> Query:
    """The query that some photos make together.

    Args:
        snapshot: of the index.
        models: what describes photos.
        photos: and the part of each to search for.
        unlike: photos that show what is not sought.
        owners: of the photos that may be found.
        needs: what to make beside descriptors.
    """
    asked = [Asked.of(snapshot, models, photo, box, needs) for photo, box in photos]
    bare = Needs(features=False, content=False)
    others = [Asked.of(snapshot, models, photo, None, bare).descriptor for photo in unlike]
    rows = np.array(others, np.float32).reshape(-1, snapshot.commit.extraction.dimensions)
    contents = frozenset(each.content for each in asked if each.content)
    without = contents if needs.content else None
    calibration = models.calibration(snapshot.commit.extraction)
    return Query(snapshot, asked, rows, without, owners, calibration)


def require_top(top: int) -> None:
    """Refuse to look for nothing.

    Raises:
        UsageError: `top` is not positive.
    """
    if top < 1:
        raise UsageError(f"top is {top}: ask for 1 or more")


def fitting(
    descriptors: ArrayLike, extraction: Extraction, snapshot: Snapshot, what: str
) -> Descriptors:
    """Descriptors (K, D) from elsewhere, if they may be mixed with an index's.

    Raises:
        UsageError: they may not.
    """
    own = snapshot.commit.extraction
    own.require_same(extraction, snapshot.folder, "describe with the same model and settings")
    rows = np.ascontiguousarray(descriptors, np.float32)
    if rows.ndim != 2 or rows.shape[1] != own.dimensions:
        raise UsageError(f"{what} of shape {rows.shape}: expected (K, {own.dimensions})")
    lengths = lengths_of(rows)
    odd = np.flatnonzero(~(np.abs(lengths - 1) <= LENGTH_TOLERANCE))  # NaN as well.
    if len(odd):
        raise UsageError(
            f"{what}: row {odd[0]} has length {lengths[odd[0]]:.4g} instead of 1, or is not "
            "finite: divide each by its length"
        )
    return rows


def hits_of(snapshot: Snapshot, ranking: Ranking) -> list[Hit]:
    """A ranking as hits: these are made nowhere else."""
    found = snapshot.find(ranking.ids.tolist())
    hits = []
    for number, score in zip(ranking.ids.tolist(), ranking.scores.tolist(), strict=True):
        if number not in found:
            raise LookupError(f"the search found id {number}, which the index does not hold")
        seen = ranking.evidence.get(number)
        known = (seen.inliers, seen.lines, seen.query, seen.probability) if seen else ()
        hits.append(Hit(snapshot.text(found[number]), score, number, *known))
    return hits
