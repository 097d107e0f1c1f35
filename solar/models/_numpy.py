"""NumPy arrays in files that torch saved: rebuilt from their bytes by stand-ins, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.serialization import safe_globals

_ALONE = Lock()  # torch keeps what is allowed in one place for all threads


class StoredArray:
    """An array of numbers; `numpy.asarray` gives it."""

    def __setstate__(self, state: Any) -> None:
        """Take what NumPy pickled: version, shape, type, order, bytes."""
        _, shape, kind, fortran, data = state
        values = np.frombuffer(data, kind.dtype)
        self.values = values.reshape(shape, order="F" if fortran else "C")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """The values."""
        return np.array(self.values, dtype)

    def __iter__(self) -> Iterator[Any]:
        """The values along the first axis, as plain ones."""
        return iter(self.values.tolist())


class _Dtype:
    """A type of plain numbers."""

    def __init__(self, code: str, *_: object) -> None:
        self.dtype = np.dtype(code)
        if self.dtype.kind not in "biufU":
            raise ValueError(f"an array of type {code:.20}")

    def __setstate__(self, state: Any) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


def _reconstruct(*_: object) -> StoredArray:
    return StoredArray()


def _scalar(kind: _Dtype, data: bytes) -> Any:
    return np.frombuffer(data, kind.dtype)[0].item()


def _encode(text: str, _: object) -> bytes:
    return text.encode("latin1")


_STAND_INS: list[Any] = [
    (StoredArray, "numpy.ndarray"),
    (_Dtype, "numpy.dtype"),
    (_encode, "_codecs.encode"),
    *((_reconstruct, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    *((_scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
]


@contextmanager
def stand_ins() -> Iterator[None]:
    """Within it, torch's reader of weights makes `StoredArray` where a file asks for NumPy."""
    with _ALONE, safe_globals(_STAND_INS):
        yield
