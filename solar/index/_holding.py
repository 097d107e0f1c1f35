"""What an opened index holds: photos, what is known of them, their descriptors and features."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from solar.errors import UsageError
from solar.extraction import Extraction
from solar.extraction.descriptors import DescriptorsFile
from solar.features.extraction import FeatureExtraction
from solar.features.features import Features
from solar.index._entries import Entry, path_to_text
from solar.index._models import Models
from solar.index._roots import NAMELESS
from solar.index._snapshot import Snapshot
from solar.index._verify import find_problems
from solar.index.results import IndexedPhoto, IndexInfo
from solar.typing import AnyPath, Descriptors, Ids

_AT_ONCE = 500  # Of photos that are asked for.


class Holder:
    """An opened index, as of one commit; `Reader` adds what finds photos in it."""

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
