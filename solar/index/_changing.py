"""Changing which photos an index holds: adding, removing and moving them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from numpy.typing import ArrayLike

from solar.errors import UsageError
from solar.extraction import Extraction
from solar.features import FeatureExtractor
from solar.index._adding import Addition
from solar.index._by_name import add_rows
from solar.index._candidates import Ready
from solar.index._entries import path_to_text
from solar.index._given import Seen, look, see
from solar.index._keeping import PATIENCE, Keeper
from solar.index._models import absolute_model
from solar.index._query import fitting
from solar.index._roots import move
from solar.index._snapshot import Snapshot
from solar.index._writer import Writer
from solar.index.results import AddReport
from solar.typing import AnyPath, Progress


class Changer(Keeper):
    """Adds photos to an opened index, and takes them out; `Index` makes and opens one."""

    def add(
        self,
        photos: AnyPath | Iterable[AnyPath],
        progress: Progress | None = None,
        *,
        exclude: Sequence[str] = (),
        retry_failed: bool = False,
        check_content: bool = False,
        ready: Ready | None = None,
        timeout: float = PATIENCE,
    ) -> AddReport:
        """Add photos that are new, and describe those again that have changed.

        A photo is known by its path below the folder that was added, its root, and has changed if
        its file's size or times and then its content are another. A folder in no root yet is
        another root, or one that was moved: if a root is gone, at least half of its photos lie at
        the same paths in the new folder with the same sizes, and the bytes of 20 agree. A photo
        whose file is gone and whose bytes are found elsewhere has moved there. Commits as it goes:
        after an interruption, the same call goes on where that came.

        Args:
            photos: a folder, with all folders in it, a photo, or a list of these.
            progress: called with the number of photos dealt with, and of all.
            exclude: patterns of names of files and folders to leave out, beside the usual
                `solar.photos.EXCLUDED`; one with a slash is for the path below its folder.
            retry_failed: also try photos again that failed before and have not changed.
            check_content: read all files, also those whose size and times have not changed.
            ready: called with the path and the state of each file that is to be read; where it
                says no, as of one that is still being written, that file is left for a later call.
            timeout: seconds to wait for another writer.

        Returns:
            What became of each photo, by name. Vanished ones stay until they are removed.

        Raises:
            IndexLocked: another writes to the index all that time.
            IndexFolderError: it cannot be written.
            UsageError: nothing of what was given exists, or the model is another now.
            CheckpointError: the model cannot be loaded.
            PhotoError: a folder cannot be listed.
        """
        given = [photos] if isinstance(photos, str | os.PathLike) else list(photos)
        return self._add_seen(
            partial(see, given, exclude),
            progress,
            retry_failed=retry_failed,
            check_content=check_content,
            ready=ready,
            timeout=timeout,
        )

    def _add_seen(
        self,
        looked: Callable[[], Seen],
        progress: Progress | None = None,
        *,
        retry_failed: bool = False,
        check_content: bool = False,
        ready: Ready | None = None,
        timeout: float = PATIENCE,
    ) -> AddReport:
        """See `add`; of folders that may have been looked at before."""
        with self._writing(timeout) as (snapshot, lock):
            given = look(looked(), snapshot)
            made = snapshot.commit.features
            with Writer(snapshot.catalogue.file, lock) as writer:
                writer.put_roots(given.roots)
                if renamed := self._models.renamed(snapshot.commit.extraction):
                    writer.put_settings(renamed, made)
                addition = Addition(
                    snapshot,
                    writer,
                    given.roots,
                    lambda: self._models.extractor(snapshot.commit.extraction),
                    None if made is None else partial(self._models.feature_extractor, made),
                    retry_failed=retry_failed,
                    check_content=check_content,
                    moving=True,
                    ready=ready,
                    progress=progress,
                )
                addition.run(given.photos, [path_to_text(path) for path in given.paths])
            return addition.finish(Snapshot.open(self.folder, snapshot), given)

    def add_descriptors(
        self,
        names: Sequence[AnyPath],
        descriptors: ArrayLike,
        extraction: Extraction,
        *,
        timeout: float = PATIENCE,
    ) -> list[int]:
        """Add what was described elsewhere.

        Args:
            names: of N photos: absolute paths, or any names, under which hits come back.
            descriptors: (N, D), unit rows.
            extraction: that made them.
            timeout: seconds to wait for another writer.

        Returns:
            The ids of the photos; those that were there keep theirs and get the new descriptor.

        Raises:
            UsageError: they were made otherwise than the index's, a row is not of unit length, or
                a name is there twice.
            IndexLocked: another writes to the index all that time.
            IndexFolderError: it cannot be written.
        """
        with self._writing(timeout) as (snapshot, lock):
            rows = fitting(descriptors, extraction, snapshot, "descriptors")
            with Writer(snapshot.catalogue.file, lock) as writer:
                return add_rows(snapshot, writer, [os.fspath(n) for n in names], rows)

    def add_shards(
        self, shards: AnyPath, progress: Progress | None = None, *, timeout: float = PATIENCE
    ) -> AddReport:
        """Add what many machines described together; see `solar.extraction.workers`.

        Photos that are in the index with the same bytes stay as they are. Commits as it goes:
        after an interruption, the same call goes on where that came.

        Args:
            shards: the folder or address where they put it.
            progress: called with the number of photos dealt with, and of all.
            timeout: seconds to wait for another writer.

        Returns:
            What became of each photo, by name.

        Raises:
            UsageError: they were described otherwise than the index's.
            SolarError: shards are missing or damaged.
            IndexLocked: another writes to the index all that time.
            IndexFolderError: it cannot be written.
        """
        from solar.extraction.work import open_work
        from solar.index._merging import Merging

        work = open_work(shards)
        with (
            self._writing(timeout) as (snapshot, lock),
            Writer(snapshot.catalogue.file, lock) as writer,
        ):
            merging = Merging(snapshot, writer, work)
            merging.run(progress)
        return merging.report

    def keep_features(
        self, features: AnyPath | FeatureExtractor, *, timeout: float = PATIENCE
    ) -> None:
        """Keep features beside the descriptors from now on, for geometric re-ranking.

        Photos that are in the index already get theirs the next time that they are given to `add`.

        Args:
            features: what `solar.features.open_feature_extractor` takes, or an extractor.
            timeout: seconds to wait for another writer.

        Raises:
            UsageError: the index keeps features that are made otherwise.
            IndexLocked: another writes to it all that time.
            IndexFolderError: it cannot be written.
            CheckpointError: the network cannot be loaded.
        """
        made = self._snapshot.commit.features
        named = None if isinstance(features, FeatureExtractor) else str(absolute_model(features))
        if made is not None and made.descriptor == named:
            return
        features = self._models.load_features(features)
        with self._writing(timeout) as (snapshot, lock):
            made = snapshot.commit.features
            if made is not None:
                way_out = "use what they were made with, or make another index"
                made.require_same(features.extraction, self.folder, way_out)
            if made == features.extraction:
                self._models.features = features
                return
            with Writer(snapshot.catalogue.file, lock) as writer:
                writer.put_settings(snapshot.commit.extraction, features.extraction)
                writer.commit()
        self._models.features = features

    def remove(
        self, photos: AnyPath | int | Iterable[AnyPath | int], *, timeout: float = PATIENCE
    ) -> int:
        """Take photos out of the index; their files stay.

        Args:
            photos: ids, paths of photos, or folders with all that is in them, one or many.
            timeout: seconds to wait for another writer.

        Returns:
            How many there were.

        Raises:
            UsageError: one of them is not in the index; then nothing is removed.
            IndexLocked: another writes to the index all that time.
            IndexFolderError: it cannot be written.
        """
        items = [photos] if isinstance(photos, str | os.PathLike | int) else list(photos)
        with self._writing(timeout) as (snapshot, lock):
            numbers = set(snapshot.find(item for item in items if isinstance(item, int)))
            found: set[int] = set()
            for item in items:
                if isinstance(item, int):
                    kind, named = "id", numbers & {item}
                else:
                    kind, named = "photo or folder", {e.id for e in snapshot.meant(item)}
                if not named:
                    raise UsageError(f"holds no {kind} {item}, so nothing was done", self.folder)
                found |= named
            with Writer(snapshot.catalogue.file, lock) as writer:
                for number in sorted(found):
                    writer.remove(number)
                writer.commit()
        return len(found)

    def move(self, old: AnyPath, new: AnyPath, *, timeout: float = PATIENCE) -> int:
        """Say that photos lie elsewhere now; none is described.

        Args:
            old: a folder, where the index knows photos.
            new: where they are now.
            timeout: seconds to wait for another writer.

        Returns:
            How many photos have another path now.

        Raises:
            UsageError: the index knows no photo below `old`, or `new` is no folder.
            IndexLocked: another writes to the index all that time.
            IndexFolderError: it cannot be written.
        """
        with (
            self._writing(timeout) as (snapshot, lock),
            Writer(snapshot.catalogue.file, lock) as writer,
        ):
            return move(snapshot, writer, Path(old), Path(new))
