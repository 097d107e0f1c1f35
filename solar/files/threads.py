"""Threads, of which Ctrl-C waits for no more than what is in work, and how many cores there are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

_LIMIT = Path("/sys/fs/cgroup/cpu.max")


@contextmanager
def threads(count: int | None = None) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads; whatever ends the work inside drops what waits in the queue.

    Args:
        count: how many; None for one of each core.
    """
    pool = ThreadPoolExecutor(count or cores())
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def cores() -> int:
    """How many cores this process may use: those that it is bound to, and its container's share."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), _share())
    return os.cpu_count() or 1


@cache
def _share() -> int:
    """Of time, in whole cores, that Linux grants this container; a large number for all of it."""
    with suppress(OSError, ValueError):  # no such limit, or "max"
        granted, of = _LIMIT.read_text().split()
        return max(1, -(-int(granted) // int(of)))
    return 1 << 16
