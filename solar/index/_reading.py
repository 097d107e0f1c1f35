"""Reading an index: finding photos of the same place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import ArrayLike

from solar.calibration import Background, Calibration
from solar.extraction import Extraction, Failed, describe_one
from solar.index._holding import Holder
from solar.index._query import (
    Asked,
    Needs,
    Query,
    chain_of,
    fitting,
    hits_of,
    paired,
    query_of,
    require_top,
)
from solar.index.results import Hit
from solar.photos import Box, Photo
from solar.ranking import Ranking
from solar.rerank import judged, reach
from solar.rerank import rerank as look_again
from solar.typing import Descriptor, Descriptors


class Reader(Holder):
    """What an opened index answers; `Index` adds what changes it. Threads may share one."""

    @property
    def calibration(self) -> Calibration | None:
        """What makes probabilities of scores; None if the model has none, or lies elsewhere now.

        Raises:
            CheckpointError: what the model's folder says is damaged.
        """
        return self._models.calibration(self._snapshot.commit.extraction)

    def warm(self) -> None:
        """Load the model and look at all descriptors now, not with the first search.

        Raises:
            CheckpointError: the model cannot be loaded.
            UsageError: it is another now.
            IndexDamaged: a descriptor is damaged.
        """
        snapshot = self._snapshot
        self._models.extractor(snapshot.commit.extraction)
        if snapshot.commit.features is not None:
            self._models.feature_extractor(snapshot.commit.features)
        snapshot.search(np.eye(1, snapshot.commit.extraction.dimensions, dtype=np.float32), 1)

    def begin(self, rerank: str = "default") -> None:
        """Begin what `warm` does, while the first query is read.

        Args:
            rerank: as for `search`; `none` needs no features.
        """
        made = self._snapshot.commit
        self._models.begin(made.extraction, None if rerank == "none" else made.features)

    def search(
        self,
        photo: Photo | int | Sequence[Photo | int],
        top: int = 10,
        box: Box | Sequence[Box | None] | None = None,
        rerank: str = "default",
        *,
        distinct: bool = False,
        where: str | None = None,
        not_: Sequence[Photo | int] = (),
    ) -> list[Hit]:
        """Find photos of the same place.

        Args:
            photo: the query, decoded once; or the id of a photo in the index, see `id_of`; or a
                list of these that show one place: then a score is the cosine with the sum of their
                descriptors, and a hit is verified with each of them.
            top: how many to find.
            box: x1, y1, x2, y2 in pixels of the photo: the part of it to search for. Of a list of
                photos, one for each, None for all of one.
            rerank: `none`; ways to look again at what was found, with commas between; or
                `default`: geometric where the index keeps features, then support.
            distinct: of photos that are the same byte for byte find one, and none that is the
                query itself.
            where: find only photos that this filter lets through, such as `taken >= 2020-06`; see
                `solar.index.where`.
            not_: photos, or ids, that show what is not sought: what is more like one of them than
                like the query is not found.

        Returns:
            The best first; fewer than `top` if the index holds fewer. Hits say how probable they
            are if the model is calibrated, and stand in the order of that.

        Raises:
            PhotoError: the photo cannot be used.
            UsageError: `top` is not positive, there is no photo, or not a box for each, one lies
                outside the photo, there is no such way
                to re-rank, the filter cannot be read, the id is not in the index, or the model is
                another now.
            CheckpointError: the index's model cannot be loaded.
            IndexDamaged: a descriptor is damaged.
        """
        snapshot = self._snapshot
        require_top(top)
        chain = chain_of(rerank, snapshot)
        needed = any(way.needs_features for way in chain)
        asked = paired(photo, box)
        owners, needs = snapshot.owners_of(where), Needs(features=needed, content=distinct)
        query = query_of(snapshot, self._models, asked, not_, owners, needs)
        ranking = query.search(query.descriptor, max(top, reach(chain)))
        return hits_of(snapshot, look_again(ranking, query, chain).top(top))

    def search_descriptors(
        self, descriptors: ArrayLike, extraction: Extraction, top: int = 10
    ) -> list[list[Hit]]:
        """Find the photos whose descriptors are nearest to each query's.

        Args:
            descriptors: (Q, D) of the queries, unit rows.
            extraction: that made them.
            top: how many to find for each.

        Returns:
            For each query its hits, the best first, and of equal scores the lower id.

        Raises:
            UsageError: they were made otherwise than the index's, their shape or length is
                another, or `top` is not positive.
        """
        snapshot = self._snapshot
        require_top(top)
        queries = fitting(descriptors, extraction, snapshot, "query descriptors")
        made = [
            Query(snapshot, [Asked(row)], queries[:0], calibration=self.calibration)
            for row in queries
        ]
        rankings = snapshot.search(queries, top)
        return [
            hits_of(snapshot, judged(ranking, query))
            for ranking, query in zip(rankings, made, strict=True)
        ]

    @overload
    def describe(self, photos: Photo, box: Box | None = None) -> Descriptor: ...
    @overload
    def describe(self, photos: list[Photo], box: None = None) -> Descriptors: ...
    def describe(self, photos: Photo | list[Photo], box: Box | None = None) -> Descriptor:
        """Describe a photo, or a list of them in batches, as the index's photos were.

        Returns:
            (D,), or (K, D) of a list.

        Raises:
            PhotoError: one of them cannot be used.
            UsageError: the box lies outside the photo, or the model is another now.
            CheckpointError: the model cannot be loaded.
        """
        extraction = self._snapshot.commit.extraction
        extractor = self._models.extractor(extraction)
        if not isinstance(photos, list):
            return describe_one(extractor, photos, box)
        rows = np.zeros((len(photos), extraction.dimensions), np.float32)
        for result in extractor.describe(photos):
            if isinstance(result, Failed):
                raise result.error
            rows[result.position] = result.descriptor
        return rows

    def neighbours(self, ids: Sequence[int], top: int) -> list[Ranking]:
        """The photos whose descriptors are nearest to each of some photos in the index.

        Args:
            ids: of these.
            top: how many to find for each, which is not one of them.

        Raises:
            UsageError: the index has no descriptor of one of them, or `top` is not positive.
        """
        require_top(top)
        snapshot, found = self._snapshot, []
        rankings = snapshot.search(snapshot.descriptors(ids), top + 1)
        for number, ranking in zip(ids, rankings, strict=True):
            others = np.flatnonzero(ranking.ids != number)[:top]
            found.append(Ranking.of(ranking.ids[others], ranking.scores[others]))
        return found

    def background(self, descriptor: Descriptor) -> Background:
        """What cosines of a descriptor (D,) are compared with; see `solar.calibration`."""
        return self._snapshot.background(descriptor)
