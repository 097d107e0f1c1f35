"""HDF5 files: written whole or not at all, and read with suspicion (extra `h5`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from numpy.typing import NDArray

from solar.errors import SolarError, UsageError, naming_extras
from solar.files.atomic import sync_folder
from solar.files.reading import require_file
from solar.files.text import cut, printable

MOST_BYTES = 1 << 40
_DAMAGE = (OSError, RuntimeError, ValueError, TypeError, KeyError)  # What h5py says of it.


@contextmanager
def write_hdf5(path: str | Path) -> Iterator[Any]:
    """An `h5py.File` that appears under its name only once it is complete.

    Raises:
        SolarError: it cannot be written.
        MissingPackage: h5py is not installed.
    """
    with naming_extras():
        import h5py
    path = Path(path)
    partial = path.with_name(f".{path.name[:40]}.{uuid4().hex[:8]}.partial")
    try:
        with h5py.File(partial, "w") as file:
            yield file
        partial.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        reason = error.strerror or cut(error)
        raise SolarError(f"{printable(path)}: cannot be written ({reason})") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


@contextmanager
def read_hdf5(path: str | Path, error: type[SolarError] = UsageError) -> Iterator[Any]:
    """An `h5py.File` to read.

    Raises:
        SolarError: of the type asked for: no such file.
        SolarError: it is no HDF5 file, or damaged.
        MissingPackage: h5py is not installed.
    """
    with naming_extras():
        import h5py
    require_file(path, MOST_BYTES, error)
    try:
        with h5py.File(path, "r") as file:
            yield file
    except _DAMAGE as reason:
        raise SolarError(f"{printable(path)}: no HDF5 file, or damaged ({cut(reason)})") from reason


def array(group: Any, name: str, kinds: str = "fiu", dimensions: int | None = None) -> NDArray[Any]:
    """An array of a file, read whole; nothing outside the file is ever opened.

    Args:
        group: an `h5py.File` or group.
        name: of the array in it.
        kinds: NumPy's letters of the types it may have.
        dimensions: that it must have; None for any.

    Raises:
        ValueError: there is none, or it is another; says what.
    """
    return stored(group, name, kinds, dimensions)[()]  # type: ignore[no-any-return]


def stored(group: Any, name: str, kinds: str = "fiu", dimensions: int | None = None) -> Any:
    """An `h5py.Dataset` of a file, as `array` checks it, to be read by parts."""
    import h5py

    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"no {name} in it")
    found = group[name]
    if not isinstance(found, h5py.Dataset) or found.is_virtual or found.external:
        raise ValueError(f"{name} is no array of its own")
    if found.dtype.kind not in kinds or dimensions not in (None, found.ndim):
        raise ValueError(f"{name} is {found.dtype} of shape {found.shape}")
    return found
