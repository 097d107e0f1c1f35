"""NumPy archives (.npz) from anywhere, read without unpickling."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

# RuntimeError: what zipfile says of encryption and of compression that it does not know.
_DAMAGE = (
    OSError,
    EOFError,
    KeyError,
    TypeError,
    RuntimeError,
    MemoryError,
    BadZipFile,
    zlib.error,
)


def read_arrays(path: str | Path) -> dict[str, NDArray[Any]]:
    """All arrays of an archive by name.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an archive of plain arrays, or damaged.
    """
    try:
        data = np.load(path, allow_pickle=False)
        if not isinstance(data, np.lib.npyio.NpzFile):
            raise ValueError("not an .npz archive")
        with data:
            return {name: data[name] for name in data.files}
    except FileNotFoundError:
        raise
    except _DAMAGE as error:
        raise ValueError(str(error) or type(error).__name__) from error


def read_settings(array: NDArray[Any]) -> dict[str, Any]:
    """The JSON object that an archive keeps as text.

    Raises:
        ValueError: anything else.
    """
    try:
        settings = json.loads(str(array))
    except RecursionError as error:
        raise ValueError("its settings are too deep") from error
    if not isinstance(settings, dict):
        raise ValueError("its settings are no JSON object")
    return settings
