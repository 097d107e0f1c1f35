"""The features of an index: what makes them, and which photos lack them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from solar.errors import CheckpointError, IndexFolderError, UsageError
from solar.extraction import Failed
from solar.features.extraction import FeatureExtraction
from solar.features.extractor import (
    FeatureExtractor,
    features_of_one,
    open_feature_extractor,
)
from solar.features.features import Features
from solar.index.adding import Progress
from solar.index.describer import model_name
from solar.index.listing import AnyPath
from solar.index.local_store import LocalStore
from solar.index.records import Entry, path_to_bytes, path_to_text
from solar.index.results import LocalInfo
from solar.index.snapshot import Snapshot

FOLDER = "local"
_SECONDS_PER_COMMIT = 10.0  # What a killed run has to do again, at most.

Missing = dict[bytes, Entry]


class LocalFeatures:
    """The features beside an index; they are made only if `keep` has once been called for it.

    They are read as of the first use, or of the last write through this object.
    """

    def __init__(self, index: Path) -> None:
        """Use `Index`.

        Args:
            index: its folder.
        """
        self._index = index
        self._folder = index / FOLDER
        self._opened: LocalStore | None = None
        self._extractor: FeatureExtractor | None = None

    @property
    def kept(self) -> bool:
        """Whether the index keeps features."""
        return LocalStore.exists(self._folder)

    def keep(self, local: AnyPath | FeatureExtractor) -> None:
        """Keep features from now on.

        Args:
            local: `rootsift`, what `solar.load_local` takes, or an extractor.

        Raises:
            CheckpointError: the network cannot be loaded.
            IndexFolderError: features of another descriptor are kept, or nothing can be written.
        """
        if isinstance(local, FeatureExtractor):
            self._extractor = local
        else:
            name = model_name(local)
            if self.kept and self._store.extraction.descriptor == name:
                return
            self._extractor = open_feature_extractor(name)
        extraction = self._extractor.extraction
        if not self.kept:
            self._opened = LocalStore.create(self._folder, extraction)
            return
        self._refuse_other(extraction)
        if self._store.extraction.descriptor != extraction.descriptor:
            self._store.rename(extraction.descriptor)
            self._opened = None

    def add(
        self, snapshot: Snapshot, photos: Iterable[Path], progress: Progress | None
    ) -> list[tuple[str, str]]:
        """Describe those of some photos that have a descriptor and no features.

        Args:
            snapshot: of the index.
            photos: absolute paths.
            progress: called with the number of photos dealt with, and of all.

        Returns:
            (path, reason) of the photos that still have none.

        Raises:
            IndexFolderError: nothing can be written, or the descriptor not be loaded. Like an
                interruption, this leaves what was done in the store.
        """
        missing = self._missing(snapshot, photos)
        failed: list[tuple[str, str]] = []
        if not missing:
            return failed
        with self._store.writer() as writer:
            committed = time.monotonic()
            try:
                for done, (key, entry, outcome) in enumerate(self._describe(missing), 1):
                    if isinstance(outcome, str):
                        failed.append((path_to_text(entry.path), outcome))
                    else:
                        writer.put(key, outcome)
                    if time.monotonic() - committed >= _SECONDS_PER_COMMIT:
                        writer.commit()
                        committed = time.monotonic()
                    if progress is not None:
                        progress(done, len(missing))
            finally:
                writer.commit()
                self._opened = None
        return failed

    def _describe(self, missing: Missing) -> Iterator[tuple[bytes, Entry, Features | str]]:
        """Key, photo, and its features or why it has none."""
        entries = list(missing.items())
        photos = [Path(path_to_text(entry.path)) for _, entry in entries]
        for outcome in self._loaded().describe(photos):
            key, entry = entries[outcome.position]
            path = photos[outcome.position]
            if isinstance(outcome, Failed):
                yield key, entry, outcome.reason
            elif _has_changed(path, entry):
                yield key, entry, f"{path}: has just changed: add it again"
            else:
                yield key, entry, outcome.features

    def find(self, sha256: bytes) -> Features | None:
        """The features of a photo whose file has this SHA-256, None if there are none.

        Raises:
            IndexFolderError: the index keeps no features, or they are damaged.
        """
        return self._store.find(sha256)

    def describe(self, photo: Path, box: tuple[float, float, float, float] | None) -> Features:
        """The features of a query.

        Raises:
            PhotoError: it cannot be used.
            UsageError: the box lies outside the photo.
            IndexFolderError: the index keeps no features, or their descriptor cannot be loaded.
        """
        return features_of_one(self._loaded(), photo, box)

    def compact(self, snapshot: Snapshot) -> None:
        """Free the room of features that belong to no photo of the index."""
        if self.kept:
            self._store.compact(_described(snapshot))
            self._opened = None

    def problems(self) -> list[str]:
        """One line for each damaged thing on disk; empty if all is well."""
        if not self.kept:
            return []
        try:
            return LocalStore.open(self._folder).problems()
        except IndexFolderError as error:
            return [str(error)]

    def info(self, snapshot: Snapshot) -> LocalInfo | None:
        """What is kept, None for nothing."""
        if not self.kept:
            return None
        store, keys = self._store, self._store.keys()
        described = [sha256 for _, _, sha256, found in snapshot.known_files() if found]
        return LocalInfo(
            extraction=store.extraction,
            photos=sum(sha256 in keys for sha256 in described),
            size=store.size,
            reclaimable=len(keys - set(described)),
        )

    @property
    def _store(self) -> LocalStore:
        if self._opened is None:
            if not self.kept:
                raise IndexFolderError(
                    f"{self._index} keeps no features: describe its photos with "
                    f"`solar index PHOTOS --to {self._index} --local solar-local`"
                )
            self._opened = LocalStore.open(self._folder)
        return self._opened

    def _missing(self, snapshot: Snapshot, photos: Iterable[Path]) -> Missing:
        """By SHA-256, a photo that has it."""
        wanted = {path_to_bytes(path) for path in photos}
        keys = self._store.keys()
        missing: Missing = {}
        for position, path, sha256, described in snapshot.known_files():
            if described and path in wanted and sha256 not in keys:
                missing.setdefault(sha256, snapshot.entry(position))
        return missing

    def _loaded(self) -> FeatureExtractor:
        """What describes photos, loaded on first use."""
        if self._extractor is None:
            name = self._store.extraction.descriptor
            try:
                found = open_feature_extractor(name)
            except (CheckpointError, UsageError) as error:
                raise IndexFolderError(
                    f"{self._index} needs the local descriptor that its features were made with, "
                    f"{name} ({error}): say where it is now with `solar index … --local`"
                ) from error
            self._refuse_other(found.extraction)
            self._extractor = found
        return self._extractor

    def _refuse_other(self, offered: FeatureExtraction) -> None:
        way_out = f"use what they were made with, or delete {self._folder} and make them anew"
        try:
            self._store.extraction.require_same(offered, self._index, way_out)
        except UsageError as error:
            raise IndexFolderError(str(error)) from error


def _described(snapshot: Snapshot) -> set[bytes]:
    """SHA-256 of all photos that can be found."""
    return {sha256 for _, _, sha256, described in snapshot.known_files() if described}


def _has_changed(path: Path, entry: Entry) -> bool:
    """Whether a file is another than the one that the index knows."""
    try:
        found = path.stat()
    except OSError:
        return True
    return (found.st_size, found.st_mtime_ns) != (entry.size, entry.mtime_ns)
