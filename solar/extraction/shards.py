"""A folder of descriptors in shards: filled in any order, by any number of machines, resumable.

``manifest.json`` holds the extraction, the number of photos and a digest of their names;
``shard-00000.npy`` holds the descriptors of the first ``shard_size`` photos, in order, and so on.
Photos that could not be described are listed in ``shard-00000.failed.json`` and have no row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solar.errors import SolarError, UsageError, some
from solar.extraction.extraction import Extraction
from solar.extraction.extractor import Extractor, collect
from solar.files import MEGABYTE, read_json, shown, write_atomically
from solar.photos import Box, Photo, name_of
from solar.typing import AnyPath, Descriptors, Ids, Progress

_READ_ROWS = 8192
_GRID = 2.0**26


@dataclass(frozen=True)
class Failure:
    """A photo without a descriptor, its number among all, and the line that says why."""

    position: int
    photo: str
    reason: str


@dataclass(frozen=True)
class Shards:
    """A folder of shards whose manifest was read.

    Attributes:
        folder: where they are.
        extraction: what made the descriptors.
        photos: how many the folder is for, described or not.
        shard_size: photos per shard.
        dtype: ``float16`` or ``float32``.
    """

    folder: Path
    extraction: Extraction
    photos: int
    shard_size: int
    dtype: str

    @property
    def count(self) -> int:
        """How many shards a full folder has."""
        return -(-self.photos // self.shard_size)

    @property
    def dimensions(self) -> int:
        """Of each descriptor."""
        return self.extraction.dimensions

    def path(self, shard: int) -> Path:
        """Where a shard is, or will be."""
        return self.folder / f"shard-{shard:05d}.npy"

    def size_of(self, shard: int) -> int:
        """How many photos a shard is for."""
        return min(self.shard_size, self.photos - shard * self.shard_size)

    def missing(self) -> list[int]:
        """Shards that nobody has filled yet."""
        return [shard for shard in range(self.count) if not self.path(shard).exists()]

    def rows(self) -> int:
        """How many descriptors there are.

        Raises:
            SolarError: shards are missing or damaged.
        """
        if missing := self.missing():
            raise SolarError(
                f"{self.folder}: {len(missing)} of {self.count} shards are missing "
                f"({some(str(shard) for shard in missing)}): extract them first"
            )
        return sum(len(self._opened(shard)) for shard in range(self.count))

    def failures(self) -> list[Failure]:
        """The photos that could not be described."""
        return [
            Failure(**entry)
            for path in sorted(self.folder.glob("shard-*.failed.json"))
            for entry in read_json(path)
        ]

    def blocks(self) -> Iterator[NDArray[np.floating]]:
        """The descriptors in order, at most 8192 rows at a time, read and not mapped."""
        self.rows()
        for shard in range(self.count):
            opened = self._opened(shard)
            with self.path(shard).open("rb") as file:
                file.seek(opened.offset)
                for start in range(0, len(opened), _READ_ROWS):
                    rows = min(_READ_ROWS, len(opened) - start)
                    block = np.fromfile(file, opened.dtype, rows * self.dimensions)
                    yield block.reshape(rows, self.dimensions)

    def load(self) -> NDArray[np.floating]:
        """All (N, D) descriptors."""
        empty = np.empty((0, self.dimensions), self.dtype)
        return np.concatenate([empty, *self.blocks()])

    def take(self, rows: Ids) -> NDArray[np.floating]:
        """Some (K, D) descriptors, by their numbers among all."""
        opened = [self._opened(shard) for shard in range(self.count)]
        ends = np.cumsum([len(shard) for shard in opened])
        homes = np.searchsorted(ends, rows, "right")
        found = np.empty((len(rows), self.dimensions), self.dtype)
        for number, (row, home) in enumerate(zip(rows.tolist(), homes.tolist(), strict=True)):
            found[number] = opened[home][row - ends[home]]
        return found

    def _opened(self, shard: int) -> np.memmap[Any, np.dtype[np.floating]]:
        """A shard mapped, its shape and type checked, nothing read yet."""
        path = self.path(shard)
        expected = self.size_of(shard)
        try:
            rows = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise SolarError(f"{path}: damaged ({error}): delete it and extract again") from error
        if not isinstance(rows, np.memmap) or rows.dtype != self.dtype or rows.ndim != 2:
            raise SolarError(f"{path}: not a matrix of {self.dtype}: delete it and extract again")
        if rows.shape[1] != self.dimensions or len(rows) > expected or not rows.flags.c_contiguous:
            raise SolarError(
                f"{path}: of shape {rows.shape}, the manifest says at most "
                f"({expected}, {self.dimensions}): delete it and extract again"
            )
        return rows


def open_shards(folder: AnyPath) -> Shards:
    """Read a folder's manifest.

    Raises:
        SolarError: there is none, or it is damaged.
    """
    path = Path(folder) / "manifest.json"
    manifest = read_json(path, MEGABYTE)
    try:
        shards = Shards(
            Path(folder),
            Extraction.from_json(manifest["extraction"], path),
            int(manifest["photos"]),
            int(manifest["shard_size"]),
            str(manifest["dtype"]),
        )
        sound = shards.photos >= 0 and shards.shard_size > 0 and shards.dimensions > 0
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise SolarError(f"{path}: damaged ({shown(error)})") from error
    if not sound or shards.dtype not in ("float16", "float32"):
        raise SolarError(f"{path}: damaged (impossible sizes or type)")
    return shards


def create_shards(
    folder: str | Path,
    extraction: Extraction,
    photos: Sequence[str],
    shard_size: int,
    dtype: str,
    way_out: str = "choose another folder",
) -> Shards:
    """Write a folder's manifest, or join a folder that has the very same one.

    Args:
        folder: made if missing.
        extraction: what will make the descriptors.
        photos: their names, the same on every machine.
        shard_size: photos per shard.
        dtype: ``float16`` or ``float32``.
        way_out: what to do with a folder that is for something else; ends the message.

    Raises:
        UsageError: the folder is of another extraction or for other photos.
    """
    folder = Path(folder)
    names = "\n".join(photos).encode(errors="surrogateescape")  # as the file system has them
    manifest = {
        "extraction": extraction.to_json(),
        "photos": len(photos),
        "photos_sha256": hashlib.sha256(names).hexdigest(),
        "shard_size": shard_size,
        "dtype": dtype,
    }
    path = folder / "manifest.json"
    if not path.exists():
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder}: is no folder: {way_out}")
        folder.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as file:
            file.write(json.dumps(manifest, indent=1).encode())
    shards = open_shards(folder)
    shards.extraction.require_same(extraction, folder, way_out)
    found = read_json(path, MEGABYTE)
    for name in ("photos", "photos_sha256", "shard_size", "dtype"):
        if found.get(name) != manifest[name]:
            raise UsageError(
                f"{folder}: is for {name} {found.get(name)!s:.16}, not {manifest[name]!s:.16}: "
                f"{way_out}"
            )
    return shards


def fill(
    shards: Shards,
    extractor: Extractor,
    photos: Sequence[Photo],
    boxes: Sequence[Box | None] | None = None,
    *,
    part: int = 0,
    parts: int = 1,
    skip_failed: bool = False,
    progress: Progress | None = None,
) -> list[Failure]:
    """Describe the photos of the shards that are missing; a shard is whole or not there.

    Args:
        shards: a folder made for these photos.
        extractor: of the folder's extraction.
        photos: all of them, in order.
        boxes: one per photo, or None for whole photos.
        part: this machine's, 0 to parts - 1: it fills every ``parts``-th shard.
        parts: machines that share the work.
        skip_failed: keep a shard without the photos that failed; otherwise it stays missing.
        progress: called with this part's photos done and in all.

    Returns:
        The photos that failed in this run.
    """
    if not 0 <= part < parts:
        raise UsageError(f"part {part} of {parts}: parts count from 0 to {parts - 1}")
    own = range(part, shards.count, parts)
    spans = {n: slice(n * shards.shard_size, (n + 1) * shards.shard_size) for n in own}
    total = sum(len(photos[span]) for span in spans.values())
    failed, before = [], 0
    for shard, span in spans.items():
        if not shards.path(shard).exists():
            told = progress and progress_within(progress, before, total)
            found = collect(extractor, photos[span], boxes and boxes[span], told)
            failures = [
                Failure(span.start + f.position, name_of(photos[span][f.position]), f.reason)
                for f in found.failures
            ]
            failed += failures
            if skip_failed or not failures:
                _write(shards, shard, found.descriptors, failures)
        before += len(photos[span])
        if progress:
            progress(before, total)
    return failed


def progress_within(progress: Progress, before: int, total: int) -> Progress:
    """Progress of a part as progress of the whole: `before` were done of `total` in all."""
    return lambda done, _: progress(before + done, total)


def _write(shards: Shards, shard: int, rows: Descriptors, failures: Sequence[Failure]) -> None:
    path = shards.path(shard)
    failed = path.with_suffix(".failed.json")
    if failures:
        with write_atomically(failed) as file:
            file.write(json.dumps([vars(failure) for failure in failures], indent=1).encode())
    else:
        failed.unlink(missing_ok=True)
    with write_atomically(path) as file:
        np.save(file, on_grid(rows).astype(shards.dtype), allow_pickle=False)


def on_grid(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Components rounded to multiples of 2^-26, which float32 holds too if they are below 1.

    Sums of their products are exact in float64, so that rankings do not depend on the machine.
    """
    exact: NDArray[np.float64] = np.rint(rows.astype(np.float64) * _GRID) / _GRID
    return exact
