"""Reading an index: finding photos of the same place, and what it holds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import overload

import numpy as np
from numpy.typing import ArrayLike

from solar.calibration import Background, Calibration
from solar.errors import UsageError
from solar.extraction import Extraction, Failed, describe_one
from solar.extraction.descriptors import DescriptorsFile
from solar.features.extraction import FeatureExtraction
from solar.features.features import Features
from solar.index._entries import Entry, path_to_text
from solar.index._models import Models
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
from solar.index._roots import NAMELESS
from solar.index._snapshot import Snapshot
from solar.index._verify import find_problems
from solar.index.results import Hit, IndexedPhoto, IndexInfo
from solar.photos import Box, Photo
from solar.ranking import Ranking
from solar.rerank import judged, reach
from solar.rerank import rerank as look_again
from solar.typing import AnyPath, Descriptor, Descriptors, Ids

_AT_ONCE = 500  # Of photos that are asked for.


class Reader:
    """What an opened index answers; `Index` adds what changes it. Threads may share one."""

    def __init__(self, snapshot: Snapshot, models: Models) -> None:
        """Use `Index.open` or `Index.create`.

        Args:
            snapshot: the commit to read.
            models: what describes photos.
        """
        self.folder, self.place = snapshot.folder, snapshot.place
        self._opened: Snapshot | None = snapshot
        self._models = models

    @property
    def _snapshot(self) -> Snapshot:
        if self._opened is None:
            raise UsageError("was closed: open it again", self.place)
        return self._opened

    def close(self) -> None:
        """Let go of the files; answers that are under way are still given."""
        self._opened = None

    def __len__(self) -> int:
        """How many photos can be found."""
        return self._snapshot.commit.photos

    def __contains__(self, photo: object) -> bool:
        """Whether a photo is in the index, by id or path, or any below a folder."""
        if isinstance(photo, int):
            return photo in self._snapshot.find([photo])
        if not isinstance(photo, str | os.PathLike):
            return False
        return next(self._snapshot.meant(photo), None) is not None

    def __getitem__(self, number: int) -> IndexedPhoto:
        """The photo of an id.

        Raises:
            KeyError: there is none.
        """
        found = self._snapshot.find([number])
        if number not in found:
            raise KeyError(number)
        return _photo(self._snapshot, found[number])

    def __iter__(self) -> Iterator[int]:
        """The ids of all photos, rising."""
        return (entry.id for entry in _all(self._snapshot))

    def __repr__(self) -> str:
        if self._opened is None:
            return f"<Index {self.place}, closed>"
        commit = self._opened.commit
        return f"<Index {self.place}: {commit.photos} photos, generation {commit.generation}>"

    @property
    def generation(self) -> int:
        """The number of the commit that this index answers from; each commit raises it."""
        return self._snapshot.commit.generation

    @property
    def unfinished(self) -> tuple[str, ...]:
        """Paths that `add` has not come to the end of: interrupted, or under way."""
        return self._snapshot.commit.unfinished

    @property
    def extraction(self) -> Extraction:
        """What the descriptors depend on."""
        return self._snapshot.commit.extraction

    @property
    def feature_extraction(self) -> FeatureExtraction | None:
        """What the features depend on; None if none are kept."""
        return self._snapshot.commit.features

    @property
    def calibration(self) -> Calibration | None:
        """What makes probabilities of scores; None if the model has none, or lies elsewhere now.

        Raises:
            CheckpointError: what the model's folder says is damaged.
        """
        return self._models.calibration(self._snapshot.commit.extraction)

    @property
    def keeps_features(self) -> bool:
        """Whether it keeps features, by which hits are verified."""
        return self._snapshot.commit.features is not None

    @property
    def kind(self) -> str:
        """How descriptors are kept; see `Index.create`."""
        return self._snapshot.commit.kind

    @property
    def roots(self) -> list[str]:
        """The folders that its photos are kept relative to, where they are now, as added."""
        folders = self._snapshot.roots.folders
        return [path_to_text(folders[number]) for number in sorted(folders) if folders[number]]

    def ids(self, where: str | None = None) -> Ids:
        """The ids of all photos, those without a descriptor too: (N,), rising.

        Args:
            where: only of those that this filter lets through; see `solar.index.where`.

        Raises:
            UsageError: the filter cannot be read.
        """
        return self._snapshot.matching(where)

    def refresh(self) -> bool:
        """Answer from the last commit from now on.

        The model stays loaded, unless another process has described the photos by another one.

        Returns:
            Whether there was a later one.

        Raises:
            IndexFolderError: the index is gone, or damaged.
        """
        before = self._snapshot
        self._opened = Snapshot.open(self.place, before)
        self._models.follow(before.commit.extraction, self._opened.commit.extraction)
        return self._opened.commit.generation != before.commit.generation

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

    def photos(self, where: str | None = None) -> Iterator[IndexedPhoto]:
        """All photos in the index, those without a descriptor too, by ascending id.

        Args:
            where: only those that this filter lets through; see `solar.index.where`.

        Raises:
            UsageError: the filter cannot be read.
        """
        snapshot = self._snapshot
        if where is None:
            return (_photo(snapshot, entry) for entry in _all(snapshot))
        return _photos(snapshot, snapshot.matching(where).tolist())

    def photos_of(self, ids: Sequence[int]) -> Iterator[IndexedPhoto]:
        """Photos by their ids, in this order; those that are not there are left out."""
        return _photos(self._snapshot, ids)

    def count(self, where: str | None = None) -> int:
        """How many photos can be found.

        Args:
            where: only of those that this filter lets through; see `solar.index.where`.

        Raises:
            UsageError: the filter cannot be read.
            IndexDamaged: a descriptor cannot be one.
        """
        return int(np.count_nonzero(self._snapshot.owners_of(where) >= 0))

    def keypoint_bytes(self) -> float | None:
        """What the keypoints of a photo take, on average; None if none are kept."""
        count, size = self._snapshot.catalogue.features(self.generation)
        return size / count if count else None

    def info(self) -> IndexInfo:
        """What the index holds, and which photos could not be used and why."""
        from solar.index._folder import summary

        return summary(self._snapshot)

    def copies(self) -> list[list[str]]:
        """Paths of photos that are the same byte for byte, group by group."""
        return self._snapshot.copies()

    def verify(self) -> list[str]:
        """Check the last commit on disk against its checksums.

        Returns:
            One line for each damaged thing; empty if all is well.
        """
        if self._snapshot.far is not None:
            raise UsageError(
                "is at an address: verify the folder that it was copied from", self.place
            )
        return find_problems(self.folder)

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

    def id_of(self, photo: AnyPath) -> int:
        """The id of the photo at a path, or of a name.

        Raises:
            UsageError: there is none, or a folder of several.
        """
        found = list(islice(self._snapshot.meant(photo), 2))
        if len(found) == 1:
            return found[0].id
        what = "several photos below" if found else "no photo"
        raise UsageError(f"holds {what} {os.fspath(photo)}: name one that it holds", self.place)

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

    def descriptors(self, ids: Iterable[int]) -> Descriptors:
        """The descriptors of photos in the index, such as hits: (K, D), unit rows.

        Raises:
            UsageError: the index has no descriptor of one of them.
        """
        return self._snapshot.descriptors(list(ids))

    def descriptors_file(self, where: str | None = None) -> DescriptorsFile:
        """Paths and descriptors of all photos that can be found, as `solar describe` writes them.

        Args:
            where: only of those that this filter lets through; see `solar.index.where`.

        Raises:
            UsageError: the filter cannot be read.
            IndexDamaged: a descriptor is damaged.
        """
        snapshot = self._snapshot
        chosen = None if where is None else set(snapshot.matching(where).tolist())
        entries = [
            entry
            for entry in _all(snapshot)
            if entry.row is not None and (chosen is None or entry.id in chosen)
        ]
        paths = np.array([snapshot.text(entry) for entry in entries], np.str_)
        rows = snapshot.descriptors([entry.id for entry in entries])
        return DescriptorsFile(paths, rows, snapshot.commit.extraction)

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

    def sums(self) -> dict[int, bytes]:
        """A checksum of descriptor and features of each photo that can be found, by rising id.

        As long as it is the same, so are they.
        """
        return {
            entry.id: entry.descriptor_sum + (entry.features_sum or b"")
            for entry in _all(self._snapshot)
            if entry.row is not None and entry.descriptor_sum is not None
        }

    def features(self, ids: Iterable[int]) -> list[Features | None]:
        """The features of photos in the index, None for those that have none.

        Raises:
            IndexDamaged: they are damaged.
        """
        return self._snapshot.features(list(ids))


def _all(snapshot: Snapshot) -> Iterator[Entry]:
    return snapshot.catalogue.all(snapshot.commit.generation)


def _photos(snapshot: Snapshot, ids: Sequence[int]) -> Iterator[IndexedPhoto]:
    for start in range(0, len(ids), _AT_ONCE):
        part = ids[start : start + _AT_ONCE]
        found = snapshot.find(part)
        yield from (_photo(snapshot, found[number]) for number in part if number in found)


def _photo(snapshot: Snapshot, entry: Entry) -> IndexedPhoto:
    facts = entry.facts
    return IndexedPhoto(
        id=entry.id,
        path=snapshot.text(entry),
        root=path_to_text(snapshot.roots.folders.get(entry.root, NAMELESS)),
        sha256=None if entry.sha256 is None else entry.sha256.hex(),
        size=entry.size,
        has_features=entry.features_at is not None,
        reason=entry.reason,
        taken=facts.when,
        gps=facts.gps,
        camera=facts.camera,
        width=facts.width,
        height=facts.height,
    )
