"""What a re-ranker may ask about one query."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from solar.features.features import Features
from solar.features.store import from_bytes
from solar.index._snapshot import Snapshot
from solar.ranking import Ranking
from solar.typing import Descriptor, Descriptors, Ids


class IndexView:
    """One query and the index that it searches; see `solar.rerank.View`.

    Attributes:
        descriptor: (D,) of the query.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        descriptor: Descriptor,
        features: Callable[[], Features | None],
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
        self._made = False
        self._features: Features | None = None

    @property
    def features(self) -> Features | None:
        """Of the query; None if it has none."""
        if not self._made:
            self._features, self._made = self._make(), True
        return self._features

    def descriptors(self, ids: Ids) -> Descriptors:
        """Of photos in the index: (K, D)."""
        return self._snapshot.descriptors(ids.tolist())

    def features_of(self, ids: Ids) -> list[Features | None]:
        """Of photos in the index, None for those that have none."""
        return kept_features(self._snapshot, ids.tolist())

    def search(self, descriptor: Descriptor, top: int) -> Ranking:
        """The photos whose descriptors are nearest to one."""
        reach = top
        while True:
            (ranking,) = rank(self._snapshot, descriptor[None], reach)
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


def rank(snapshot: Snapshot, queries: Descriptors, top: int) -> list[Ranking]:
    """Search a snapshot with descriptors (Q, D)."""
    scores, ids = snapshot.vectors.search(queries, snapshot.owners, top)
    return [Ranking.of(*pair) for pair in zip(ids, scores, strict=True)]


def kept_features(snapshot: Snapshot, ids: Sequence[int]) -> list[Features | None]:
    """The features that a snapshot keeps of photos."""
    made, found = snapshot.commit.features, snapshot.find(ids)
    kept: list[Features | None] = []
    for number in ids:
        content = snapshot.feature_bytes(found[number]) if number in found else None
        kept.append(None if content is None or made is None else from_bytes(content, made))
    return kept


def unit(descriptors: Descriptors) -> bool:
    """Whether all rows have unit length, within rounding; not where a number is not finite."""
    lengths = np.linalg.norm(descriptors.astype(np.float64), axis=1)
    return bool((np.abs(lengths - 1) <= 1e-3).all())
