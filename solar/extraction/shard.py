"""One shard: a NumPy file of descriptors, behind whose rows a line of JSON speaks of its photos.

It is one file, so that rows and what is said of them are always of one run, whoever else makes the
same shard at the same time.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solar.errors import SolarError
from solar.files import MEGABYTE, parse_json, printable, shown
from solar.files.stores import Store
from solar.typing import Descriptors

FORM = 2
"""Of a shard's bytes; another number when they change."""

_GRID = 2.0**26
_HEAD = 256  # Bytes that hold the header of a NumPy file of two dimensions.
_MOST_SAID = 64 * MEGABYTE
_AGAIN = "delete it and extract again"


@dataclass(frozen=True)
class Failure:
    """A photo without a descriptor, its number among all, and the line that says why."""

    position: int
    photo: str
    reason: str


@dataclass(frozen=True)
class Said:
    """What a shard says of its photos.

    Attributes:
        failed: those without a row, in order.
        files: (SHA-256, bytes) of the file of each photo, ("", -1) of one that could not be read;
            empty if nobody noted them.
    """

    failed: list[Failure]
    files: list[tuple[str, int]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As a shard keeps it."""
        failed = [vars(failure) for failure in self.failed]
        return {"failed": failed, **({"files": self.files} if self.files else {})}

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Said:
        """What `to_json` gave.

        Raises:
            ValueError: anything else; or TypeError, KeyError, AttributeError.
        """
        failed = [
            Failure(int(each["position"]), str(each["photo"]), str(each["reason"]))
            for each in found["failed"]
        ]
        files = [(bytes.fromhex(known).hex(), int(size)) for known, size in found.get("files", [])]
        return cls(failed, files)


def shard_bytes(rows: Descriptors, dtype: str, said: Said) -> bytes:
    """A shard as it is kept.

    Args:
        rows: (K, D) of those photos that have one, in order.
        dtype: ``float16`` or ``float32``.
        said: of all its photos.
    """
    file = io.BytesIO()
    np.save(file, on_grid(rows).astype(dtype), allow_pickle=False)
    return file.getvalue() + json.dumps(said.to_json()).encode()


@dataclass(frozen=True)
class Shard:
    """A shard whose header was read.

    Attributes:
        store: where it is.
        name: there.
        first: number of the first of its photos among all.
        photos: how many it is for.
        shape: of its rows.
        dtype: likewise.
        start: byte at which they begin.
        size: in bytes, of the whole.
    """

    store: Store
    name: str
    first: int
    photos: int
    shape: tuple[int, int]
    dtype: str
    start: int
    size: int

    @classmethod
    def open(
        cls, store: Store, name: str, first: int, photos: int, dimensions: int, dtype: str
    ) -> Shard:
        """Read the header, and check it.

        Raises:
            SolarError: the shard is missing or damaged.
        """
        what = f"{printable(store.address)}/{name}"
        found = store.stat(name)
        if found is None:
            raise SolarError(f"{what}: missing: extract it first")
        file = io.BytesIO(store.read(name, 0, _HEAD))
        try:
            if np.lib.format.read_magic(file) != (1, 0):
                raise ValueError("of another version")
            shape, fortran, kind = np.lib.format.read_array_header_1_0(file)
        except (ValueError, EOFError) as error:
            raise SolarError(f"{what}: damaged ({shown(str(error))}): {_AGAIN}") from error
        if kind != dtype or len(shape) != 2:
            raise SolarError(f"{what}: not a matrix of {dtype}: {_AGAIN}")
        end = file.tell() + shape[0] * shape[1] * kind.itemsize
        fits = shape[1] == dimensions and 0 <= shape[0] <= photos and found.size >= end
        if fortran or not fits:
            raise SolarError(
                f"{what}: of shape {shape} in {found.size} bytes, the manifest says at most "
                f"({photos}, {dimensions}): {_AGAIN}"
            )
        return cls(store, name, first, photos, shape, dtype, file.tell(), found.size)

    def __len__(self) -> int:
        """How many rows it has."""
        return self.shape[0]

    def read(self, first: int, end: int) -> NDArray[np.floating]:
        """Rows (K, D) from one to before another.

        Raises:
            SolarError: they are not there.
        """
        data = self.store.read(self.name, self._place(first), self._place(end))
        if len(data) != self._place(end) - self._place(first):
            raise self._damaged("cut off")
        return np.frombuffer(data, self.dtype).reshape(end - first, self.shape[1])

    def said(self) -> Said:
        """What it says of its photos.

        Raises:
            SolarError: it is damaged.
        """
        end = self._place(len(self))
        try:
            if self.size - end > _MOST_SAID:
                raise ValueError("too long")
            said = Said.from_json(parse_json(self.store.read(self.name, end)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise self._damaged(shown(str(error))) from error
        places = [failure.position - self.first for failure in said.failed]
        between = zip([-1, *places], [*places, self.photos], strict=True)
        whole = len(self) + len(places) == self.photos and all(a < b for a, b in between)
        if not whole or len(said.files) not in (0, self.photos):
            raise self._damaged("its list of photos is not of this shard")
        return said

    def _place(self, row: int) -> int:
        return self.start + row * self.shape[1] * np.dtype(self.dtype).itemsize

    def _damaged(self, how: str) -> SolarError:
        name = f"{printable(self.store.address)}/{self.name}"
        return SolarError(f"{name}: damaged ({how}): {_AGAIN}")


def on_grid(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Components rounded to multiples of 2^-26, which float32 holds too if they are below 1.

    Sums of their products are exact in float64, so that rankings do not depend on the machine.
    """
    exact: NDArray[np.float64] = np.rint(rows.astype(np.float64) * _GRID) / _GRID
    return exact
