"""The index: a folder that remembers photos and finds those that show the same place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from solar.errors import CheckpointError, IndexFolderError, UsageError
from solar.index import maintenance
from solar.index.adding import Addition, Progress
from solar.index.catalogue import Catalogue
from solar.index.describer import Describer, load_describer, model_name, refuse_other
from solar.index.listing import AnyPath, list_photos
from solar.index.lock import writer_lock
from solar.index.records import NO_ROW, State, path_to_text
from solar.index.results import AddReport, Hit, IndexInfo
from solar.index.search import FaissSearcher, Searcher, checked_queries
from solar.index.snapshot import Snapshot
from solar.index.writer import Writer, remove_leftovers

if TYPE_CHECKING:
    from solar.images import Box


class Index:
    """A folder of descriptors. `Index.create` makes one, `Index.open` opens one.

    An opened index stays at the commit that it was opened at, or that it last wrote itself.
    Any number of processes may read; `add`, `remove` and `compact` lock out other writers.
    """

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

    @classmethod
    def create(
        cls,
        folder: AnyPath,
        model: AnyPath | Describer = "solar-r18",
        image_size: int | None = None,
        scales: Sequence[float] | None = None,
    ) -> Index:
        """Make an empty index.

        Args:
            folder: to make; may exist if it is empty.
            model: what `solar.load` takes, or a describer.
            image_size: limit of a photo's longest side, in pixels; None for the model's own.
            scales: at which descriptors are averaged; None for the model's own.

        Raises:
            IndexFolderError: the folder holds something, or cannot be written.
            UsageError: the settings are out of range.
            CheckpointError: the model cannot be loaded.
        """
        folder = Path(folder).absolute()
        maintenance.refuse_occupied(folder)
        if isinstance(model, Describer):
            describer: Describer = model
        else:
            describer = load_describer(model_name(model), image_size, scales)
        maintenance.make_folder(folder, describer.settings)
        return cls(Snapshot.open(folder), describer)

    @classmethod
    def open(
        cls,
        folder: AnyPath,
        model: AnyPath | Describer | None = None,
        image_size: int | None = None,
        scales: Sequence[float] | None = None,
        searcher: Searcher | None = None,
    ) -> Index:
        """Open the last commit of an index. The model is loaded once a photo must be described.

        Args:
            folder: of the index.
            model: what `solar.load` takes, or a describer; None for the one that the index names.
            image_size: None, or what the index was made with.
            scales: None, or what the index was made with.
            searcher: how descriptors are compared; None for exactly, by FAISS.

        Raises:
            IndexFolderError: there is no index, it is damaged, it was made with another model or
                other settings, or the model given cannot be loaded.
        """
        snapshot = Snapshot.open(Path(folder).absolute())
        settings = snapshot.manifest.settings
        asked = replace(
            settings,
            image_size=settings.image_size if image_size is None else image_size,
            scales=settings.scales if scales is None else tuple(map(float, scales)),
        )
        refuse_other(snapshot.folder, settings, asked)
        if isinstance(model, Describer):
            refuse_other(snapshot.folder, settings, model.settings)
            return cls(snapshot, model, searcher=searcher)
        name = None if model is None else model_name(model)
        index = cls(snapshot, model=name, searcher=searcher)
        if name is not None and name != settings.model:
            index._loaded()  # To refuse another model now, not after an hour of reading photos.
        return index

    def __len__(self) -> int:
        """How many photos can be found."""
        return int(np.count_nonzero(self._snapshot.row_ids >= 0))

    def add(
        self,
        photos: AnyPath | Iterable[AnyPath],
        progress: Progress | None = None,
        *,
        retry_failed: bool = False,
    ) -> AddReport:
        """Add photos that are new, and describe those again that have changed.

        A photo is known by its absolute path, and has changed if its file's size or time and then
        its content are another. Commits as it goes: after an interruption, the same call goes on
        where that came.

        Args:
            photos: a folder, with all folders in it, a photo, or a list of these.
            progress: called with the number of photos dealt with, and of all.
            retry_failed: also try photos again that failed before and have not changed.

        Returns:
            What became of each photo, by name. Vanished ones stay until they are removed.

        Raises:
            IndexFolderError: another writes to the index, it cannot be written, or its model
                cannot be loaded, or is another now.
            PhotoError: a folder cannot be listed.
        """
        paths, given = list_photos(photos)
        with self._writing(), self._writer() as writer:
            addition = Addition(
                writer,
                Catalogue(self._snapshot, writer),
                self._loaded,
                retry_failed=retry_failed,
                progress=progress,
            )
            addition.run(paths)
            return addition.finish(given)

    def remove(self, photos: AnyPath | Iterable[AnyPath | int]) -> int:
        """Take photos out of the index; their files stay.

        Args:
            photos: paths or ids, such as a report's `vanished`.

        Returns:
            How many there were.

        Raises:
            UsageError: one of them is not in the index; then nothing is removed.
            IndexFolderError: another writes to the index, or it cannot be written.
        """
        if isinstance(photos, str | PathLike):
            photos = [photos]
        with self._writing(), self._writer() as writer:
            catalogue = Catalogue(self._snapshot, writer)
            entries = {catalogue.named(photo) for photo in photos}
            for entry in sorted(entries):
                catalogue.put(entry._replace(state=State.REMOVED, row=NO_ROW))
            writer.commit()
        return len(entries)

    def compact(self) -> None:
        """Free the room of what was removed or replaced. Ids stay as they are.

        Raises:
            IndexFolderError: another writes to the index, or it cannot be written.
        """
        with self._writing():
            maintenance.compact(self._snapshot)

    def verify(self) -> list[str]:
        """Check every byte of the last commit on disk against its checksums.

        Returns:
            One line for each damaged thing; empty if all is well.
        """
        return maintenance.find_problems(self._snapshot.folder)

    def info(self) -> IndexInfo:
        """What the index holds, and which photos could not be used and why."""
        return maintenance.summary(self._snapshot)

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
        descriptor = self._loaded().describe_query(Path(photo), box)
        return self.search_descriptors(descriptor[None], top)[0]

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

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Be the only writer, on top of the last commit; afterwards, read what was committed."""
        folder = self._snapshot.folder
        with writer_lock(folder):
            self._snapshot = Snapshot.open(folder)
            remove_leftovers(folder)
            try:
                yield
            finally:
                self._snapshot = Snapshot.open(folder)

    def _writer(self) -> Writer:
        return Writer(self._snapshot.folder, self._snapshot.manifest)

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
