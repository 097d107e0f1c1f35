"""Arrays in one file, to be memory-mapped: whole or not there, and nothing in it is believed.

A line of JSON says which arrays follow and the checksums of the small ones; large ones are checked
in parts, by whoever reads these. No file makes NumPy or FAISS read beyond what is there.
"""

from __future__ import annotations

import io
import json
import mmap
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from solar.errors import IndexDamaged
from solar.files.atomic import write_atomically
from solar.index._ranges import FarFile, FarRows

MAGIC = b"solar lists 2\n"
_MOST = 1 << 16  # Bytes of what is said of the arrays.
_SHORT = 1 << 12
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
    file: Path | FarFile, forms: Mapping[str, tuple[str, int]], checked: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Array]]:
    """What `save_arrays` wrote: the facts, and the arrays, memory-mapped.

    Args:
        file: to map; of one at an address, the checked arrays are read, and others once rows of
            them are asked for.
        forms: the type and number of dimensions of each array.
        checked: those with a checksum.

    Raises:
        FileNotFoundError: it is not there.
        IndexDamaged: it is not what was written.
    """
    try:
        if isinstance(file, FarFile):
            said, offset = _said(io.BytesIO(_head(file)))
            arrays = dict(_placed(said, offset, forms, file.size, partial(FarRows, file)))
            arrays |= {name: np.asarray(arrays[name]) for name in checked}
        else:
            if not stat.S_ISREG(file.lstat().st_mode):
                raise IndexDamaged("is not a regular file, as all in an index are", file)
            with file.open("rb") as opened:
                said, offset = _said(opened)
                content = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
            arrays = dict(_placed(said, offset, forms, len(content), partial(_within, content)))
        if any(checksum(arrays[name]) != said["sums"][name] for name in checked):
            raise ValueError
        return dict(said["facts"]), arrays
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise damaged_lists(file) from error


def _said(opened: BinaryIO) -> tuple[dict[str, Any], int]:
    """What a file says of its arrays, and where these begin.

    Raises:
        ValueError: it is not what was written.
    """
    start, line = opened.read(len(MAGIC)), opened.readline(_MOST)
    if start != MAGIC or opened.readline(64) != checksum(line).encode() + b"\n":
        raise ValueError
    said: dict[str, Any] = json.loads(line)
    return said, opened.tell()


def _placed(
    said: dict[str, Any],
    offset: int,
    forms: Mapping[str, tuple[str, int]],
    size: int,
    make: Callable[[int, str, tuple[int, ...]], Any],
) -> Iterator[tuple[str, Any]]:
    """Each array by its name, made of where it begins, its type and its shape.

    Raises:
        ValueError: they are not those that were written, or do not end where the file does.
    """
    left = set(forms)
    for name, kind, shape in said["arrays"]:
        if (kind, len(shape)) != forms[name] or min(shape) < 0:
            raise ValueError
        offset += -offset % _ALIGNED
        array = make(offset, kind, tuple(shape))
        offset += array.nbytes
        left.discard(name)
        yield name, array
    if left or offset != size:
        raise ValueError


def _within(content: mmap.mmap, offset: int, kind: str, shape: tuple[int, ...]) -> Array:
    return np.frombuffer(content, kind, int(np.prod(shape, dtype=object)), offset).reshape(shape)


def _head(file: FarFile) -> bytes:
    """The beginning of a file, with all that is said of its arrays."""
    head = file.read(0, min(file.size, _SHORT))
    if head.count(b"\n") < MAGIC.count(b"\n") + 2:
        head = file.read(0, min(file.size, _MOST + _SHORT))
    return head


def damaged_lists(file: Path | FarFile) -> IndexDamaged:
    """What to say of a file of lists that is not as it was written."""
    if isinstance(file, FarFile):
        return IndexDamaged("is not what was written: open the index again, or copy it", file.name)
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
