"""Which photos an index has, as of one commit: by id, by path, by what is known of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solar.errors import UsageError
from solar.index._entries import Commit, Entry, path_to_bytes
from solar.index._roots import Roots, absolute_photo
from solar.index.catalogue import Catalogue, Home
from solar.index.where import Where
from solar.typing import AnyPath


class Photos:
    """The photos of one commit; later commits leave them as they are.

    Attributes:
        catalogue: what is known of them.
        commit: as of which.
        roots: where they are.
        place: where the index is, for messages.
    """

    def __init__(self, catalogue: Catalogue, folder: Path, place: Path | str) -> None:
        """Take the last commit.

        Args:
            catalogue: opened.
            folder: of the index; of one at an address, what is kept of it here.
            place: where the index is.
        """
        self.place = place
        self.catalogue = catalogue
        self.commit: Commit = catalogue.commit()
        self.roots = Roots.found(catalogue.roots(), folder)

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
            raise UsageError(f"holds no photo of id {number}", self.place)
        return found[number]

    def named(self, homes: Iterable[Home]) -> dict[Home, Entry]:
        """Photos by root and path; those that are not there are left out."""
        return self.catalogue.named(homes, self.commit.generation)

    def meant(self, photo: AnyPath) -> Iterator[Entry]:
        """The photo at a path or of a name, or all photos below it."""
        given = (absolute_photo(Path(photo)), Path(photo).resolve(), Path(photo))
        names = list(dict.fromkeys(map(path_to_bytes, given)))
        homes = [home for name in names if (home := self.roots.home(name))]
        homes += [(n, name) for n, root in self.roots.folders.items() if not root for name in names]
        if found := self.named(homes):
            yield next(found[home] for home in homes if home in found)
            return
        for name in names:
            below = list(self.below(name))
            if below:
                yield from below
                return

    def below(self, folder: bytes) -> Iterator[Entry]:
        """All photos below an absolute path, or at it."""
        generation = self.commit.generation
        for number, root in self.roots.folders.items():
            if root and (root == folder or root.startswith(folder.rstrip(b"/") + b"/")):
                yield from self.catalogue.below(number, b"", generation)
            elif root and folder.startswith(root.rstrip(b"/") + b"/"):
                inside = folder[len(root.rstrip(b"/")) + 1 :]
                yield from self.named([(number, inside)]).values()
                yield from self.catalogue.below(number, inside, generation)

    def copies(self) -> list[list[str]]:
        """Where photos are that are the same byte for byte, group by group."""
        groups = self.catalogue.copies(self.commit.generation)
        return [list(map(self.text, group)) for group in groups]

    def text(self, entry: Entry) -> str:
        """Where a photo is now."""
        return self.roots.text(entry.root, entry.path)

    def matching(self, where: str | None) -> NDArray[np.int64]:
        """The ids of photos that a filter lets through, rising; see `solar.index.where`.

        Args:
            where: the filter; None for all photos.

        Raises:
            UsageError: it cannot be read.
        """
        folders = self.roots.folders
        parsed = None if where is None else Where.parse(where)
        return self.catalogue.matching(parsed, folders, self.commit.generation)

    def damage(self, entry: Entry, what: str = "descriptor", length: float | None = None) -> str:
        """What to say of a photo whose descriptor or features are not as they were written."""
        wrong = (
            "damaged, by its checksum" if length is None else f"of length {length:.3g} instead of 1"
        )
        return (
            f"the {what} of {self.text(entry)!r} is {wrong}: restore the folder from a copy, or "
            "take that photo out with `solar remove` and add it again"
        )
