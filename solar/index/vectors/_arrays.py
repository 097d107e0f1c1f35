"""Arrays in one file, to be memory-mapped: whole or not there, and nothing in it is believed.

A line of JSON says which arrays follow and the checksums of the small ones; large ones are checked
in parts, by whoever reads these. No file makes NumPy or FAISS read beyond what is there.
"""

from __future__ import annotations

import json
import mmap
import stat
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solar.errors import IndexDamaged
from solar.files.atomic import write_atomically

MAGIC = b"solar lists 1\n"
_MOST = 1 << 16  # Bytes of what is said of the arrays.
_ALIGNED = 64

Array = NDArray[Any]


def save_arrays(
    file: Path,
    facts: Mapping[str, object],
    checked: Mapping[str, Array],
    large: Mapping[str, Array],
) -> None:
    """Write arrays; the checked ones get a checksum.

    Raises:
        SolarError: the file cannot be written.
    """
    arrays = {name: np.ascontiguousarray(array) for name, array in {**checked, **large}.items()}
    said = {
        "facts": facts,
        "arrays": [[name, array.dtype.str, array.shape] for name, array in arrays.items()],
        "sums": {name: checksum(arrays[name]) for name in checked},
    }
    line = json.dumps(said).encode() + b"\n"
    with write_atomically(file) as opened:
        opened.write(MAGIC + line + checksum(line).encode() + b"\n")
        for array in arrays.values():
            opened.write(bytes(-opened.tell() % _ALIGNED))
            opened.write(array.data)


def map_arrays(
    file: Path, forms: Mapping[str, tuple[str, int]], checked: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Array]]:
    """What `save_arrays` wrote: the facts, and the arrays, memory-mapped.

    Args:
        file: to map.
        forms: the type and number of dimensions of each array.
        checked: those with a checksum.

    Raises:
        FileNotFoundError: it is not there.
        IndexDamaged: it is not what was written.
    """
    if not stat.S_ISREG(file.lstat().st_mode):
        raise IndexDamaged("is not a regular file, as all in an index are", file)
    try:
        with file.open("rb") as opened:
            start, line = opened.read(len(MAGIC)), opened.readline(_MOST)
            known = opened.readline(64)
            if start != MAGIC or known != checksum(line).encode() + b"\n":
                raise ValueError
            offset = opened.tell()
            content = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        said = json.loads(line)
        arrays: dict[str, Array] = {}
        for name, kind, shape in said["arrays"]:
            if (kind, len(shape)) != forms[name] or min(shape) < 0:
                raise ValueError
            offset += -offset % _ALIGNED
            count = int(np.prod(shape, dtype=object))
            arrays[name] = np.frombuffer(content, kind, count, offset).reshape(shape)
            offset += arrays[name].nbytes
        if arrays.keys() != forms.keys() or offset != len(content):
            raise ValueError
        if any(checksum(arrays[name]) != said["sums"][name] for name in checked):
            raise ValueError
        return dict(said["facts"]), arrays
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise damaged_lists(file) from error


def damaged_lists(file: Path) -> IndexDamaged:
    """What to say of a file of lists that is not as it was written."""
    return IndexDamaged(
        "is damaged, or was made by another version: no descriptor is in it, so delete it and run "
        "`solar compact`",
        file,
    )


def checksum(data: Array | bytes) -> str:
    """Sixteen letters that change with any byte."""
    return raw_sum(data).hex()


def raw_sum(*parts: Array | bytes) -> bytes:
    """Eight bytes that change with any byte of some parts, one after the other."""
    found = blake2b(digest_size=8)
    for part in parts:
        found.update(part if isinstance(part, bytes) else np.ascontiguousarray(part).data)
    return found.digest()
