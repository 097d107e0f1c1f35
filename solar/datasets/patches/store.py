"""Patches on disk, ready for training: many patches of 32 x 32 and the points that they show."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from solar.errors import SolarError, UsageError
from solar.files import MEGABYTE, cut, read_json, sync_folder, write_atomically
from solar.typing import AnyPath

SIDE = 32
FORMAT = 1
_PIXELS, _POINTS, _ABOUT = "patches.bin", "points.npy", "store.json"

Patches = npt.NDArray[np.uint8]
IntArray = npt.NDArray[np.int64]
Part = tuple[Patches, IntArray]
"""Patches (n, 32, 32) and their (n,) point ids."""


class PatchStore:
    """A folder of `patches.bin` (N x 32 x 32 bytes), `points.npy` and `store.json`.

    Attributes:
        folder: where it lies.
        settings: what it was made with.
        point_ids: (N,) the point of every patch, ascending; equal ids match.
    """

    def __init__(self, folder: AnyPath) -> None:
        """Open a store; pixels are read when asked for.

        Raises:
            SolarError: a file is missing, damaged or of another format.
        """
        self.folder = Path(folder)
        try:
            about = read_json(self.folder / _ABOUT, MEGABYTE)
            self.point_ids: IntArray = np.load(self.folder / _POINTS, allow_pickle=False)
            size = (self.folder / _PIXELS).stat().st_size
            known, self.settings = about["format"] == FORMAT, dict(about["settings"])
        except (OSError, ValueError, EOFError, KeyError, TypeError) as error:
            raise SolarError(f"{folder}: not a whole store of patches ({cut(error)})") from error
        ids = self.point_ids
        if not known or ids.ndim != 1 or ids.dtype != np.int64 or size != len(ids) * SIDE**2:
            raise SolarError(f"{folder}: not a store of patches of format {FORMAT}; make it again")
        self._pixels: Patches = np.memmap(
            self.folder / _PIXELS, np.uint8, "r", shape=(len(ids), SIDE, SIDE)
        )

    def __len__(self) -> int:
        return len(self.point_ids)

    def patches(self, numbers: IntArray) -> Patches:
        """(len(numbers), 32, 32) patches by number, in the order asked."""
        return np.asarray(self._pixels[numbers])


def write_store(folder: AnyPath, parts: Iterable[Part], settings: dict[str, Any]) -> PatchStore:
    """Write a store; the folder appears whole or not at all.

    Args:
        folder: must not exist yet.
        parts: patches (n, 32, 32) and their (n,) point ids, ascending from part to part.
        settings: kept with the store; JSON.

    Raises:
        UsageError: the folder exists.
        SolarError: there are no patches.
    """
    folder = Path(folder)
    if folder.exists():
        raise UsageError(f"{folder}: exists already; choose another name or remove it first")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}.partial")
    partial.mkdir()
    try:
        ids = [np.empty(0, np.int64)]
        with write_atomically(partial / _PIXELS) as file:
            for patches, points in parts:
                file.write(patches.tobytes())
                ids.append(points)
        points = np.concatenate(ids)
        if len(points) == 0:
            raise SolarError(f"{folder}: no patches were found; give photos with more to see")
        with write_atomically(partial / _POINTS) as file:
            np.save(file, points)
        with write_atomically(partial / _ABOUT) as file:
            about = {"format": FORMAT, "patches": len(points), "settings": settings}
            file.write(json.dumps(about, indent=2).encode() + b"\n")
        partial.rename(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return PatchStore(folder)


def open_or_write(folder: AnyPath, parts: Iterable[Part], settings: dict[str, Any]) -> PatchStore:
    """Open a store, or write it if the folder does not exist; see `write_store`.

    Raises:
        UsageError: the store that is there was made with other settings.
    """
    folder = Path(folder)
    if not folder.exists():
        return write_store(folder, parts, settings)
    store = PatchStore(folder)
    for key, value in json.loads(json.dumps(settings)).items():  # tuples as the file has them
        if store.settings.get(key) != value:
            raise UsageError(f"{folder}: was made with other {key}; name another store")
    return store
