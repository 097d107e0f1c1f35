"""Descriptors that were made before, by anybody: read from files, found by their photos' paths."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solar.errors import SolarError, UsageError
from solar.extraction.descriptors import DescriptorsFile, is_descriptors_file
from solar.extraction.extraction import MOST_DIMENSIONS, Extraction
from solar.extraction.extractor import Described, Failed
from solar.files import printable, sha256
from solar.files.arrays import read_arrays
from solar.files.hdf5 import array, read_hdf5
from solar.photos import Box, Photo, name_of
from solar.typing import AnyPath, Descriptors

NPZ, H5 = (".npz",), (".h5", ".hdf5")
PARQUET = (".parquet",)
SUFFIXES = (*NPZ, *H5, *PARQUET)


def open_descriptors(path: AnyPath) -> GivenDescriptors:
    """Descriptors of a file, as an extractor of the photos that it names.

    An `.npz` or `.h5` holds an array of text, the paths, and one of numbers, a row for each path;
    their names do not matter. An `.h5` of hloc's, a `global_descriptor` in a group for each photo,
    is taken too, and what `solar describe` writes (`.parquet` as well), which goes by its model.
    Other files may say a `name` and a `version`: descriptors of one name, version and number of
    dimensions may be mixed. Of a file that does not, they meet no other's.

    Args:
        path: of the file.

    Raises:
        UsageError: no such file, or its name has another ending.
        SolarError: it is damaged, or does not hold this.
        MissingPackage: it is an `.h5` or a `.parquet`, and what reads it is not installed.
    """
    file = Path(path)
    if file.suffix.lower() not in SUFFIXES:
        raise UsageError(f"the name must end in {' or '.join(SUFFIXES)}", file)
    if file.suffix.lower() in PARQUET or is_descriptors_file(file):
        whole = DescriptorsFile.load(file)
        return GivenDescriptors(whole.paths.tolist(), whole.descriptors, whole.extraction)
    try:
        if file.suffix.lower() in NPZ:
            arrays = read_arrays(file)
        else:
            with read_hdf5(file) as opened:
                arrays = _of_hloc(opened) or {
                    name: np.asarray(array(opened, name, "fiuOSU")) for name in opened
                }
        paths, rows = _paths_and_rows(arrays)
        said = {key: str(_text(arrays[key]).item()) for key in ("name", "version") if key in arrays}
    except ValueError as error:
        raise SolarError(f"not a file of paths and descriptors ({error})", file) from error
    if "name" in said:
        of = repr(("descriptors", said["name"], said.get("version", "1"), rows.shape[1]))
        fingerprint = hashlib.sha256(of.encode()).hexdigest()
    else:
        fingerprint = sha256(file)
    made = Extraction(
        str(file.absolute()), fingerprint, rows.shape[1], 1024, (1.0,), decoding="upright"
    )
    return GivenDescriptors(paths, rows, made)


def _paths_and_rows(arrays: Mapping[str, NDArray[Any]]) -> tuple[list[str], Descriptors]:
    texts = [found for found in arrays.values() if found.ndim == 1 and found.dtype.kind in "OSU"]
    tables = [found for found in arrays.values() if found.ndim == 2 and found.dtype.kind in "fiu"]
    if len(texts) != 1 or len(tables) != 1:
        has = ", ".join(f"{name} {each.dtype}{each.shape}" for name, each in arrays.items())
        raise ValueError(
            f"expected one array of paths and one (N, D) of numbers; it has {has:.200}"
        )
    paths, table = texts[0], tables[0]
    if len(paths) != len(table) or not 1 <= table.shape[1] <= MOST_DIMENSIONS:
        raise ValueError(f"{len(paths)} paths, descriptors of shape {table.shape}")
    return _text(paths).tolist(), table


def _text(array: NDArray[Any]) -> NDArray[Any]:
    """As text, which HDF5 keeps as bytes."""
    decoded = [each.decode() if isinstance(each, bytes) else str(each) for each in array.flat]
    return np.array(decoded, object).reshape(array.shape)


def _of_hloc(opened: Any) -> dict[str, NDArray[Any]]:
    """Of hloc: the `global_descriptor` of each photo; empty of another file."""
    import h5py

    found: dict[str, NDArray[Any]] = {}
    seen: set[int] = set()
    waiting: list[str] = list(opened)
    while waiting:
        name = waiting.pop()
        if not isinstance(opened.get(name, getlink=True), h5py.HardLink):
            continue  # leads out of the file
        group: Any = opened[name]
        where = h5py.h5o.get_info(group.id).addr  # groups may hold one another
        if where in seen or not isinstance(group, h5py.Group):
            continue
        seen.add(where)
        if "global_descriptor" in group:
            found[name] = array(group, "global_descriptor", dimensions=1)
        else:
            waiting += [f"{name}/{inner}" for inner in group]
    if not found:
        return {}
    return {"paths": np.array(list(found), object), "descriptors": np.stack(list(found.values()))}


class GivenDescriptors:
    """Descriptors that were made before, found by the paths of their photos.

    A photo's row is that whose path is its own, or ends with it, or is what it ends with:
    `b/c.jpg` is found for `/photos/b/c.jpg`, and never for `/photos/a/c.jpg`; without an ending,
    for any. Absolute paths count from the folder that holds all of them, which may have moved.
    Boxes are not looked at: the row of a query is what was made of it.

    Args:
        paths: (N,) of the photos.
        rows: (N, D), of any length.
        extraction: what made them.
    """

    def __init__(self, paths: Sequence[str], rows: Descriptors, extraction: Extraction) -> None:
        self.extraction = extraction
        self._rows = unit_rows(rows, extraction.dimensions, extraction.model)
        self._parts = _from_common_folder([_parts(path) for path in paths])
        self._by_name: dict[str, list[int]] = {}
        for row, parts in enumerate(self._parts):
            last = parts[-1] if parts else ""
            for key in {last, PurePosixPath(last).stem}:
                self._by_name.setdefault(key, []).append(row)

    @property
    def engine(self) -> str:
        """What made them, in words."""
        return f"{len(self._rows):,} descriptors made before"

    def describe(
        self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
    ) -> Iterator[Described | Failed]:
        """See `Extractor.describe`; no photo is read."""
        for position, photo in enumerate(photos):
            name = name_of(photo, position, len(photos))
            try:
                yield Described(position, self._rows[self._find(name)])
            except SolarError as error:
                yield Failed(position, error)

    def _find(self, name: str) -> int:
        parts = _parts(name)
        last = parts[-1] if parts else ""
        found = self._by_name.get(last) or self._by_name.get(PurePosixPath(last).stem) or []
        alike = {row: _alike(parts[:-1], self._parts[row][:-1]) for row in found}
        most = max(alike.values(), default=-1)
        best = [row for row, count in alike.items() if count == most >= 0]
        if len(best) == 1:
            return best[0]
        many = f"{len(best)} descriptors" if best else "no descriptor"
        raise SolarError(f"{many} of this photo in {printable(self.extraction.model)}", name)


def _parts(path: str) -> tuple[str, ...]:
    return PurePosixPath(path.replace("\\", "/")).parts


def _from_common_folder(paths: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Absolute paths from the deepest folder on that holds them all, the others as they are."""
    absolute = [path for path in paths if path and path[0].endswith(("/", ":"))]
    if not absolute:
        return paths
    shared = os.path.commonprefix([path[:-1] for path in absolute])  # noqa: RUF071 - of parts
    cut = max(len(shared) - 1, 0)
    known = set(absolute)
    return [path[cut:] if path in known else path for path in paths]


def _alike(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """How many of the last folders two paths have in common; -1 if they lie in different ones."""
    count = min(len(ours), len(theirs))
    return count if ours[len(ours) - count :] == theirs[len(theirs) - count :] else -1


def unit_rows(rows: Descriptors, dimensions: int, source: object, first: int = 0) -> Descriptors:
    """Anybody's vectors as descriptors: (N, D) float32, unit rows.

    Args:
        rows: (N, D).
        dimensions: D that they must have.
        source: where they are from, for messages.
        first: number of the first of them there.

    Raises:
        SolarError: they have other dimensions, or one is 0 or not finite.
    """
    if rows.ndim != 2 or rows.shape[1] != dimensions:
        raise SolarError(f"{source}: a vector of {rows.shape[-1]} numbers, not {dimensions}")
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    usable = np.isfinite(lengths) & (lengths > 0)
    if not usable.all():
        raise SolarError(f"{source}: vector {first + int(usable.argmin())} is 0, or not finite")
    made: Descriptors = (rows / lengths[:, None]).astype(np.float32)
    return made
