"""Lists of codes beside the rows of an index: what an approximate kind looks at first.

Descriptors are in the rows. Lists are made of those and say nothing that these do not: a part of
the rows in each file, of which a list holds those that are nearest to its middle. What no list
holds yet is compared one by one. Files are never changed: another part is another file.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solar.index._ranges import FarFile, FarRows
from solar.index.vectors._arrays import damaged_lists, map_arrays, raw_sum, save_arrays
from solar.index.vectors._coders import IN_A_BLOCK, Coded, Trained

Floats = NDArray[np.float32]
Read = Callable[[NDArray[np.int64]], Floats]
_ROWS_AT_ONCE = 1 << 15
_MOST_LISTS = 1 << 20
_TRAINED = {"middles": ("<f4", 2), "books": ("<f4", 3)}
_PART = {"sizes": ("<u4", 1), "sums": ("|u1", 2), "rows": ("<u4", 1), "blocks": ("|u1", 1)}


def trained_file(folder: Path, number: int) -> Path:
    """Where what was learned lies."""
    return folder / f"trained-{number:06d}.bin"


def part_file(folder: Path, number: int, first: int) -> Path:
    """Where the lists of the rows from one on lie."""
    return folder / f"lists-{number:06d}-{first:012d}.bin"


def save_trained(file: Path, trained: Trained) -> None:
    """Write what was learned."""
    arrays = {name: getattr(trained, name) for name in _TRAINED}
    save_arrays(file, {"coder": trained.coder}, arrays, {})


def open_trained(file: Path, coder: str, dimensions: int) -> Trained:
    """What was learned.

    Raises:
        FileNotFoundError: nothing yet.
        IndexDamaged: it is not what was written, or of something else.
    """
    facts, arrays = map_arrays(file, _TRAINED, list(_TRAINED))
    side = -(-dimensions // 8) * 8
    books = (side // 4, 16, 4) if coder == "pq" else (0, 16, 4)
    right = arrays["books"].shape == books and facts.get("coder") == coder
    right = right and arrays["middles"].shape[1] == side
    right = right and 0 < len(arrays["middles"]) <= _MOST_LISTS
    if not right or not all(np.isfinite(array).all() for array in arrays.values()):
        raise damaged_lists(file)
    return Trained(coder, *(arrays[name] for name in _TRAINED))


class Part:
    """Some rows, one after the other, in lists.

    Attributes:
        first: of the rows.
        end: after the last of them.
    """

    def __init__(self, file: Path | FarFile, trained: Trained, first: int) -> None:
        """Map it.

        Raises:
            FileNotFoundError: it is not there.
            IndexDamaged: it is not what was written.
        """
        facts, arrays = map_arrays(file, _PART, ["sizes", "sums"])
        self._file, self._trained, self.first = file, trained, first
        self._sizes, self._sums, self._rows, self._blocks = (arrays[name] for name in _PART)
        count, lists = facts.get("count"), len(trained.middles)
        blocks = -(-self._sizes.astype(np.int64) // IN_A_BLOCK)
        self._row_ends = np.cumsum(self._sizes, dtype=np.int64)
        self._block_ends = np.cumsum(blocks) * trained.block_bytes
        right = self._sizes.shape == (lists,) and self._sums.shape == (lists, 8)
        if (
            not right
            or type(count) is not int
            or not len(self._rows) <= count < 1 << 32
            or self._row_ends[-1] != len(self._rows)
            or self._block_ends[-1] != len(self._blocks)
        ):
            raise damaged_lists(file)
        self.end = first + count
        self._coded: Coded | None = None
        self._filled = np.zeros(lists, np.bool_)
        self._making = threading.Lock()

    def coded(self, lists: NDArray[np.int64]) -> Coded:
        """What FAISS scans, with some lists filled.

        Raises:
            IndexDamaged: one of them is not what was written.
        """
        with self._making:
            if self._coded is None:
                self._coded = Coded(self._trained)
        new = lists[~self._filled[lists]].tolist()
        parts: list[tuple[Any, NDArray[np.int64]]] = [
            (self._rows, self._row_ends),
            (self._blocks, self._block_ends),
        ]
        for array, ends in parts:
            if isinstance(array, FarRows):
                array.ahead([_span(ends, number) for number in new])
        for number in new:
            rows, blocks = self.list(number)
            if not self.sound(number):
                raise damaged_lists(self._file)
            self._coded.put(number, rows, blocks)
            self._filled[number] = True
        return self._coded

    def list(self, number: int) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
        """Rows and blocks of a list, as they lie on disk."""
        sides = (self._row_ends, self._rows), (self._block_ends, self._blocks)
        rows, blocks = (array[slice(*_span(ends, number))] for ends, array in sides)
        return rows, blocks

    def sound(self, number: int) -> bool:
        """Whether a list is what was written, and holds rows of this part alone."""
        rows, blocks = self.list(number)
        if len(rows) and not self.first <= int(rows.min()) <= int(rows.max()) < self.end:
            return False
        known: bytes = self._sums[number].tobytes()
        return raw_sum(rows, blocks) == known

    def unsound(self) -> NDArray[np.int64]:
        """The rows of this part that no sound list holds."""
        held = np.zeros(self.end - self.first, np.bool_)
        for number in range(len(self._sizes)):
            if self.sound(number):
                held[self.list(number)[0].astype(np.int64) - self.first] = True
        return np.flatnonzero(~held) + self.first


def _span(ends: NDArray[np.int64], number: int) -> tuple[int, int]:
    """Where a list begins and ends, by the ends of all."""
    return int(ends[number - 1]) if number else 0, int(ends[number])


def save_part(
    folder: Path, number: int, trained: Trained, first: int, end: int, read: Read, told: Any
) -> None:
    """Write the lists of some rows.

    Args:
        folder: of the index.
        number: of its files.
        trained: before.
        first: row.
        end: after the last row.
        read: the descriptors of rows.
        told: called with the part that is done, 0 to 1.
    """
    coded = Coded(trained)
    for start in range(first, end, _ROWS_AT_ONCE):
        rows = np.arange(start, min(start + _ROWS_AT_ONCE, end))
        descriptors = read(rows)
        good = np.abs(np.einsum("nd,nd->n", descriptors, descriptors) - 1) < 0.1
        coded.add(trained.turned(descriptors[good]), rows[good])
        told((rows[-1] + 1 - first) / (end - first))
    lists = [coded.taken(each) for each in range(len(trained.middles))]
    checked = {
        "sizes": np.array([len(rows) for rows, _ in lists], "<u4"),
        "sums": np.stack([np.frombuffer(raw_sum(*each), np.uint8) for each in lists]),
    }
    rows, blocks = (np.concatenate(each) for each in zip(*lists, strict=True))
    large = {"rows": rows.astype("<u4", copy=False), "blocks": blocks}
    save_arrays(part_file(folder, number, first), {"count": end - first}, checked, large)


def open_parts(folder: Path, number: int, trained: Trained, rows: int) -> Iterator[Part]:
    """The parts that hold the first rows, one after the other."""
    first = 0
    while first < rows and part_file(folder, number, first).exists():
        part = Part(part_file(folder, number, first), trained, first)
        if not first < part.end <= rows:  # Of a later commit.
            return
        yield part
        first = part.end
