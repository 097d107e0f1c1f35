"""Where evaluations keep what they have described, for every later one of the same photos."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from solar.errors import SolarError
from solar.features.patch_descriptor import PatchDescriptor, open_patch_descriptor
from solar.files import write_atomically
from solar.files.cache import cache_folder
from solar.typing import AnyPath


def kept_at(kind: str, *depends_on: object) -> Path:
    """A path in the user's cache that only what depends on the same values shares.

    Args:
        kind: of what is kept there.
        depends_on: JSON values.

    Raises:
        SolarError: the cache cannot be written.
    """
    text = json.dumps(depends_on, sort_keys=True)
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    folder = cache_folder() / kind
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        way_out = "name another folder in SOLAR_CACHE"
        raise SolarError(f"{folder}: cannot be written ({error.strerror}): {way_out}") from error
    return folder / digest[:32]


def state_of(path: AnyPath) -> list[int] | None:
    """What tells that a file has changed: its size and times; None where there is no file."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def load_or_make(
    path: Path, make: Callable[[], NDArray[Any]], dtype: DTypeLike = np.float32
) -> NDArray[Any]:
    """An array from a file of the cache, made and written first if it is not there yet.

    The file is whole or not there, so that a broken run goes on where it stopped.

    Args:
        path: see `kept_at`.
        make: computes it.
        dtype: of the array.

    Returns:
        The array, mapped from the file: read where it is used.

    Raises:
        SolarError: the file is damaged.
    """
    path = path.with_suffix(".npy")
    if not path.exists():
        made = make()
        with write_atomically(path) as file:
            np.save(file, made, allow_pickle=False)
    try:
        mapped = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise SolarError(f"{path}: damaged ({error}); delete it and run again") from error
    if mapped.dtype != dtype:
        raise SolarError(f"{path}: holds no {np.dtype(dtype)}; delete it and run again")
    return mapped


def open_in_precision(
    descriptor: str | PatchDescriptor,
    device: str = "auto",
    precision: str = "float32",
    engine: str = "auto",
) -> PatchDescriptor:
    """A patch descriptor; the fingerprint of one that is not float32's says so.

    Args:
        descriptor: what `open_patch_descriptor` takes, or one that is as it is.
        device: where a named one runs.
        precision: of a named one: float32, bfloat16 or float16; auto is bfloat16 where the
            processor has it.
        engine: that runs a named one; see `solar.open_extractor`.

    Raises:
        UsageError: there is no such descriptor, device or precision.
    """
    if not isinstance(descriptor, str):
        return descriptor
    found = open_patch_descriptor(descriptor, device, precision, engine)
    if precision == "float32":
        return found
    return replace(found, fingerprint=f"{found.fingerprint} {precision}")
