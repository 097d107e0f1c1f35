"""Reading an index: finding photos of the same place, and what it holds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from solar.errors import CheckpointError, IndexFolderError, UsageError
from solar.features.features import Features
from solar.index import maintenance
from solar.index.describer import Describer, load_describer, refuse_other
from solar.index.listing import AnyPath
from solar.index.local import LocalFeatures
from solar.index.records import Entry, State, path_to_text
from solar.index.results import Hit, IndexInfo
from solar.index.snapshot import Snapshot
from solar.index.vectors.exact import FaissSearcher, Searcher, checked_queries

if TYPE_CHECKING:
    from solar.photos import Box


class Reader:
    """What an opened index answers; `Index` adds what changes it."""

    def __init__(
        self,
        snapshot: Snapshot,
        describer: Describer | None = None,
        model: str | None = None,
        searcher: Searcher | None = None,
    ) -> None:
        """Use `Index.open` or `Index.create`.

        Args:
            snapshot: the commit to read.
            describer: of the photos, with the settings of the index; None to load it when needed.
            model: to load then; None for the one that the index names.
            searcher: how descriptors are compared; None for exactly, by FAISS.
        """
        self._snapshot = snapshot
        self._describer = describer
        self._model = model
        self._searcher: Searcher = searcher or FaissSearcher()
        self._local = LocalFeatures(snapshot.folder)

    def __len__(self) -> int:
        """How many photos can be found."""
        return int(np.count_nonzero(self._snapshot.row_ids >= 0))

    def verify(self) -> list[str]:
        """Check every byte of the last commit on disk against its checksums.

        Returns:
            One line for each damaged thing; empty if all is well.
        """
        return maintenance.find_problems(self._snapshot.folder) + self._local.problems()

    def info(self) -> IndexInfo:
        """What the index holds, and which photos could not be used and why."""
        return maintenance.summary(self._snapshot, self._local.info(self._snapshot))

    def search(self, photo: AnyPath, top: int = 10, box: Box | None = None) -> list[Hit]:
        """Find photos of the same place.

        Args:
            photo: the query's file; it need not be in the index.
            top: how many to find.
            box: x1, y1, x2, y2 in pixels of the photo: the part of it to search for.

        Returns:
            The best first; fewer than `top` if the index holds fewer.

        Raises:
            PhotoError: the photo cannot be used.
            UsageError: `top` is not positive, or the box lies outside the photo.
            IndexFolderError: the index's model cannot be loaded, or is another now.
        """
        return self.search_descriptors(self.describe(photo, box)[None], top)[0]

    def describe(self, photo: AnyPath, box: Box | None = None) -> NDArray[np.float32]:
        """The descriptor (D,) of a query, by the index's own model and settings; see `search`."""
        return self._loaded().describe_query(Path(photo), box)

    def search_descriptors(self, descriptors: ArrayLike, top: int = 10) -> list[list[Hit]]:
        """Find the photos whose descriptors have the largest inner product with each query.

        Args:
            descriptors: (Q, D) of the queries, by the index's own model and settings.
            top: how many to find for each.

        Returns:
            For each query its hits, the best first, and of equal scores the lower id.

        Raises:
            UsageError: the shape is not (Q, D), a number is not finite, or `top` not positive.
        """
        snapshot = self._snapshot
        queries = checked_queries(descriptors, snapshot.manifest.settings.dimensions)
        if top < 1:
            raise UsageError(f"top is {top}: ask for 1 or more")
        found = self._searcher.search(queries, snapshot.descriptors, snapshot.row_ids, top)
        return [
            [_hit(snapshot, *pair) for pair in zip(scores.tolist(), ids.tolist(), strict=True)]
            for scores, ids in zip(*found, strict=True)
        ]

    def descriptors(self, ids: Iterable[int]) -> NDArray[np.float32]:
        """The descriptors of photos in the index, such as hits.

        Args:
            ids: K of them.

        Returns:
            (K, D), unit rows.

        Raises:
            UsageError: the index has no descriptor of one of them.
        """
        rows = [self._photo(number).row for number in ids]
        return np.asarray(self._snapshot.descriptors[rows])

    def features_of(self, ids: Iterable[int]) -> list[Features | None]:
        """The features of photos in the index, such as hits, None for those that have none.

        Raises:
            UsageError: the index has no photo of one of these ids.
            IndexFolderError: it keeps no features, or they are damaged.
        """
        return [self._local.find(self._photo(number).sha256) for number in ids]

    def describe_features(self, photo: AnyPath, box: Box | None = None) -> Features:
        """The features of a query, made as those of the index.

        Raises:
            PhotoError: the photo cannot be used.
            UsageError: the box lies outside the photo.
            IndexFolderError: the index keeps no features, or their descriptor cannot be loaded.
        """
        return self._local.describe(Path(photo), box)

    def _photo(self, number: int) -> Entry:
        entry = self._snapshot.find(number)
        if entry is None or entry.state != State.PHOTO:
            raise UsageError(f"{self._snapshot.folder} has no descriptor of id {number}")
        return entry

    def _loaded(self) -> Describer:
        """What describes photos for this index, loaded on first use."""
        if self._describer is None:
            folder, settings = self._snapshot.folder, self._snapshot.manifest.settings
            name = self._model or settings.model
            try:
                found = load_describer(name, settings.image_size, settings.scales)
            except CheckpointError as error:
                raise IndexFolderError(
                    f"{folder} needs the model that it was made with, {settings.model} "
                    f"({error}): say where it is now when opening the index"
                ) from error
            refuse_other(folder, settings, found.settings)
            self._describer = found
        return self._describer


def _hit(snapshot: Snapshot, score: float, number: int) -> Hit:
    entry = snapshot.find(number)
    if entry is None:
        raise LookupError(f"the searcher found id {number}, which the index does not hold")
    return Hit(path_to_text(entry.path), score, number)
