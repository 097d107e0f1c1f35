"""Exact search of many descriptors: by index kind, against np.dot with a full sort, in one run.

The published procedure keeps all descriptors in memory as float32, multiplies them with the queries
and sorts all products. Each way runs in a process of its own, which reports its fastest seconds and
its peak memory, beside what the machine could do at most: reading all float16 rows once, or all
products at the speed of a large matrix product.

    python -m benchmarks.search FOLDER [--rows 1000000] [--dimensions 512] [--dimensions 2048]

FOLDER receives the generated descriptors, 6 bytes a number (3.1 GB for a million of 512, 12.3 GB of
2048), and keeps them for the next run; whoever measures has as much memory free.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.limits import bandwidth, fastest, machine, matrix_peak
from solar.files.memory import peak_memory
from solar.index.vectors import KINDS

Floats = NDArray[np.float32]
BLOCK, NUMBER, A_CLUSTER = 20_000, 1, 50
TOP, MANY = 100, 70
PUBLISHED = "published: np.dot, argsort"
EXACT = ("exact", "float16")  # the other kinds are in `benchmarks.kinds`


def main() -> None:
    """Read the options, print the machine and a table for each number of dimensions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, action="append")
    parser.add_argument("--generate", action="store_true", help="and measure nothing")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    given = parser.parse_args()
    sizes = given.dimensions or [512, 2048]
    if given.way:
        print(json.dumps(measure(given.folder, given.rows, sizes[0], given.way)))
        return
    for dimensions in sizes:
        generate(given.folder, given.rows, dimensions)
    if not given.generate:
        print(report(given.folder, given.rows, sizes))


def report(folder: Path, rows: int, sizes: list[int]) -> str:
    """Markdown: the machine, its limits, and a table of all ways for each number of dimensions."""
    peak, speed = matrix_peak(), bandwidth()
    limits = f"float32 products {peak / 1e9:.0f} GFLOPS, reading {speed / 1e9:.1f} GB/s"
    return "\n\n".join(
        [f"{machine()}; {limits}", *(table(folder, rows, each, peak, speed) for each in sizes)]
    )


def table(folder: Path, rows: int, dimensions: int, peak: float, speed: float) -> str:
    """Markdown: each way's time for one and for many queries, as ratios and beside the limits.

    Args:
        folder: with generated descriptors.
        rows: how many.
        dimensions: of each.
        peak: operations a second, see `limits.matrix_peak`.
        speed: bytes a second, see `limits.bandwidth`.
    """
    reading = 2 * rows * dimensions / speed
    multiplying = 2 * MANY * rows * dimensions / peak
    lines = [
        f"{rows:,} x {dimensions}, top {TOP}: reading float16 rows takes {1000 * reading:.0f} ms, "
        f"products with {MANY} queries {1000 * multiplying:.0f} ms",
        "",
        f"| way | first, ms | one, ms | ratio | of limit | {MANY}, ms | ratio | of limit | MB "
        "| same order |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    base: dict[str, float] = {}
    for way in (PUBLISHED, *EXACT):
        size = ["--rows", str(rows), "--dimensions", str(dimensions)]
        command = [sys.executable, "-m", "benchmarks.search", str(folder), *size, "--way", way]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)  # noqa: S603
        found = json.loads(done.stdout)
        base = base or found
        lines.append(
            f"| {way} | {1000 * found['first']:.0f} "
            f"| {1000 * found['one']:.1f} | {base['one'] / found['one']:.2f} "
            f"| {reading / found['one']:.2f} "
            f"| {1000 * found['many']:.0f} | {base['many'] / found['many']:.2f} "
            f"| {multiplying / found['many']:.2f} "
            f"| {found['megabytes']:.0f} | {found['same']} of {MANY} |"
        )
    return "\n".join(lines)


