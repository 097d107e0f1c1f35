"""The index: a folder that remembers photos and finds those that show the same place."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from solar.errors import UsageError
from solar.extraction import Extraction
from solar.features import DEFAULT, FeatureExtractor
from solar.files.stores import is_address, local_path
from solar.index._adding import Addition, Ready
from solar.index._by_name import add_rows
from solar.index._entries import Commit, path_to_text
from solar.index._folder import make_folder, refuse_occupied
from solar.index._given import Seen, look, see
from solar.index._keeping import PATIENCE, Keeper
from solar.index._models import Models, absolute_model
from solar.index._query import fitting
from solar.index._roots import move
from solar.index._snapshot import Snapshot
from solar.index._writer import Writer
from solar.index.results import AddReport
from solar.index.vectors import Server, kind_named
from solar.typing import AnyPath, Progress

if TYPE_CHECKING:
    from solar.index._models import Model


class Index(Keeper):
    """A folder of descriptors. `Index.create` makes one, `Index.open` opens one.

    An opened index stays at the commit that it was opened at, or that it last wrote itself, until
    `refresh`. Any number of processes and threads may read, also while one writes; `add`, `remove`
    and all others that change an index wait for another writer.
    """

    @classmethod
    def create(
        cls,
        folder: AnyPath,
        model: Model = "solar-r18",
        image_size: int | None = None,
        scales: Sequence[float] | None = None,
        *,
        local: AnyPath | FeatureExtractor | None = DEFAULT,
        kind: str = "exact",
        server: Server | None = None,
        engine: str = "auto",
        device: str = "auto",
        precision: str = "auto",
    ) -> Index:
        """Make an empty index.

        Args:
            folder: to make; may exist if it is empty.
            model: what `solar.load` takes, a loaded network, or an extractor.
            image_size: limit of a photo's longest side, in pixels; None for the model's own.
            scales: at which descriptors are averaged; None for the model's own.
            local: features to keep of each photo, by which searches verify what they find; see
                `keep_features`. None for none.
            kind: how descriptors are kept, see `solar.index.vectors.KINDS`: `exact`, as float32
                with a float16 copy, six bytes a number; `float16`, two bytes, and `sq8`, one, by
                which scores and order are those of rounded numbers.
            server: for kind `milvus`; None for what the environment says.
            engine: that runs the network; see `solar.open_extractor`.
            device: where it runs.
            precision: of its arithmetic.

        Raises:
            IndexFolderError: the folder holds something, or cannot be written.
            UsageError: the settings are out of range, or there is no such kind.
            CheckpointError: the model cannot be loaded.
        """
        if is_address(folder):
            raise UsageError("an index is made in a folder, and then copied there", folder)
        path = local_path(folder).absolute()
        refuse_occupied(path)
        server = kind_named(kind).server(server)
        models = Models(path, absolute_model(model), None, device, precision, engine)
        extractor = models.load(absolute_model(model), image_size, scales)
        models.features = None if local is None else models.load_features(local)
        made = None if models.features is None else models.features.extraction
        make_folder(path, Commit(extractor.extraction, made, kind=kind), server)
        models.use(extractor, extractor.extraction)
        return cls(Snapshot.open(path), models)

    @classmethod
    def open(
        cls,
        folder: AnyPath,
        model: Model | None = None,
        image_size: int | None = None,
        scales: Sequence[float] | None = None,
        *,
        engine: str = "auto",
        device: str = "auto",
        precision: str = "auto",
    ) -> Index:
        """Open the last commit of an index. The model is loaded once a photo must be described.

        Args:
            folder: of the index; or an address that it was copied to, as https://host/my.index or
                s3://bucket/my.index: then it is read there, by ranges of bytes, and not written.
            model: what `solar.load` takes, a loaded network, or an extractor; None for the one
                that the index names.
            image_size: None, or what the index was made with.
            scales: None, or what the index was made with.
            engine: that runs the network; see `solar.open_extractor`.
            device: where it runs.
            precision: of its arithmetic.

        Raises:
            IndexFolderError: there is no index, or it is damaged.
            UsageError: it was made with another model or other settings.
            CheckpointError: the model given cannot be loaded.
        """
        snapshot = Snapshot.open(
            os.fspath(folder) if is_address(folder) else local_path(folder).absolute()
        )
        made = snapshot.commit.extraction
        asked = replace(
            made,
            image_size=made.image_size if image_size is None else image_size,
            scales=made.scales if scales is None else tuple(map(float, scales)),
        )
        made.require_same(asked, snapshot.place, "leave the options out, or make another index")
        named = None if model is None else absolute_model(model)
        models = Models(snapshot.folder, named, None, device, precision, engine)
        if named is not None and named != made.model:
            models.extractor(made)  # To refuse another now, not after an hour of reading photos.
        return cls(snapshot, models)

    def __enter__(self) -> Index:
        """The index itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by its folder: unpickled, it is opened again, at the commit of that moment."""
        m = self._models
        opening = partial(type(self).open, engine=m.engine, device=m.device, precision=m.precision)
        return opening, (self.place, m.model)

    @property
    def engine(self) -> str | None:
        """What runs the network, in words; None as long as no photo had to be described."""
        return self._models.ran

    def add(
        self,
        photos: AnyPath | Iterable[AnyPath] | Seen,
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
            photos: a folder, with all folders in it, a photo, or a list of these; or what `see`
                has found there before.
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
        if not isinstance(photos, Seen):
            photos = [photos] if isinstance(photos, str | os.PathLike) else list(photos)
        with self._writing(timeout) as (snapshot, lock):
            seen = photos if isinstance(photos, Seen) else see(photos, exclude)
            given = look(seen, snapshot)
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
