"""A folder of descriptors in shards: filled in any order, by any number of machines, resumable.

``manifest.json`` holds the extraction, the number of photos and a digest of their names;
``shard-00000.npy`` holds the descriptors of the first ``shard_size`` photos, in order, and so on,
and says which photos could not be described and have no row.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solar.errors import SolarError, UsageError, some
from solar.extraction.extraction import Extraction
from solar.extraction.extractor import Collected, Extractor, collect
from solar.extraction.shard import FORM, Failure, Said, Shard, shard_bytes
from solar.files import MEGABYTE, parse_json, printable, shown
from solar.files.stores import FolderStore, Store, open_store
from solar.photos import Box, Photo, name_of
from solar.typing import AnyPath, Descriptors, Ids, Progress

MANIFEST = "manifest.json"
_READ_ROWS = 8192


@dataclass(frozen=True)
class Shards:
    """A folder of shards whose manifest was read.

    Attributes:
        store: where they are.
        extraction: what made the descriptors.
        photos: how many the folder is for, described or not.
        shard_size: photos per shard.
        dtype: ``float16`` or ``float32``.
    """

    store: Store
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

    def name(self, shard: int) -> str:
        """What a shard is called, or will be."""
        return f"shard-{shard:05d}.npy"

    def size_of(self, shard: int) -> int:
        """How many photos a shard is for."""
        return min(self.shard_size, self.photos - shard * self.shard_size)

    def missing(self) -> list[int]:
        """Shards that nobody has filled yet."""
        there = {each.name for each in self.store.list()}
        return [shard for shard in range(self.count) if self.name(shard) not in there]

    def rows(self) -> int:
        """How many descriptors there are.

        Raises:
            SolarError: shards are missing or damaged.
        """
        if missing := self.missing():
            raise SolarError(
                f"{printable(self.store.address)}: {len(missing)} of {self.count} shards are "
                f"missing ({some(str(shard) for shard in missing)}): extract them first"
            )
        return sum(len(self._opened(shard)) for shard in range(self.count))

    def failures(self) -> list[Failure]:
        """The photos that could not be described, of the shards that are there.

        Raises:
            SolarError: one of these is damaged.
        """
        missing = set(self.missing())
        return [
            failure
            for shard in range(self.count)
            if shard not in missing
            for failure in self._opened(shard).said().failed
        ]

    def blocks(self) -> Iterator[NDArray[np.floating]]:
        """The descriptors in order, at most 8192 rows at a time, read and not mapped."""
        self.rows()
        for shard in range(self.count):
            opened = self._opened(shard)
            for start in range(0, len(opened), _READ_ROWS):
                yield opened.read(start, min(start + _READ_ROWS, len(opened)))

    def load(self) -> NDArray[np.floating]:
        """All (N, D) descriptors."""
        empty = np.empty((0, self.dimensions), self.dtype)
        return np.concatenate([empty, *self.blocks()])

    def whole(self, shard: int) -> tuple[NDArray[np.floating], Said]:
        """All (K, D) descriptors of a shard, and what it says of its photos.

        Raises:
            SolarError: it is missing or damaged.
        """
        opened = self._opened(shard)
        return opened.read(0, len(opened)), opened.said()

    def take(self, rows: Ids) -> NDArray[np.floating]:
        """Some (K, D) descriptors, by their numbers among all."""
        opened = [self._opened(shard) for shard in range(self.count)]
        ends = np.cumsum([len(shard) for shard in opened])
        homes = np.searchsorted(ends, rows, "right")
        found = np.empty((len(rows), self.dimensions), self.dtype)
        for number, (row, home) in enumerate(zip(rows.tolist(), homes.tolist(), strict=True)):
            start = row - int(ends[home]) + len(opened[home])
            found[number] = opened[home].read(start, start + 1)[0]
        return found

    def _opened(self, shard: int) -> Shard:
        """A shard, its shape and type checked, no row read yet."""
        form = self.size_of(shard), self.dimensions, self.dtype
        return Shard.open(self.store, self.name(shard), shard * self.shard_size, *form)


def open_shards(place: AnyPath | Store) -> Shards:
    """Read a folder's manifest.

    Args:
        place: a folder, an address such as s3://bucket/shards, or an opened store.

    Raises:
        SolarError: there is none, or it is damaged.
    """
    store = open_store(place) if isinstance(place, str | os.PathLike) else place
    path = f"{printable(store.address)}/{MANIFEST}"
    manifest = _manifest(store)
    if isinstance(manifest, dict) and manifest.get("form") != FORM:
        raise SolarError(
            f"{path}: is of shards of another version of Solar: describe the photos anew, into "
            "another folder"
        )
    try:
        shards = Shards(
            store,
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


def _manifest(store: Store) -> Any:
    place = printable(store.address)
    try:
        return parse_json(store.read(MANIFEST, 0, MEGABYTE))
    except FileNotFoundError as missing:
        why = f"holds no {MANIFEST}, and so no shards: make them there with `solar describe`"
        raise SolarError(f"{place}: {why}") from missing
    except ValueError as error:
        raise SolarError(f"{place}/{MANIFEST}: not JSON ({error})") from error


def create_shards(
    place: AnyPath | Store,
    extraction: Extraction,
    photos: Sequence[str],
    shard_size: int,
    dtype: str,
    way_out: str = "choose another folder",
) -> Shards:
    """Write a folder's manifest, or join a folder that has the very same one.

    Args:
        place: a folder, made if missing, an address, or an opened store.
        extraction: what will make the descriptors.
        photos: their names, the same on every machine.
        shard_size: photos per shard.
        dtype: ``float16`` or ``float32``.
        way_out: what to do with a folder that is for something else; ends the message.

    Raises:
        UsageError: the folder is of another extraction or for other photos.
    """
    store = open_store(place) if isinstance(place, str | os.PathLike) else place
    folder = printable(store.address)
    names = "\n".join(photos).encode(errors="surrogateescape")  # as the file system has them
    manifest = {
        "form": FORM,
        "extraction": extraction.to_json(),
        "photos": len(photos),
        "photos_sha256": hashlib.sha256(names).hexdigest(),
        "shard_size": shard_size,
        "dtype": dtype,
    }
    if isinstance(store, FolderStore) and store.folder.exists() and not store.folder.is_dir():
        raise UsageError(f"{folder}: is no folder: {way_out}")
    if store.stat(MANIFEST) is None:
        store.create(MANIFEST, json.dumps(manifest, indent=1).encode())
    shards = open_shards(store)
    shards.extraction.require_same(extraction, folder, way_out)
    found = _manifest(store)
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
    missing, own = set(shards.missing()), range(part, shards.count, parts)
    spans = {n: slice(n * shards.shard_size, (n + 1) * shards.shard_size) for n in own}
    total = sum(len(photos[span]) for span in spans.values())
    failed, before = list[Failure](), 0
    for shard, span in spans.items():
        if shard in missing:
            told = progress and progress_within(progress, before, total)
            found = collect(extractor, photos[span], boxes and boxes[span], told)
            failures = failures_of(found, photos[span], span.start)
            failed += failures
            if skip_failed or not failures:
                write_shard(shards, shard, found.descriptors, Said(failures))
        before += len(photos[span])
        if progress:
            progress(before, total)
    return failed


def failures_of(found: Collected, photos: Sequence[Photo], first: int) -> list[Failure]:
    """Photos of a shard that could not be described.

    Args:
        found: what was made of them.
        photos: of the shard.
        first: number of the first of them among all.
    """
    return [
        Failure(first + each.position, name_of(photos[each.position]), each.reason)
        for each in found.failures
    ]


def progress_within(progress: Progress, before: int, total: int) -> Progress:
    """Progress of a part as progress of the whole: `before` were done of `total` in all."""
    return lambda done, _: progress(before + done, total)


def write_shard(shards: Shards, shard: int, rows: Descriptors, said: Said) -> None:
    """Put a shard where all see it, whole.

    Args:
        shards: of which it is one.
        shard: its number.
        rows: (K, D) of those photos that have one, in order.
        said: of all its photos.
    """
    shards.store.write(shards.name(shard), shard_bytes(rows, shards.dtype, said))
