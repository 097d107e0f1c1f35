"""Describing photos as a pipeline of Ray Data, on the machines of a cluster (extra `ray`).

Shards, list and settings are those of workers without Ray, so that either goes on with what the
other has begun. Ray hands out shards, and hands those of a lost worker to another.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np

from solar.errors import MissingPackage, SolarError, how_to_install
from solar.extraction.extractor import Extractor, open_extractor
from solar.extraction.shards import open_shards
from solar.extraction.work import Work, join_work, open_work
from solar.extraction.workers import SHARD_SIZE, WorkReport, describe_shard
from solar.files.stores import is_address, local_path
from solar.files.threads import cores
from solar.typing import AnyPath, Progress

_OF_RAY = 2  # Logical processors that its own tasks need, or they wait for ever.


def describe_with_ray(
    settings: Mapping[str, Any],
    photos: Sequence[AnyPath],
    to: AnyPath,
    progress: Progress | None = None,
    *,
    workers: int = 2,
    exclude: Sequence[str] = (),
    shard_size: int = SHARD_SIZE,
    cpus: float = 1,
    gpus: float = 0,
) -> WorkReport:
    """Describe photos into shards by workers on a Ray cluster; see `describe_together`.

    Args:
        settings: what each worker gives to `open_extractor`.
        photos: folders, addresses and photos, as all machines of the cluster see them.
        to: a folder or an address that all of them see.
        progress: called with the photos that are done, and in all.
        workers: how many.
        exclude: patterns of what to leave out, beside the usual.
        shard_size: photos per shard.
        cpus: logical processors that each worker takes of the cluster.
        gpus: graphics processors that each takes.

    Returns:
        What became of the photos; `described` counts those of this run.

    Raises:
        MissingPackage: Ray is not installed.
        UsageError: the shards are of another extraction, or for other photos.
        SolarError: there is no photo, a store cannot be used, or shards are missing at the end.
    """
    data, ray = _ray(workers * cpus)
    photos, to = [_everywhere(each) for each in photos], _everywhere(to)
    made = open_extractor(**settings).extraction
    work = join_work(to, made, photos, exclude, shard_size)
    missing, total = work.shards.missing(), work.shards.photos
    done = total - sum(map(work.shards.size_of, missing))
    if progress:
        progress(done, total)
    described, failed = 0, list[str]()
    if missing:
        items = [{"shard": shard} for shard in missing]
        results = data.from_items(items, override_num_blocks=len(items)).map_batches(
            _Worker,
            fn_constructor_args=(dict(settings), photos, to),
            batch_size=1,
            compute=data.ActorPoolStrategy(size=min(workers, len(items))),
            num_cpus=cpus,
            num_gpus=gpus,
        )
        try:
            for row in results.iter_rows():
                described += int(row["described"])
                failed += row["failed"].split("\n") if row["failed"] else []
                done += work.shards.size_of(int(row["shard"]))
                if progress:
                    progress(done, total)
        except ray.exceptions.RayError as error:
            raise SolarError(
                f"Ray: {str(error).splitlines()[0]:.200}: run the same again"
            ) from error
    open_shards(to).rows()
    return WorkReport(total, described, tuple(failed), work.notes)


class _Worker:
    """What a worker of Ray keeps between shards: its extractor, and the list of photos."""

    def __init__(self, settings: Mapping[str, Any], photos: Sequence[str], to: AnyPath) -> None:
        """Open both."""
        self._extractor: Extractor = open_extractor(**settings)
        self._photos, self._work = photos, open_work(to)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Describe the shards of a batch, unless they are there."""
        work: Work = self._work
        found: dict[str, list[Any]] = {"shard": [], "described": [], "failed": []}
        for shard in np.asarray(batch["shard"]).tolist():
            said = describe_shard(work, shard, self._extractor, self._photos)
            failures = [] if said is None else said.failed
            count = 0 if said is None else work.shards.size_of(shard) - len(failures)
            found["shard"].append(shard)
            found["described"].append(count)
            found["failed"].append("\n".join(failure.reason for failure in failures))
        return {name: np.array(values) for name, values in found.items()}


def _everywhere(place: AnyPath) -> str:
    """A place by a name that holds in any folder."""
    return os.fspath(place) if is_address(place) else str(local_path(place).absolute())


def _ray(processors: float) -> tuple[Any, Any]:
    """Ray Data and Ray, started here unless a cluster is named; nothing is told to its makers.

    Args:
        processors: that the workers take; logical ones, so that there may be more than real ones.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingPackage(f"this needs ray: {how_to_install('ray')}") from error
    if not ray.is_initialized():
        here: dict[str, Any] = {"include_dashboard": False}
        if "RAY_ADDRESS" not in os.environ:
            here["num_cpus"] = max(cores(), ceil(processors)) + _OF_RAY
        ray.init(configure_logging=False, log_to_driver=False, **here)
    return ray.data, ray
