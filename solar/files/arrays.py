"""NumPy archives (.npz) from anywhere, read without unpickling and within limits."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from solar.errors import SolarError, UsageError
from solar.files.reading import MEGABYTE, parse_json, require_file
from solar.files.text import cut

MOST_ARRAYS = 64
MOST_BYTES = 1 << 40
_UNPACKED = 256 * MEGABYTE
"""What any archive may unpack to; a larger one, to 16 times its size."""

# RuntimeError: what zipfile says of encryption and of compression that it does not know.
_DAMAGE = (
    OSError, EOFError, LookupError, TypeError, ValueError, RuntimeError, MemoryError, BadZipFile,
    zlib.error,
)  # fmt: skip


def read_arrays(path: str | Path, error: type[SolarError] = UsageError) -> dict[str, NDArray[Any]]:
    """All arrays of an archive by name.

    Raises:
        SolarError: of the type asked for: no such file, or none fit to be read.
        ValueError: not an archive of plain arrays, damaged, or unpacks to far more than it is.
    """
    size = require_file(path, MOST_BYTES, error)
    try:
        with ZipFile(path) as archive:
            members = archive.infolist()
            unpacked = sum(member.file_size for member in members)
        if len(members) > MOST_ARRAYS or unpacked > max(_UNPACKED, 16 * size):
            raise ValueError(f"{len(members)} arrays of {unpacked} bytes in {size} bytes")
        with np.load(path, allow_pickle=False) as data:
            return {name: data[name] for name in data.files}
    except _DAMAGE as reason:
        raise ValueError(cut(reason) or type(reason).__name__) from reason


def holds(path: str | Path, *names: str) -> bool:
    """Whether a file is an archive with arrays of these names; only its list is read."""
    try:
        require_file(path, MOST_BYTES)
        with ZipFile(path) as archive:
            return {f"{name}.npy" for name in names} <= set(archive.namelist())
    except (*_DAMAGE, SolarError):
        return False


def read_settings(array: NDArray[Any]) -> dict[str, Any]:
    """The JSON object that an archive keeps as text.

    Raises:
        ValueError: anything else.
    """
    settings = parse_json(str(array))
    if not isinstance(settings, dict):
        raise ValueError("its settings are no JSON object")
    return settings
