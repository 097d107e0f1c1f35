"""Files of descriptors, as `solar describe` writes them: NumPy's, HDF5 or Parquet, by their name.

Each holds the paths of N photos, their descriptors (N, D), and the extraction that made them, as
JSON: a .npz three arrays; a .h5 two, `paths` and `descriptors`, and an attribute (extra `h5`); a
.parquet two columns, `path` and `descriptor`, and metadata of the schema (extra `parquet`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solar.errors import SolarError, UsageError, naming_extras, require_package
from solar.extraction.extraction import Extraction
from solar.files import printable, require_file
from solar.files.arrays import MOST_BYTES, holds, read_arrays, read_settings
from solar.files.atomic import write_atomically
from solar.files.hdf5 import array, read_hdf5, write_hdf5

_ARRAYS = {"paths", "descriptors", "extraction"}
_SETTINGS = "extraction"

Arrays = dict[str, NDArray[Any]]


def is_descriptors_file(path: Path) -> bool:
    """Whether `solar describe` wrote a file; only what it says of itself is looked at."""
    if path.suffix == ".npz":
        return holds(path, *_ARRAYS)
    try:
        DescriptorsFile.load(path)
    except SolarError:
        return False
    return True


def require_writer(path: str | Path) -> None:
    """Refuse, before the work begins, a file that needs a package which is not here.

    Raises:
        MissingPackage: see above.
    """
    needed = {".h5": "h5py", ".parquet": "pyarrow"}.get(Path(path).suffix)
    if needed is not None:
        require_package(needed)


@dataclass(frozen=True, eq=False)
class DescriptorsFile:
    """What such a file holds.

    Attributes:
        paths: (N,) of the photos.
        descriptors: (N, D) float32, unit rows.
        extraction: what made them.
    """

    paths: NDArray[np.str_]
    descriptors: NDArray[np.float32]
    extraction: Extraction

    @classmethod
    def load(cls, path: str | Path) -> DescriptorsFile:
        """Read a file.

        Raises:
            UsageError: no such file.
            SolarError: not a file of descriptors, or damaged.
            MissingPackage: what reads it is not installed.
        """
        try:
            arrays = _FORMS.get(Path(path).suffix, _FORMS[".npz"]).read(Path(path))
            if missing := _ARRAYS - arrays.keys():
                raise ValueError(f"no {' and '.join(sorted(missing))} in it")
            extraction = Extraction.from_json(read_settings(arrays["extraction"]), path)
        except ValueError as error:
            raise SolarError(f"{path}: not what 'solar describe' writes ({error})") from error
        paths, rows = arrays["paths"], arrays["descriptors"]
        if rows.ndim != 2 or rows.dtype != np.float32 or paths.shape != rows.shape[:1]:
            what = f"{paths.shape} paths, {rows.dtype} descriptors of shape {rows.shape}"
            raise SolarError(f"{path}: not what 'solar describe' writes ({what})")
        finite = np.isfinite(rows).all(1)
        if not finite.all():
            raise SolarError(f"{path}: descriptor {int(finite.argmin())} is not finite")
        if rows.shape[1] != extraction.dimensions:
            what = f"{rows.shape[1]} dimensions, not {extraction.dimensions}"
            raise SolarError(f"{path}: not what 'solar describe' writes ({what})")
        return cls(paths, rows, extraction)

    def save(self, path: str | Path) -> None:
        """Write a file, atomically.

        Raises:
            UsageError: its name ends in none of `SUFFIXES`.
            SolarError: it cannot be written, or a path cannot stand in it.
            MissingPackage: what writes it is not installed.
        """
        settings = json.dumps(self.extraction.to_json())
        try:
            form = _FORMS.get(Path(path).suffix)
            if form is None:
                what = f"the name must end in {' or '.join(SUFFIXES)}"
                raise UsageError(f"{printable(path)}: {what}")
            form.write(Path(path), self.paths, self.descriptors, settings)
        except UnicodeEncodeError as error:
            what = "a photo's path is not Unicode: write .npz, or rename it"
            raise SolarError(f"{printable(path)}: {what}") from error


def _read_npz(path: Path) -> Arrays:
    return read_arrays(path)


def _write_npz(path: Path, paths: NDArray[Any], rows: NDArray[Any], settings: str) -> None:
    with write_atomically(path) as file:
        np.savez(file, paths=paths, descriptors=rows, extraction=np.array(settings))


def _read_h5(path: Path) -> Arrays:
    with read_hdf5(path) as file:
        names = array(file, "paths", "OS", 1).tolist()
        return {
            "paths": np.array([n.decode() if isinstance(n, bytes) else str(n) for n in names]),
            "descriptors": array(file, "descriptors", "f", 2),
            "extraction": np.array(str(file.attrs[_SETTINGS])),
        }


def _write_h5(path: Path, paths: NDArray[Any], rows: NDArray[Any], settings: str) -> None:
    names = [name.encode() for name in paths.tolist()]
    with write_hdf5(path) as file:
        import h5py

        file.create_dataset("paths", data=names, dtype=h5py.string_dtype())
        file["descriptors"] = rows
        file.attrs[_SETTINGS] = settings


def _read_parquet(path: Path) -> Arrays:
    with naming_extras():
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    require_file(path, MOST_BYTES, UsageError)
    try:
        table = parquet.read_table(path, columns=["path", "descriptor"])
        column = table.column("descriptor").combine_chunks()
        width = column.type.list_size
        if column.null_count or not arrow.types.is_float32(column.type.value_type):
            raise ValueError(f"descriptor is {column.type}")
        rows = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
        return {
            "paths": np.array(table.column("path").to_pylist(), np.str_),
            "descriptors": rows,
            "extraction": np.array((table.schema.metadata or {})[_SETTINGS.encode()].decode()),
        }
    except (arrow.ArrowException, OSError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(str(error).splitlines()[0]) from error


def _write_parquet(path: Path, paths: NDArray[Any], rows: NDArray[Any], settings: str) -> None:
    with naming_extras():
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    flat = arrow.array(np.ascontiguousarray(rows, np.float32).ravel())
    columns = {
        "path": arrow.array([name.encode().decode() for name in paths.tolist()], arrow.string()),
        "descriptor": arrow.FixedSizeListArray.from_arrays(flat, rows.shape[1]),
    }
    table = arrow.table(columns, metadata={_SETTINGS: settings})
    with write_atomically(path) as file:
        parquet.write_table(table, file)


@dataclass(frozen=True)
class _Form:
    """How a kind of file is read and written."""

    read: Callable[[Path], Arrays]
    write: Callable[[Path, NDArray[Any], NDArray[Any], str], None]


_FORMS = {
    ".npz": _Form(_read_npz, _write_npz),
    ".h5": _Form(_read_h5, _write_h5),
    ".parquet": _Form(_read_parquet, _write_parquet),
}
SUFFIXES = tuple(_FORMS)
"""Of the names of files of descriptors."""
