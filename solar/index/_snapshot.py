"""A snapshot: everything that an index answers from, as of one commit."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from mmap import mmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solar.calibration import Background, Level, index_level, sample_rows
from solar.errors import IndexDamaged, IndexFolderError, UsageError
from solar.features.extraction import from_bytes
from solar.features.features import Features
from solar.index._datafile import map_file
from solar.index._entries import (
    KEPT_TOLERANCE,
    Descriptor,
    Entry,
    checksum,
    descriptor_sum,
)
from solar.index._far import FarFolder, far_bytes, kept_here
from solar.index._numbered import features_file, newest
from solar.index._photos import Photos
from solar.index._ranges import FarBytes
from solar.index.catalogue import Catalogue
from solar.index.vectors import Effort, ListedVectors, OddRow, Vectors, kind_named, lengths_of
from solar.index.vectors.far import open_far
from solar.ranking import Ranking
from solar.typing import Descriptors

_AT_ONCE = 1000


class Snapshot(Photos):
    """One commit of an index, opened for reading; later commits leave it as it is.

    Attributes:
        folder: of the index; of one at an address, what is kept of it here.
        far: the index at an address; None of one in the folder.
        vectors: its descriptors.
    """

    def __init__(
        self,
        folder: Path,
        catalogue: Catalogue,
        previous: Snapshot | None,
        far: FarFolder | None = None,
    ) -> None:
        """Use `Snapshot.open`.

        Args:
            folder: of the index.
            catalogue: opened.
            previous: an earlier snapshot of the same files, to take over what still holds.
            far: where the other files are, if not in the folder.
        """
        super().__init__(catalogue, folder, folder if far is None else far.address)
        self.folder, self.far = folder, far
        kind, files = kind_named(self.commit.kind), self.commit.files
        dimensions, rows = self.commit.extraction.dimensions, self.commit.rows
        looked, features = True, features_file(folder, files)
        self.vectors: Vectors
        if far is None:
            self.vectors = kind.open(folder, files, dimensions, rows)
            self._features: FarBytes | mmap | bytes = map_file(features, self.commit.features_bytes)
        else:
            self.vectors, looked = open_far(kind, far, files, dimensions, rows, self._look)
            self._features = far_bytes(far, features.name, self.commit.features_bytes)
        if isinstance(self.vectors, ListedVectors) and self.commit.probes:
            self.vectors.effort = Effort(self.commit.probes, self.commit.candidates)
        self._loading = threading.RLock()
        self._owners: NDArray[np.int64] | None = None
        self._sample: tuple[Descriptors, Level] | None = None
        self._previous = previous
        if not looked:
            self._verify_fetched()

    @classmethod
    def open(cls, folder: Path | str, previous: Snapshot | None = None) -> Snapshot:
        """Open the last commit.

        Compaction may replace the files in between: then the new ones are opened.

        Args:
            folder: of the index, or its address.
            previous: an earlier snapshot of the same index, to take over what still holds.

        Raises:
            IndexFolderError: there is no index, or it is damaged.
        """
        if isinstance(folder, str):
            return cls._open_far(FarFolder(folder))
        gone = ""
        while True:
            number, file = newest(folder)
            if previous is not None and previous.catalogue.file != file:
                previous = None
            try:
                catalogue = Catalogue(file) if previous is None else previous.catalogue
                return cls(folder, catalogue, previous)
            except FileNotFoundError as error:
                if gone == f"{number} {error.filename}":
                    raise IndexDamaged(
                        f"{Path(error.filename).name} is missing: restore it from a copy, or make "
                        "the index anew",
                        folder,
                    ) from error
                gone = f"{number} {error.filename}"
            except OSError as error:
                raise IndexFolderError(f"cannot be read: {error}", folder) from error

    @classmethod
    def _open_far(cls, far: FarFolder) -> Snapshot:
        try:
            return cls(far.local, Catalogue(far.catalogue), None, far)
        except FileNotFoundError as error:
            raise IndexDamaged(f"{error.filename} is missing: copy the index anew") from error

    def _look(self, rows: NDArray[np.int64], found: Descriptors) -> None:
        """Refuse descriptors from an address that are not what the catalogue says of their rows.

        Raises:
            IndexDamaged: one is not.
        """
        ids = self.owners[rows]
        entries = self.find(ids[ids >= 0].tolist())
        for number, descriptor in zip(ids.tolist(), found, strict=True):
            entry = entries.get(number)
            if entry is not None and descriptor_sum(descriptor) != entry.descriptor_sum:
                raise IndexDamaged(self.damage(entry), self.place)

    def _verify_fetched(self) -> None:
        """Refuse descriptors that were fetched whole and are not what the catalogue says."""
        mark = self.folder / "verified"
        if mark.exists():
            return
        entries = self.catalogue.all(self.commit.generation)
        while part := list(islice(entries, _AT_ONCE)):
            for _, _, wrong in self.checked(part):
                if wrong:
                    for file in kind_named(self.commit.kind).files(self.folder, self.commit.files):
                        file.unlink(missing_ok=True)
                    raise IndexDamaged(wrong, self.place)
        mark.touch()

    @property
    def owners(self) -> NDArray[np.int64]:
        """For each row of the vectors, the id of the photo that it describes, -1 for none.

        Read once there is something to search, and then the descriptors are looked at too.

        Raises:
            IndexDamaged: a descriptor cannot be one.
        """
        with self._loading:
            if self._owners is None:
                before, self._previous = self._previous, None
                known = None if before is None else before._owners
                since = None if before is None or known is None else before.commit
                owners = self.catalogue.owners(self.commit, known, since)
                self._refuse_odd(owners, 0 if known is None else len(known))
                self._owners = owners
            return self._owners

    def _refuse_odd(self, owners: NDArray[np.int64], start: int) -> None:
        lengths = self.vectors.lengths(start)
        odd = ~(np.abs(lengths - 1) <= KEPT_TOLERANCE) & (owners[start:] >= 0)
        if odd.any():
            row = start + int(np.flatnonzero(odd)[0])
            entry = self.entry(int(owners[row]))
            raise IndexDamaged(self.damage(entry, length=lengths[row - start]), self.place)

    def descriptors(self, ids: Sequence[int]) -> Descriptors:
        """Descriptors (K, D) of photos.

        Raises:
            UsageError: one of them has none.
            IndexDamaged: one is not what was written.
        """
        found = self.find(ids)
        entries = [entry for n in ids if (entry := found.get(n)) and entry.row is not None]
        if len(entries) < len(ids):
            lost = next(n for n in ids if n not in found or found[n].row is None)
            raise UsageError(f"has no descriptor of id {lost}", self.place)
        rows = np.empty((len(ids), self.commit.extraction.dimensions), np.float32)
        for position, (_, descriptor, wrong) in enumerate(self.checked(entries)):
            if wrong:
                raise IndexDamaged(wrong, self.place)
            rows[position] = descriptor
        return rows

    def owners_of(self, where: str | None) -> NDArray[np.int64]:
        """As `owners`, but -1 for photos that a filter does not let through.

        Raises:
            UsageError: it cannot be read.
            IndexDamaged: a descriptor cannot be one.
        """
        if where is None:
            return self.owners
        return np.where(np.isin(self.owners, self.matching(where)), self.owners, -1)

    def search(
        self, queries: Descriptors, top: int, owners: NDArray[np.int64] | None = None
    ) -> list[Ranking]:
        """The photos whose descriptors are nearest to each of (Q, D).

        Args:
            queries: unit rows.
            top: how many to find.
            owners: what `owners_of` gave; None for all photos.

        Raises:
            IndexDamaged: a descriptor that was found cannot be one.
        """
        owners = self.owners if owners is None else owners
        try:
            scores, ids = self.vectors.search(queries, owners, top)
        except OddRow as odd:
            entry = self.entry(int(self.owners[odd.row]))
            raise IndexDamaged(self.damage(entry, length=odd.length), self.place) from odd
        return [Ranking.of(*pair) for pair in zip(ids, scores, strict=True)]

    def background(self, query: Descriptor) -> Background:
        """What cosines of a query (D,) are compared with; the sample is read once."""
        owned = np.flatnonzero(self.owners >= 0)
        with self._loading:
            if self._sample is None:
                sample = self._sampled(owned[sample_rows(len(owned))])
                self._sample = sample, index_level(sample)
            sample, level = self._sample
        return Background.of(query, sample, level)

    def _sampled(self, rows: NDArray[np.int64]) -> Descriptors:
        """The descriptors of some rows; those from an address are kept here."""
        if self.far is None:
            return self.vectors.read(rows)
        shape = len(rows), self.commit.extraction.dimensions
        return kept_here(self.folder / "sample.npy", shape, partial(self.vectors.read, rows))

    def features(self, ids: Sequence[int]) -> list[Features | None]:
        """The features that are kept of photos."""
        made, found = self.commit.features, self.find(ids)
        if isinstance(self._features, FarBytes):
            spans = [(e.features_at, e.features_length) for e in found.values()]
            self._features.ahead([(at, at + size) for at, size in spans if at is not None and size])
        kept: list[Features | None] = []
        for number in ids:
            content = self.feature_bytes(found[number]) if number in found else None
            kept.append(None if content is None or made is None else from_bytes(content, made))
        return kept

    def checked(
        self, entries: Sequence[Entry], vectors: Vectors | None = None
    ) -> Iterator[tuple[Entry, Descriptor | None, str]]:
        """Photos with their descriptors as they lie on disk, and what is wrong with each, if any.

        Whatever is copied, used again or verified comes through here, read at once.

        Args:
            entries: of the photos.
            vectors: later ones than the snapshot's own.
        """
        vectors = self.vectors if vectors is None else vectors
        within = [entry.row is not None and 0 <= entry.row < len(vectors) for entry in entries]
        rows = [entry.row for entry, there in zip(entries, within, strict=True) if there]
        found = vectors.read(np.array(rows, np.int64))
        read = iter(zip(found, lengths_of(found), strict=True))
        for entry, there in zip(entries, within, strict=True):
            descriptor, length = next(read) if there else (None, 1.0)
            wrong = ""
            if entry.row is not None and descriptor is None:
                wrong = f"photo {self.text(entry)!r} names a descriptor that is not there"
            elif descriptor is not None and descriptor_sum(descriptor) != entry.descriptor_sum:
                wrong = self.damage(entry)
            elif not abs(length - 1) <= KEPT_TOLERANCE:  # NaN as well.
                wrong = self.damage(entry, length=length)
            yield entry, descriptor, wrong

    def feature_bytes(self, entry: Entry) -> bytes | None:
        """The features of a photo as they were kept; None if it has none.

        Raises:
            IndexDamaged: they are not what was written.
        """
        if entry.features_at is None or entry.features_length is None:
            return None
        content = self._features[entry.features_at : entry.features_at + entry.features_length]
        if checksum(content) != entry.features_sum:
            raise IndexDamaged(self.damage(entry, "keypoint data"), self.place)
        return content