def measure(folder: Path, rows: int, dimensions: int, way: str) -> dict[str, float]:
    """Seconds of one search, of the first and of many queries; peak memory; rankings as published.

    Rankings count as the same if they hold the same rows in the same order.
    """
    kept = folder_of(folder, rows, dimensions)
    queries = np.load(kept / "queries.npy")
    open_way = published if way == PUBLISHED else _kind(way)
    search = open_way(kept, rows, dimensions)
    began = time.perf_counter()
    search(queries[:1])
    first = time.perf_counter() - began
    one = fastest(lambda: search(queries[1:2]), 7)
    answers: list[NDArray[np.int64]] = []
    many = fastest(lambda: answers.append(search(queries)), 1 if way == PUBLISHED else 3)
    file = kept / "published.npy"
    if way == PUBLISHED:
        np.save(file, answers[0])
    return {
        "first": first,
        "one": one,
        "many": many,
        "megabytes": (peak_memory() or 0) / (1 << 20),
        "same": int((answers[0] == np.load(file)).all(axis=1).sum()),
    }


Search = Callable[[Floats], NDArray[np.int64]]


def published(kept: Path, rows: int, dimensions: int) -> Search:
    """All products and a full sort, as published evaluation code does it."""
    file = KINDS["exact"].files(kept, NUMBER)[0]
    matrix = np.fromfile(file, np.float32).reshape(rows, dimensions)

    def search(queries: Floats) -> NDArray[np.int64]:
        products = np.dot(matrix, queries.T)
        ranks: NDArray[np.int64] = np.argsort(-products, axis=0)
        return np.ascontiguousarray(ranks[:TOP].T)

    return search


def _kind(name: str) -> Callable[[Path, int, int], Search]:
    def opened(kept: Path, rows: int, dimensions: int) -> Search:
        for file in KINDS[name].files(kept, NUMBER):  # Into the system's cache.
            with file.open("rb") as data:
                while data.read(1 << 24):
                    pass
        vectors = KINDS[name].open(kept, NUMBER, dimensions, rows)
        owners = np.arange(rows)
        return lambda queries: vectors.search(queries, owners, TOP)[1]

    return opened


def folder_of(folder: Path, rows: int, dimensions: int) -> Path:
    """Where the descriptors of a size are kept."""
    return folder / f"{rows}x{dimensions}"


def generate(folder: Path, rows: int, dimensions: int) -> None:
    """Write clustered unit rows, and queries near some of them, if they are not there.

    The file of kind `float16` is the float16 copy of kind `exact`.
    """
    kept = folder_of(folder, rows, dimensions)
    if (kept / "queries.npy").exists():
        return
    kept.mkdir(parents=True, exist_ok=True)
    writer = KINDS["exact"].write(kept, NUMBER, dimensions)
    for start in range(0, rows, BLOCK):
        size = min(BLOCK, rows - start)
        writer.write(start, clustered(np.random.default_rng(start), size, dimensions))
    writer.close()
    chance = np.random.default_rng(rows)
    near = clustered(np.random.default_rng(0), BLOCK, dimensions)[:: BLOCK // MANY][:MANY]
    np.save(kept / "queries.npy", unit(near + noise(chance, MANY, dimensions)))


def clustered(chance: np.random.Generator, rows: int, dimensions: int) -> Floats:
    """Unit rows, some tens of which lie around one middle, and all a little to one side."""
    middles = noise(chance, -(-rows // A_CLUSTER), dimensions)
    middles[:, : dimensions // 16] += 0.5 * (16 / dimensions) ** 0.5
    found = middles[chance.integers(0, len(middles), rows)] + noise(chance, rows, dimensions)
    return unit(found)


def noise(chance: np.random.Generator, rows: int, dimensions: int) -> Floats:
    """Rows of length about 1 in all directions."""
    found: Floats = chance.standard_normal((rows, dimensions), np.float32)
    found /= dimensions**0.5
    return found


def unit(rows: Floats) -> Floats:
    """Rows divided by their lengths."""
    scaled: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled


if __name__ == "__main__":
    main()
