"""What this machine can do at most: operations and bytes a second, to put measurements beside.

Of several runs the fastest counts: what else a machine does only ever slows it down.

    python benchmarks/limits.py
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import numpy as np

from solar.files.threads import cores

_REPEATS = 5


def main() -> None:
    """Print them."""
    print(machine())
    print(
        f"\nfloat32 matrix product {matrix_peak() / 1e9:.0f} GFLOPS, "
        f"reading {bandwidth() / 1e9:.1f} GB/s"
    )


def machine() -> str:
    """One line: processor, cores, memory, system, NumPy and the date."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    features = [name for name in ("f16c", "avx2", "avx512f", "avx512_bf16") if name in _flags()]
    return (
        f"{_processor()}, {cores()} cores ({', '.join(features)}), {memory:.0f} GB, "
        f"{platform.system()}, Python {platform.python_version()}, NumPy {version('numpy')}, "
        f"{datetime.now(timezone.utc):%Y-%m-%d}"
    )


def matrix_peak(side: int = 4096) -> float:
    """Operations a second of a large product of float32 matrices by NumPy, with all cores."""
    chance = np.random.default_rng(0)
    left, right = chance.random((2, side, side), np.float32)
    product = np.empty_like(left)
    return 2 * side**3 / fastest(lambda: np.matmul(left, right, out=product))


def bandwidth(size: int = 1 << 30) -> float:
    """Bytes a second that are read from memory, by as many threads as read most."""
    words = np.ones(size // 8, np.uint64)
    found = []
    for threads in {1, cores()}:
        parts = np.array_split(words, threads)
        with ThreadPoolExecutor(threads) as pool:
            found.append(words.nbytes / fastest(lambda: list(pool.map(np.max, parts))))  # noqa: B023
    return max(found)


def fastest(work: Callable[[], object], repeats: int = _REPEATS) -> float:
    """The seconds of the fastest of some runs, after one that does not count."""
    work()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def _processor() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _flags() -> list[str]:
    return _cpuinfo("flags").split()


def _cpuinfo(field: str) -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    found = [line.partition(":")[2].strip() for line in lines if line.startswith(field)]
    return found[0] if found else ""


if __name__ == "__main__":
    main()
