"""What vectors of any kind are: rows to read and to search, to append to, and what opens them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from solar.index.vectors._address import Server
from solar.typing import Progress


class Vectors(Protocol):
    """The rows of one commit, to read; used by many threads at once."""

    def __len__(self) -> int:
        """How many rows there are, owned or not."""
        ...

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The descriptors (K, D) of some rows (K,), as `Kind.kept` says."""
        ...

    def damaged(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of some rows (K,) are searched otherwise than they are read."""
        ...

    def lengths(self, start: int) -> NDArray[np.float32]:
        """The Euclidean lengths (K,) of all rows from one on, far from 1 for what is none.

        To 2^-11 of what `read` gives, as they are in what is searched.
        """
        ...

    def search(
        self, queries: NDArray[np.float32], owners: NDArray[np.int64], top: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find, for each query, the rows with the largest inner product.

        Args:
            queries: (Q, D), unit rows.
            owners: (rows,) the id that each row stands for; rows with -1 are left out.
            top: how many to find, 1 or more.

        Returns:
            Scores (Q, K), -1 to 1, in descending order and the ids (Q, K) they belong to, where K
            is `top`, or the number of owned rows if that is smaller. Of equal scores, the lower id
            is first. The same between runs and for any number of threads. An approximate kind may
            miss some, and then finds others instead.

        Raises:
            OddRow: one that was found is no descriptor.
        """
        ...


class VectorsWriter(Protocol):
    """Appends rows; they count only once the catalogue says so."""

    def write(self, start: int, descriptors: NDArray[np.float32]) -> None:
        """Put descriptors (K, D) at rows start, start + 1, …, in the place of any that are there.

        Raises:
            OSError: they cannot be written.
        """
        ...

    def sync(self) -> None:
        """Put everything that was written on disk.

        Raises:
            OSError: it cannot be.
        """
        ...

    def prove(self) -> None:
        """Refuse to go on if others have taken the place of what was opened.

        Raises:
            IndexFolderError: they have.
        """
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Kind(Protocol):
    """Opens vectors of one kind."""

    @property
    def says(self) -> str:
        """In few words, what it keeps and what that means for a search."""
        ...

    @property
    def recall(self) -> Mapping[int, float]:
        """Part of the ten nearest photos that a search finds, by how many photos there were.

        Of the nearest by the descriptors themselves, as `benchmarks/kinds.py` measures it, of what
        a search does unless it is told otherwise; 0 to 1. Empty where all are found, by proof.
        """
        ...

    def open(self, folder: Path, number: int, dimensions: int, rows: int) -> Vectors:
        """Open vectors for reading.

        Args:
            folder: of the index.
            number: that compaction raises; files of different numbers lie side by side.
            dimensions: D.
            rows: how many of them count.

        Raises:
            FileNotFoundError: a file is not there.
            IndexDamaged: it is shorter than it must be.
        """
        ...

    def write(self, folder: Path, number: int, dimensions: int) -> VectorsWriter:
        """Open vectors for writing; they are made if they are not there.

        Raises:
            OSError: they cannot be written.
        """
        ...

    def files(self, folder: Path, number: int) -> list[Path]:
        """All files of a number, there or not."""
        ...

    def row_bytes(self, dimensions: int) -> int:
        """How many bytes on disk a row of D dimensions has."""
        ...

    def kept(self, descriptors: NDArray[np.float32]) -> NDArray[np.float32]:
        """What will be read of descriptors (K, D) once they are written; the same of that again."""
        ...

    def arrange(
        self,
        folder: Path,
        number: int,
        dimensions: int,
        rows: int,
        progress: Progress | None = None,
        *,
        unseen: bool = False,
    ) -> None:
        """Make what searches look at first of rows that are written, if there is such a thing.

        Args:
            folder: of the index.
            number: of its files.
            dimensions: D.
            rows: how many count.
            progress: called with the rows that are done, and all.
            unseen: nobody searches these files yet.

        Raises:
            IndexDamaged: what is there is damaged.
            SolarError: nothing can be written.
        """
        ...

    def scattered(self, folder: Path, number: int, dimensions: int, rows: int) -> bool:
        """Whether searches would look at less if all rows were written anew."""
        ...

    def server(self, given: Server | None) -> Server | None:
        """The server for new rows, which answers; None for a kind that needs none.

        Raises:
            UsageError: a kind that needs none is given one, or nothing says where one is.
            IndexFolderError: the server is away, or refuses.
            MissingPackage: what speaks to it is not installed.
        """
        ...

    def place(self, folder: Path, number: int, server: Server | None) -> None:
        """Say where rows of a number shall be, if that is on a server.

        Args:
            folder: of the index.
            number: of its files.
            server: None for that of the index's other rows, else what the environment says.

        Raises:
            UsageError: nothing says where a server is.
            SolarError: it cannot be written.
        """
        ...

    def is_at(self, folder: Path, number: int, server: Server) -> bool:
        """Whether rows of a number are where a server says, in collections of its name."""
        ...

    def whereabouts(self, folder: Path, number: int) -> str | None:
        """Where rows are, in words, if that is not in the folder.

        Raises:
            IndexDamaged: the file that says so is damaged.
        """
        ...
