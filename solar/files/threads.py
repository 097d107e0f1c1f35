"""Threads that read files, of which Ctrl-C waits for no more than what is in work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def threads(count: int | None = None) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads; whatever ends the work inside drops what waits in the queue.

    Args:
        count: how many; None for one of each processor.
    """
    pool = ThreadPoolExecutor(count or os.cpu_count() or 1)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
