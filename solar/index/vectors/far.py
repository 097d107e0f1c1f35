"""Vectors of an index at an address: lists and rows by ranges of bytes, as a search needs them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solar.errors import IndexDamaged, IndexFolderError
from solar.index._far import FarFolder
from solar.index._ranges import FarRows
from solar.index.vectors._bytes import Bytes
from solar.index.vectors._lists import Part, open_trained, part_file, trained_file
from solar.index.vectors.exact import Exact
from solar.index.vectors.float16 import Float16, Float16Vectors
from solar.index.vectors.listed import Listed, ListedVectors
from solar.index.vectors.protocol import Kind, Vectors
from solar.index.vectors.sq8 import Sq8, Sq8Vectors

Ids = NDArray[np.int64]
Look = Callable[[Ids, NDArray[np.float32]], None]
"""Called with rows (K,) that were read and their descriptors; raises if these are not theirs."""


def open_far(
    kind: Kind, far: FarFolder, number: int, dimensions: int, rows: int, look: Look
) -> tuple[Vectors, bool]:
    """Open vectors for reading; see `Kind.open`.

    A kind that compares all rows is fetched whole.

    Args:
        kind: of the vectors.
        far: the folder of the index.
        number: of its files.
        dimensions: D.
        rows: how many count.
        look: see above.

    Returns:
        The vectors, and whether `look` is called for what is read of them.

    Raises:
        FileNotFoundError: a file is not there.
        IndexFolderError: one cannot be read, or is damaged.
    """
    if not isinstance(kind, Exact | Float16 | Sq8 | Listed):
        raise IndexFolderError(
            "its rows are on a server: copy the folder, and open that", far.address
        )
    trained_name = trained_file(Path(), number).name
    if not isinstance(kind, Listed) or not rows or far.file(trained_name) is None:
        for each in kind.files(far.local, number) if rows else ():
            far.fetched(each.name)
        return kind.open(far.local, number, dimensions, rows), False
    files = [path.name for path in kind.rows.files(Path(), number)]
    held: Vectors
    if len(files) == 2:
        numbers = _mapped(far, files[0], "|i1", (rows, dimensions))
        factors = _mapped(far, files[1], "<f4", (rows,))
        held = _FarSq8(Bytes(numbers, factors), look)  # type: ignore[arg-type]
    else:
        held = _FarFloat16(_mapped(far, files[0], "<f2", (rows, dimensions)), look)
    learned = far.fetched(trained_name)
    try:
        trained = open_trained(learned, kind.coder, dimensions)
    except IndexDamaged as error:
        learned.unlink()  # To fetch it another time.
        raise IndexDamaged(
            "is not what was written: open the index again, or copy it",
            f"{far.address}/{trained_name}",
        ) from error
    parts, first = list[Part](), 0
    while first < rows and (file := far.file(part_file(Path(), number, first).name)):
        part = Part(file, trained, first)
        if not first < part.end <= rows:  # Of a later commit.
            break
        parts.append(part)
        first = part.end
    return ListedVectors(held, trained, parts, flat=kind.flat), True


def _mapped(far: FarFolder, name: str, kind: str, shape: tuple[int, ...]) -> FarRows:
    file = far.file(name)
    if file is None:
        raise IndexDamaged(f"{name} is missing: copy the index anew", far.address)
    return FarRows(file, 0, kind, shape)


class _FarSq8(Sq8Vectors):
    """Rows of bytes at an address."""

    def __init__(self, rows: Bytes, look: Look) -> None:
        super().__init__(rows)
        self._look = look

    def read(self, rows: Ids) -> NDArray[np.float32]:
        found = super().read(rows)
        self._look(rows, found)
        return found


class _FarFloat16(Float16Vectors):
    """Float16 rows at an address."""

    def __init__(self, halves: FarRows, look: Look) -> None:
        super().__init__(halves)  # type: ignore[arg-type]
        self._look = look

    def read(self, rows: Ids) -> NDArray[np.float32]:
        found = super().read(rows)
        self._look(rows, found)
        return found
