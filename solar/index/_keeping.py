"""Changing how an index keeps its photos, and not which: another model, kind or setting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from solar.errors import IndexFolderError, UsageError
from solar.index._folder import remove_leftovers
from solar.index._lock import WriterLock, writer_lock
from solar.index._models import Models, absolute_model
from solar.index._reading import Reader
from solar.index._rewriting import compact, renew
from solar.index._snapshot import Snapshot
from solar.index._writer import Writer
from solar.index.results import AddReport
from solar.index.tuning import Tuning, tuned
from solar.index.vectors import Server, kind_named
from solar.typing import Progress

if TYPE_CHECKING:
    from solar.index._models import Model

PATIENCE = 60.0
"""Seconds for which those that write wait for another writer."""


class Keeper(Reader):
    """Keeps an opened index in shape, one writer at a time; `Index` adds and removes photos."""

    def renew(
        self,
        model: Model,
        progress: Progress | None = None,
        image_size: int | None = None,
        scales: Sequence[float] | None = None,
        *,
        timeout: float = PATIENCE,
    ) -> AddReport:
        """Describe all photos anew, with another model or other settings; ids stay.

        The index answers as before until all of them are described, and then switches at once. An
        interrupted call goes on where it came to. Where the model is the one that the index was
        made with, only its name or path is remembered.

        Args:
            model: as for `create`.
            progress: called with the number of photos dealt with, and of all.
            image_size: None for the model's own; of the same model, for the index's.
            scales: likewise.
            timeout: seconds to wait for another writer.

        Returns:
            What became of each photo.

        Raises:
            CheckpointError: the model cannot be loaded.
            UsageError: a root is out of reach.
            IndexLocked: another writes to the index all that time.
            IndexFolderError: it cannot be written.
        """
        m = self._models
        models = Models(
            self.folder, absolute_model(model), m.features, m.device, m.precision, m.engine
        )
        extractor = models.load(absolute_model(model), image_size, scales)
        with self._writing(timeout) as (snapshot, lock):
            made, here = snapshot.commit.extraction, extractor.extraction
            if image_size is None and scales is None:
                here = replace(here, image_size=made.image_size, scales=made.scales)
            if not made.differences(here):
                with Writer(snapshot.catalogue.file, lock) as writer:
                    writer.put_settings(here, snapshot.commit.features)
                    writer.commit()
                self._models = models
                found = [photo.path for photo in self.photos() if photo.reason is None]
                return AddReport(unchanged=found)
            report = renew(snapshot, lock, extractor, progress)
        models.use(extractor, extractor.extraction)
        self._models = models
        return report

    def compact(self, *, timeout: float = PATIENCE) -> None:
        """Free the room of what was removed or replaced. Ids stay as they are.

        Args:
            timeout: seconds to wait for another writer.

        Raises:
            IndexDamaged: a descriptor or features are damaged; then nothing has changed.
            IndexLocked: another writes to the index all that time.
            IndexFolderError: it cannot be written.
        """
        with self._writing(timeout) as (snapshot, lock):
            compact(snapshot, lock)

    def convert(
        self,
        kind: str,
        progress: Progress | None = None,
        *,
        server: Server | None = None,
        timeout: float = PATIENCE,
    ) -> None:
        """Keep descriptors in another kind of vectors; ids and paths stay, and no photo is read.

        The index answers as before until all is written, and then switches at once. What a kind
        rounds off does not come back by converting again: it takes `renew`.

        Args:
            kind: see `solar.index.vectors.KINDS`.
            progress: called with the number of photos copied, and of all.
            server: for kind `milvus`; None for the one where the index is, or what the environment
                says.
            timeout: seconds to wait for another writer.

        Raises:
            UsageError: there is no such kind, or no server.
            IndexDamaged: a descriptor or features are damaged; then nothing has changed.
            IndexLocked: another writes to the index all that time.
            IndexFolderError: it cannot be written.
        """
        if kind != self.kind or server is not None:
            server = kind_named(kind).server(server)
        with self._writing(timeout) as (snapshot, lock):
            made = snapshot.commit
            now = kind_named(made.kind)
            moved = server is not None and not now.is_at(self.folder, made.files, server)
            if kind != made.kind or moved:
                compact(snapshot, lock, kind, progress, server)

    def tune(
        self,
        recall: float = 0.95,
        queries: int = 100,
        progress: Progress | None = None,
        *,
        timeout: float = PATIENCE,
    ) -> Tuning:
        """Measure what searches find of what comparing all would, and keep the fastest setting.

        Args:
            recall: of the ten nearest photos, 0 to 1, that searches should find from now on.
            queries: how many photos of the index to search for.
            progress: called with the settings that are measured, and all.
            timeout: seconds to wait for another writer.

        Returns:
            The settings worth having, and the one that was kept.

        Raises:
            UsageError: the index compares all photos, or a number is out of range.
            IndexLocked: another writes to the index all that time.
            IndexFolderError: it cannot be written.
        """
        with self._writing(timeout) as (snapshot, lock):
            found = tuned(snapshot, recall, queries, progress)
            with Writer(snapshot.catalogue.file, lock) as writer:
                writer.put_effort(found.chosen.probes, found.chosen.candidates)
                writer.commit()
        return found

    @contextmanager
    def _writing(self, timeout: float) -> Iterator[tuple[Snapshot, WriterLock]]:
        """Be the only writer, on top of the last commit; afterwards, read what was committed."""
        if self._snapshot.far is not None:
            raise UsageError(
                "is at an address, where it is only read: change the folder it was copied from",
                self.place,
            )
        if not self.folder.is_dir():
            raise IndexFolderError("no such index: it was moved or deleted", self.folder)
        with writer_lock(self.folder, timeout) as lock:
            self.refresh()
            remove_leftovers(self._snapshot, lock)
            try:
                yield self._snapshot, lock
            except BaseException:
                with suppress(IndexFolderError):  # Another error is on its way already.
                    self.refresh()
                raise
            self.refresh()
            made = self._snapshot.commit
            dimensions = made.extraction.dimensions
            kind_named(made.kind).arrange(self.folder, made.files, dimensions, made.rows)
            self.refresh()
