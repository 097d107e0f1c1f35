"""Where an index keeps descriptors, and how they are searched: one file for each kind.

A descriptor is known by its row: 0, 1, 2, … in the order of appending. Rows are never changed; the
catalogue knows which photo owns which row, and which rows nobody owns any more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from solar.errors import UsageError
from solar.index.vectors._address import Server
from solar.index.vectors._ranking import OddRow
from solar.index.vectors._rows import lengths_of
from solar.index.vectors._server import prove
from solar.index.vectors.exact import Exact
from solar.index.vectors.float16 import Float16
from solar.index.vectors.listed import Effort, Listed, ListedVectors
from solar.index.vectors.milvus import Milvus
from solar.index.vectors.sq8 import Sq8
from solar.typing import Progress

__all__ = [
    "KINDS",
    "Effort",
    "Kind",
    "ListedVectors",
    "OddRow",
    "Server",
    "Vectors",
    "VectorsWriter",
    "arrange",
    "discard",
    "is_at",
    "kind_named",
    "lengths_of",
    "place",
    "scattered",
    "server_for",
    "whereabouts",
]


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
    def recall(self) -> float:
        """Part of the ten nearest photos that a search finds, as `benchmarks/kinds.py` measures.

        Of the nearest by the descriptors themselves, among a million; 0 to 1.
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


KINDS: dict[str, Kind] = {
    "exact": Exact(),
    "float16": Float16(),
    "sq8": Sq8(),
    "rabitq": Listed(
        Sq8(),
        "rabitq",
        flat=True,
        recall=0.957,
        says="a bit a number first, then as sq8: few are missed",
    ),
    "ivf-rabitq": Listed(
        Sq8(),
        "rabitq",
        flat=False,
        recall=0.75,
        says="a bit a number in near lists first, then as sq8",
    ),
    "ivf-pq": Listed(
        Float16(),
        "pq",
        flat=False,
        recall=0.79,
        says="a bit a number in near lists first, then as float16",
    ),
    "milvus": Milvus(),
}
"""By the name that an index remembers; one of your own may be put in."""


def arrange(
    name: str,
    folder: Path,
    number: int,
    dimensions: int,
    rows: int,
    progress: Progress | None = None,
    *,
    unseen: bool = False,
) -> None:
    """Make what an approximate kind looks at first of rows that are written.

    Args:
        name: of the kind.
        folder: of the index.
        number: of its files.
        dimensions: D.
        rows: how many count.
        progress: called with the rows that are done, and all.
        unseen: nobody searches these files yet.

    Raises:
        SolarError: it cannot be written, or what is there is damaged.
    """
    kind = kind_named(name)
    if isinstance(kind, Listed) or (unseen and isinstance(kind, Milvus)):
        kind.arrange(folder, number, dimensions, rows, progress)


def scattered(name: str, folder: Path, number: int, dimensions: int, rows: int) -> bool:
    """Whether searches would look at less if all rows were written anew."""
    kind = kind_named(name)
    return isinstance(kind, Listed | Milvus) and kind.scattered(folder, number, dimensions, rows)


def place(name: str, folder: Path, number: int, server: Server | None) -> None:
    """Say where a kind that keeps rows on a server shall put those of a number.

    Raises:
        UsageError: nothing says where a server is.
        SolarError: it cannot be written.
    """
    kind = kind_named(name)
    if isinstance(kind, Milvus):
        kind.place(folder, number, server)


def server_for(name: str, given: Server | None) -> Server | None:
    """The server for new rows of a kind, which answers; None for a kind that needs none.

    Raises:
        UsageError: there is no such kind, it needs no server, or nothing says where one is.
        IndexFolderError: the server is away, or refuses.
        MissingPackage: what speaks to it is not installed.
    """
    kind = kind_named(name)
    if isinstance(kind, Milvus):
        given = given or Server.named()
        prove(given)
    elif given is not None:
        raise UsageError(f"--milvus-uri is for kind milvus, and not for {name}: leave it out")
    return given


def is_at(name: str, folder: Path, number: int, server: Server) -> bool:
    """Whether rows of a number are where a server says, in collections of its name."""
    kind = kind_named(name)
    return isinstance(kind, Milvus) and kind.is_at(folder, number, server)


def whereabouts(name: str, folder: Path, number: int) -> str | None:
    """Where a kind keeps rows, if that is not in the folder.

    Raises:
        IndexDamaged: the file that says so is damaged.
    """
    kind = kind_named(name)
    return kind.whereabouts(folder, number) if isinstance(kind, Milvus) else None


def discard(file: Path) -> None:
    """Delete a file of any kind that no commit needs, and what it stands for on a server.

    Raises:
        OSError: it cannot be deleted.
    """
    if file.name.startswith("milvus-"):
        Milvus().discard(file)
    else:
        file.unlink()


def kind_named(name: str) -> Kind:
    """The kind of vectors of a name.

    Raises:
        UsageError: there is none.
    """
    if name not in KINDS:
        raise UsageError(f"kind {name:.60}: use {', '.join(KINDS)}")
    return KINDS[name]
