"""A snapshot: everything that an index answers from, as of one commit."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solar.errors import IndexDamaged, IndexFolderError, UsageError
from solar.index._commit import Commit
from solar.index._datafile import map_file
from solar.index._entries import Entry, checksum
from solar.index._roots import Roots
from solar.index._writer import features_file
from solar.index.catalogue import Catalogue, newest
from solar.index.vectors import kind_named

LENGTH_TOLERANCE = 1e-3
"""How far from 1 the length of a descriptor may be."""


class Snapshot:
    """One commit of an index, opened for reading; later commits leave it as it is.

    Attributes:
        folder: of the index.
        catalogue: what it knows of its photos.
        commit: as of which.
        vectors: its descriptors.
        roots: where its photos are.
    """

    def __init__(self, folder: Path, catalogue: Catalogue, previous: Snapshot | None) -> None:
        """Use `Snapshot.open`.

        Args:
            folder: of the index.
            catalogue: opened.
            previous: an earlier snapshot of the same files, to take over what still holds.
        """
        self.folder = folder
        self.catalogue = catalogue
        self.commit: Commit = catalogue.commit()
        self.roots = Roots.found(catalogue.roots(), folder)
        kind, files = kind_named(self.commit.kind), self.commit.files
        dimensions, rows = self.commit.extraction.dimensions, self.commit.rows
        self.vectors = kind.open(folder, files, dimensions, rows)
        self._features = map_file(features_file(folder, files), self.commit.features_bytes)
        self._loading = threading.Lock()
        self._owners: NDArray[np.int64] | None = None
        self._previous = previous

    @classmethod
    def open(cls, folder: Path, previous: Snapshot | None = None) -> Snapshot:
        """Open the last commit.

        Compaction may replace the files in between: then the new ones are opened.

        Raises:
            IndexFolderError: there is no index, or it is damaged.
        """
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
        odd = ~(np.abs(lengths - 1) <= LENGTH_TOLERANCE) & (owners[start:] >= 0)
        if odd.any():
            row = start + int(np.flatnonzero(odd)[0])
            entry = self.entry(int(owners[row]))
            raise IndexDamaged(
                f"the descriptor of {self.text(entry)!r} has length {lengths[row - start]:.3g} "
                "instead of 1: take that photo out with `solar remove`, and add it again",
                self.folder,
            )

    def find(self, ids: Iterable[int]) -> dict[int, Entry]:
        """Photos by id; those that are not there are left out."""
        return self.catalogue.entries(ids, self.commit.generation)

    def entry(self, number: int) -> Entry:
        """The photo of an id.

        Raises:
            UsageError: there is none.
        """
        found = self.find([number])
        if number not in found:
            raise UsageError(f"holds no photo of id {number}", self.folder)
        return found[number]

    def at(self, path: bytes) -> Entry | None:
        """The photo at an absolute path, or of a name."""
        nameless = [number for number, place in self.roots.places.items() if not place]
        places = [self.roots.home(path), *((number, path) for number in nameless)]
        for place in filter(None, places):
            entry = self.catalogue.named(*place, self.commit.generation)
            if entry is not None:
                return entry
        return None

    def below(self, folder: bytes) -> Iterator[Entry]:
        """All photos below an absolute path, or at it."""
        generation = self.commit.generation
        for number, place in self.roots.places.items():
            if place and (place == folder or place.startswith(folder.rstrip(b"/") + b"/")):
                yield from self.catalogue.below(number, b"", generation)
            elif place and folder.startswith(place.rstrip(b"/") + b"/"):
                inside = folder[len(place.rstrip(b"/")) + 1 :]
                if entry := self.catalogue.named(number, inside, generation):
                    yield entry
                yield from self.catalogue.below(number, inside, generation)

    def text(self, entry: Entry) -> str:
        """Where a photo is now."""
        return self.roots.text(entry.root, entry.path)

    def descriptors(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Descriptors (K, D) of photos.

        Raises:
            UsageError: one of them has none.
        """
        found = self.find(ids)
        rows = [entry.row for n in ids if (entry := found.get(n)) and entry.row is not None]
        if len(rows) < len(ids):
            lost = next(n for n in ids if n not in found or found[n].row is None)
            raise UsageError(f"has no descriptor of id {lost}", self.folder)
        return self.vectors.read(np.array(rows, np.int64))

    def feature_bytes(self, entry: Entry) -> bytes | None:
        """The features of a photo as they were kept; None if it has none.

        Raises:
            IndexDamaged: they are not what was written.
        """
        if entry.features_at is None or entry.features_length is None:
            return None
        content = self._features[entry.features_at : entry.features_at + entry.features_length]
        if checksum(content) != entry.features_sum:
            raise IndexDamaged(f"{damaged(self.text(entry), 'features')}", self.folder)
        return content


def damaged(photo: str, what: str) -> str:
    """What to say of a photo whose descriptor or features are not as they were written."""
    return (
        f"the {what} of {photo!r} do not match their checksum: restore the folder from a copy, "
        "or take that photo out with `solar remove` and add it again"
    )
