"""Rankings of a described data set: by descriptors, then by the ways to re-rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from solar.calibration import Background, Calibration, Level, index_level, sample_rows
from solar.evaluation.retrieval.described import DescribedSet
from solar.evaluation.retrieval.exact import cut, rank
from solar.extraction.shards import Shards
from solar.features.features import Features
from solar.ranking import Ranking
from solar.rerank import Reranker, judged, reach
from solar.typing import Descriptor, Descriptors, Ids

SHOWN = 10
"""First places that are always known."""
_AT_ONCE = 2048  # queries


@dataclass(frozen=True, eq=False)
class FeaturesOfSet:
    """The features of a data set.

    Attributes:
        database: of its photos.
        queries: of its queries, or of their boxes.
        description: how they were made, for reports.
    """

    database: Sequence[Features]
    queries: Sequence[Features]
    description: str


@dataclass(frozen=True, eq=False)
class Ranked:
    """What queries are ranked among.

    Attributes:
        described: queries and database.
        shards: the distractors, if there are any; their ids count on from the database.
        features: of the data set, if a way to re-rank compares any. Distractors have none, and so
            nothing in common with a query.
        calibration: of the model; None if it has none.
    """

    described: DescribedSet
    shards: Shards | None = None
    features: FeaturesOfSet | None = None
    calibration: Calibration | None = None

    def background(self, query: Descriptor) -> Background:
        """What cosines of a query (D,) are compared with."""
        return Background.of(query, *self._sampled)

    def taken(self, ids: Ids, dimensions: int | None) -> Descriptors:
        """Descriptors (K, D) of some photos, labelled ones and distractors."""
        database, shards = self.described.database, self.shards
        rows = np.empty((len(ids), database.shape[1]), np.float32)
        near = ids < len(database)
        rows[near] = database[ids[near]]
        if shards is not None:
            rows[~near] = shards.take(ids[~near] - len(database))
        return cut(rows, dimensions).astype(np.float32)

    @cached_property
    def _sampled(self) -> tuple[Descriptors, Level]:
        count = len(self.described.database) + (self.shards.rows() if self.shards else 0)
        sample = self.taken(sample_rows(count), None)
        return sample, index_level(sample)

    def rankings(
        self, chain: Sequence[Reranker] = (), dimensions: int | None = None
    ) -> list[Ranking]:
        """The best, and all labelled photos, per query.

        Args:
            chain: ways to re-rank.
            dimensions: of the descriptors that are compared; None for all.
        """
        views = [_View(self, row, dimensions) for row in range(len(self.described.queries))]
        rankings = self._search(
            views, [view.descriptor for view in views], max(SHOWN, reach(chain))
        )
        for way in chain:
            waiting = list(range(len(views)))
            while waiting:
                waiting = self._apply(way, views, rankings, waiting)
            for view in views:
                view.found.clear()
        return [judged(ranking, view) for ranking, view in zip(rankings, views, strict=True)]

    def _apply(
        self, way: Reranker, views: list[_View], rankings: list[Ranking], rows: list[int]
    ) -> list[int]:
        """Re-rank queries; those that want another search get it, all in one pass, and wait."""
        asked: dict[int, _SearchAsked] = {}
        for row in rows:
            views[row].answered = 0
            try:
                rankings[row] = way(rankings[row], views[row])
            except _SearchAsked as question:
                asked[row] = question
        if asked:
            found = self._search(
                [views[row] for row in asked],
                [question.descriptor for question in asked.values()],
                max(question.top for question in asked.values()),
            )
            for row, ranking in zip(asked, found, strict=True):
                views[row].found.append(ranking)
        return list(asked)

    def _search(
        self, views: Sequence[_View], descriptors: Sequence[Descriptor], top: int
    ) -> list[Ranking]:
        dimensions = views[0].dimensions
        database = cut(self.described.database, dimensions)
        # Distractors are read once, for all queries; without any, fewer at once take less time.
        at_once = _AT_ONCE if self.shards is None else len(views)
        found: list[Ranking] = []
        for start in range(0, len(views), at_once):
            part = slice(start, start + at_once)
            blocks = () if self.shards is None else self.shards.blocks()
            found += rank(
                np.stack(descriptors[part]),
                database,
                [self.described.ground_truth.queries[view.row].labelled for view in views[part]],
                (cut(block, dimensions) for block in blocks),
                top=top,
            )
        return found


class _SearchAsked(Exception):
    """A way to re-rank wants to search again; it is called anew once that is done for all."""

    def __init__(self, descriptor: Descriptor, top: int) -> None:
        super().__init__()
        self.descriptor, self.top = descriptor, top


@dataclass(eq=False)
class _View:
    """See `solar.rerank.View`.

    Attributes:
        ranked: what the query is ranked among.
        row: of the query.
        dimensions: that are compared.
        found: answers to the searches of the way that is being applied.
        answered: how many of them it was given since it was last called.
    """

    ranked: Ranked
    row: int
    dimensions: int | None
    found: list[Ranking] = field(default_factory=list)
    answered: int = 0

    def __post_init__(self) -> None:
        rows = self.ranked.described.queries[self.row : self.row + 1]
        self.descriptor: Descriptor = cut(rows, self.dimensions)[0].astype(np.float32)

    @property
    def calibration(self) -> Calibration | None:
        return None if self.dimensions else self.ranked.calibration

    @cached_property
    def background(self) -> Background:
        return self.ranked.background(self.descriptor)

    @property
    def features(self) -> Sequence[Features]:
        features = self.ranked.features
        return [] if features is None else [features.queries[self.row]]

    def descriptors(self, ids: Ids) -> Descriptors:
        return self.ranked.taken(ids, self.dimensions)

    def features_of(self, ids: Ids) -> Sequence[Features | None]:
        features = self.ranked.features
        known = () if features is None else features.database
        return [known[number] if number < len(known) else None for number in ids.tolist()]

    def search(self, descriptor: Descriptor, top: int) -> Ranking:
        if self.answered == len(self.found):
            raise _SearchAsked(descriptor, top)
        self.answered += 1
        return self.found[self.answered - 1]
