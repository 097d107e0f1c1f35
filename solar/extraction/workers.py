"""Describing photos on many machines that see one folder or store: each does what no other does."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from solar.extraction.extractor import Extractor, collect
from solar.extraction.leases import Leases
from solar.extraction.shard import Said
from solar.extraction.shards import failures_of, write_shard
from solar.extraction.work import Work, join_work, opened
from solar.photos import Photo
from solar.typing import AnyPath, Progress

SHARD_SIZE = 256
"""Photos that a lost worker has described for nothing, at most."""

PATIENCE = 60.0
"""Seconds after which the share of a worker that gives no sign is taken over."""


@dataclass(frozen=True)
class WorkReport:
    """What became of shared work.

    Attributes:
        photos: how many there are in all.
        described: how many this worker has described.
        failed: a line for each photo that this worker could not use.
        left_out: what was not looked at, where this worker listed the photos.
    """

    photos: int
    described: int
    failed: tuple[str, ...]
    left_out: tuple[str, ...]


def describe_together(
    extractor: Extractor,
    photos: Sequence[AnyPath],
    to: AnyPath,
    progress: Progress | None = None,
    *,
    exclude: Sequence[str] = (),
    shard_size: int = SHARD_SIZE,
    patience: float = PATIENCE,
) -> WorkReport:
    """Describe photos into shards, together with all others that do the same.

    Returns once every photo is described, by whomever. Called again after an interruption, or on
    more machines, it goes on with what is missing.

    Args:
        extractor: what describes them; of one extraction on every machine.
        photos: folders, addresses and photos; the same on every machine.
        to: a folder or an address that all machines see.
        progress: called with the photos that are done, and in all.
        exclude: patterns of what to leave out, beside the usual.
        shard_size: photos per shard, the same on every machine.
        patience: seconds after which the share of another that gives no sign is taken over.

    Raises:
        UsageError: the shards are of another extraction, or for other photos.
        SolarError: there is no photo, or a store cannot be read or written.
    """
    work = join_work(to, extractor.extraction, photos, exclude, shard_size)
    shards, leases = work.shards, Leases(work.shards.store, patience)
    chance, described, failed = np.random.default_rng(), 0, list[str]()
    while True:
        there = {each.name: each for each in shards.store.list()}
        leases.look(there)
        missing = [n for n in range(shards.count) if shards.name(n) not in there]
        done = shards.photos - sum(map(shards.size_of, missing))
        if progress:
            progress(done, shards.photos)
        if not missing:
            return WorkReport(shards.photos, described, tuple(failed), work.notes)
        free = [n for n in missing if not leases.held(shards.name(n))]
        listed, before = time.monotonic(), described
        for shard in chance.permutation(free).tolist():
            if time.monotonic() - listed > patience:
                break
            if not leases.take(shards.name(shard)):
                continue
            with leases.holding(shards.name(shard)) as moved:
                told = _within(progress, done, shards.photos, moved)
                said = describe_shard(work, shard, extractor, photos, told)
            if said is not None:
                failed += [failure.reason for failure in said.failed]
                described += shards.size_of(shard) - len(said.failed)
                done += shards.size_of(shard)
        if described == before:
            time.sleep(min(patience / 4, 5))


def _within(
    progress: Progress | None, before: int, total: int, moved: Callable[[], None]
) -> Progress:
    """Progress of a shard as progress of all, which keeps the shard's lease."""

    def told(done: int, _: int) -> None:
        moved()
        if progress:
            progress(min(before + done, total), total)

    return told


def describe_shard(
    work: Work,
    shard: int,
    extractor: Extractor,
    roots: Sequence[AnyPath],
    progress: Progress | None = None,
) -> Said | None:
    """Describe the photos of a shard, and put it; None if somebody has put it meanwhile.

    Args:
        work: of which it is a share.
        shard: its number.
        extractor: what describes them.
        roots: where the photos are, as this machine calls it.
        progress: called with the shard's photos done and in all.

    Raises:
        SolarError: a store cannot be read: then others may try.
    """
    shards, read = work.shards, opened(work, shard, roots)
    if shards.store.stat(shards.name(shard)) is not None:
        return None
    photos = cast("Sequence[Photo]", read)
    found = collect(extractor, photos, progress=progress)
    for photo in read:
        if photo.trouble is not None:
            raise photo.trouble
    files = [(photo.sha256, photo.size) for photo in read]
    said = Said(failures_of(found, photos, shard * shards.shard_size), files)
    write_shard(shards, shard, found.descriptors, said)
    return said
