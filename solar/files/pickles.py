"""Reading pickles of plain containers and NumPy arrays without running what they ask for."""

from __future__ import annotations

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any, Literal

import numpy as np

from solar.errors import SolarError

MAX_BYTES = 16 * 2**20

_BROKEN = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError,
    OverflowError, RecursionError, MemoryError,
)  # fmt: skip


class _Sealed:
    """A class whose objects a pickle may make, but not change afterwards."""

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("it changes an object of NumPy")


class _Dtype:
    """Stands for a NumPy dtype: numbers and text of fixed size, nothing with objects or fields."""

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or np.dtype(code).kind not in "biufU":
            raise pickle.UnpicklingError(f"an array of type {code!r}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[object, ...]) -> None:
        order = state[1]
        if order == "<" or order == ">":
            self.dtype = self.dtype.newbyteorder(order)


class _Array(list[object]):
    """Stands for a NumPy array and holds its values as (nested) lists."""

    def __init__(self, *_: object) -> None:
        super().__init__()

    def __setstate__(self, state: tuple[object, ...]) -> None:
        _, shape, kind, fortran, data = state
        self[:] = _values(data, kind, shape, "F" if fortran else "C")


class _FromBuffer(_Sealed):
    """Stands for NumPy's ``_frombuffer``, which protocol 5 uses."""

    def __new__(cls, data: object, kind: object, shape: object, order: object) -> Any:
        return _values(data, kind, shape, "F" if order == "F" else "C")


class _Scalar(_Sealed):
    """Stands for NumPy's ``scalar``: calling it gives the number."""

    def __new__(cls, kind: object, data: object) -> Any:
        return _values(data, kind, (1,), "C")[0]


class _Encode(_Sealed):
    """Stands for ``codecs.encode``, which carries bytes through protocols 0 to 2."""

    def __new__(cls, text: str, encoding: str) -> Any:
        return text.encode("latin1")


class _NoBytes(_Sealed):
    """Stands for ``bytes``, which protocols 0 to 2 call for an empty array, without arguments."""

    def __new__(cls) -> Any:
        return b""


class _Ndarray(_Sealed):
    """Stands for ``numpy.ndarray``: an argument of ``_reconstruct``, never called."""

    def __init__(self, *_: object) -> None:
        raise pickle.UnpicklingError("it calls numpy.ndarray")


def _values(data: object, kind: object, shape: object, order: Literal["C", "F"]) -> list[Any]:
    if isinstance(data, str):  # written by Python 2
        data = data.encode("latin1")
    if not (
        isinstance(data, (bytes, bytearray))
        and isinstance(kind, _Dtype)
        and isinstance(shape, tuple)
        and shape
    ):
        raise pickle.UnpicklingError("a damaged array")
    if not data:  # an empty array of shape (10**12, 0) would become 10**12 empty lists
        return []
    values: list[Any] = np.frombuffer(data, kind.dtype).reshape(shape, order=order).tolist()
    return values


_NAMES = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Ndarray,
    ("_codecs", "encode"): _Encode,
    ("__builtin__", "bytes"): _NoBytes,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _Scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _FromBuffer for core in ("core", "_core")},
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) in _NAMES:
            return _NAMES[module, name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def load_plain(path: str | Path) -> object:
    """Read a pickle that holds nothing but plain containers, numbers, text and NumPy arrays.

    No object of the pickle's choosing is ever made: arrays and scalars of NumPy are rebuilt from
    their bytes here and come back as (nested) lists and numbers.

    Args:
        path: of at most 16 MiB.

    Raises:
        SolarError: the file is missing, too large, damaged, or asks for anything else; the message
            names the file and what it asked for.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SolarError(f"{path}: larger than {MAX_BYTES >> 20} MiB, not a ground truth")
        data = path.read_bytes()
    except OSError as error:
        raise SolarError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        _check_memo(data)
        return _PlainUnpickler(io.BytesIO(data), encoding="latin1").load()
    except _BROKEN as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SolarError(
            f"{path}: refused, not a pickle of plain lists and arrays: {reason}"
        ) from error


def _check_memo(data: bytes) -> None:
    """Refuse memo numbers that would make a small file ask for gigabytes."""
    for code, argument, _ in pickletools.genops(data):
        if code.name.endswith("PUT") and isinstance(argument, int) and argument > len(data):
            raise pickle.UnpicklingError("a memo number larger than the file")
