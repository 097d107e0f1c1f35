"""A query: what it is made from, what re-rankers may ask about it, and its hits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

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


class Query:
    """One query and the index that it searches; see `solar.rerank.View`.

    Attributes:
        descriptor: (D,) of the query.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        descriptor: Descriptor,
        features: Callable[[], Features | None] = lambda: None,
        without: bytes | None = None,
    ) -> None:
        """Look at a snapshot.

        Args:
            snapshot: of the index.
            descriptor: (D,) of the query.
            features: makes those of the query, asked once.
            without: SHA-256 of photos that are not found, and then of those with the same bytes
                only the first is; empty for that alone.
        """
        self.descriptor = descriptor
        self._snapshot = snapshot
        self._make = features
        self._without = without

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        models: Models,
        photo: Photo | int,
        box: Box | None,
        *,
        features: bool,
        distinct: bool,
    ) -> Query:
        """A query by a photo, or by one of the index itself; with features if they are needed."""
        without = _content(photo) if distinct else None
        if isinstance(photo, int):
            entry = snapshot.entry(photo)
            without = (entry.sha256 or b"") if distinct else None
            if box is None:
                (descriptor,) = snapshot.descriptors([photo])
                return cls(snapshot, descriptor, lambda: snapshot.features([entry.id])[0], without)
            photo = snapshot.text(entry)
        extractor, made = models.extractor(snapshot.commit.extraction), snapshot.commit.features
        if made is None or not features:
            return cls(snapshot, describe_one(extractor, photo, box), without=without)
        opened, maker = decode(photo), models.feature_extractor
        descriptor = describe_one(extractor, opened, box)
        return cls(snapshot, descriptor, lambda: features_of_one(maker(made), opened, box), without)

    @cached_property
    def features(self) -> Features | None:
        """Of the query; None if it has none."""
        return self._make()

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
            (ranking,) = self._snapshot.search(descriptor[None], reach)
            if self._without is None:
                return ranking
            kept = self._distinct(ranking.ids.tolist())
            if len(kept) >= top or len(ranking) < reach:
                return Ranking.of(ranking.ids[kept[:top]], ranking.scores[kept[:top]])
            reach *= 2

    def _distinct(self, ids: Sequence[int]) -> list[int]:
        """Positions of photos, the first of each content."""
        entries = self._snapshot.find(ids)
        first: dict[bytes | int, int] = {}
        for position, number in enumerate(ids):
            first.setdefault(entries[number].sha256 or number, position)
        first.pop(self._without or b"", None)
        return list(first.values())


def _content(photo: Photo | int) -> bytes:
    """SHA-256 of a photo's file; empty where it is none."""
    if isinstance(photo, bytes):
        return hashlib.sha256(photo).digest()
    if isinstance(photo, int) or not Path(name_of(photo)).is_file():
        return b""
    return bytes.fromhex(sha256(Path(name_of(photo))))


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
            f"`solar index --to {snapshot.folder} --local solar-local`",
            snapshot.folder,
        )
    return chain


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
        verified = (seen.inliers, seen.lines) if seen else ()
        hits.append(Hit(snapshot.text(found[number]), score, number, *verified))
    return hits
