"""The index: a folder that remembers photos and finds those that show the same place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from solar.index import maintenance
from solar.index.adding import Addition, Progress
from solar.index.catalogue import Catalogue
from solar.index.datafile import remove_leftovers
from solar.index.describer import Describer, load_describer, model_name, refuse_other
from solar.index.listing import AnyPath, list_photos
from solar.index.lock import writer_lock
from solar.index.reading import Reader
from solar.index.records import NO_ROW, State
from solar.index.results import AddReport
from solar.index.snapshot import KINDS, Snapshot
from solar.index.vectors.exact import Searcher
from solar.index.writer import Writer

if TYPE_CHECKING:
    pass

    from solar.features.extractor import FeatureExtractor


class Index(Reader):
    """A folder of descriptors. `Index.create` makes one, `Index.open` opens one.

    An opened index stays at the commit that it was opened at, or that it last wrote itself.
    Any number of processes may read; `add`, `remove` and `compact` lock out other writers.
    """

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
            progress: called with the number of photos dealt with, and of all; then once more with
                those of which features are made.
            retry_failed: also try photos again that failed before and have not changed.

        Returns:
            What became of each photo, by name. Vanished ones stay until they are removed.

        Raises:
            IndexFolderError: another writes to the index, it cannot be written, or its model
                cannot be loaded, or is another now.
            PhotoError: a folder cannot be listed.
        """
        paths, given = list_photos(photos)
        with self._writing():
            with self._writer() as writer:
                addition = Addition(
                    writer,
                    Catalogue(self._snapshot, writer),
                    self._loaded,
                    retry_failed=retry_failed,
                    progress=progress,
                )
                addition.run(paths)
                report = addition.finish(given)
            if self._local.kept:
                last = Snapshot.open(self._snapshot.folder)
                report.without_features = self._local.add(last, paths, progress)
        return report

    def keep_local(self, local: AnyPath | FeatureExtractor) -> None:
        """Keep features beside the descriptors from now on, for geometric re-ranking.

        They take about 70 KB for each photo. Photos that are in the index already get theirs the
        next time that they are given to `add`.

        Args:
            local: `rootsift`, what `solar.load_local` takes, or a describer of keypoints.

        Raises:
            IndexFolderError: the index keeps features of another descriptor, another writes to it,
                or it cannot be written.
            CheckpointError: the network cannot be loaded.
        """
        with self._writing():
            self._local.keep(local)

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
            self._local.compact(self._snapshot)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Be the only writer, on top of the last commit; afterwards, read what was committed."""
        folder = self._snapshot.folder
        with writer_lock(folder):
            self._snapshot = Snapshot.open(folder)
            remove_leftovers(folder, KINDS, self._snapshot.manifest.generation)
            try:
                yield
            finally:
                self._snapshot = Snapshot.open(folder)

    def _writer(self) -> Writer:
        return Writer(self._snapshot.folder, self._snapshot.manifest)
