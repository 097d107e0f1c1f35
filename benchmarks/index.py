"""How long an index takes to open, to grow and to be searched, and how many bytes it has.

    python benchmarks/index.py FOLDER [--rows 20000] [--rows 1000000] [--kind exact]

FOLDER receives an index of generated descriptors for each number of rows (2.3 GB for a million) and
is left there. Every step runs in a process of its own, so that "open" is a first one. Photos are
named as in a collection of a thousand folders; there are no files, so nothing is decoded.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from solar.extraction import Extraction
from solar.files.memory import peak_memory
from solar.index import Index
from solar.index.vectors import KINDS
from solar.typing import Descriptors

EXTRACTION = Extraction("generated", hashlib.sha256(b"generated").hexdigest(), 512, 1024, (1.0,))
BLOCK = 50_000


class Generated:
    """An extractor that is never asked for anything."""

    extraction = EXTRACTION

    def describe(self, photos: object, boxes: object = None) -> object:
        """Nothing."""
        raise NotImplementedError


def rows(seed: int, count: int) -> Descriptors:
    chance = np.random.default_rng(seed)
    found = chance.standard_normal((count, EXTRACTION.dimensions), np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def names(start: int, count: int) -> list[str]:
    return [f"{n // 1000:04d}/IMG_{n:08d}.jpg" for n in range(start, start + count)]


def fill(folder: Path, count: int, kind: str) -> dict[str, float]:
    index = Index.create(folder, Generated(), kind=kind, local=None)  # type: ignore[arg-type]
    spent = 0.0
    for start in range(0, count, BLOCK):
        size = min(BLOCK, count - start)
        new, called = rows(start, size), names(start, size)
        began = time.perf_counter()
        index.add_descriptors(called, new, EXTRACTION)
        spent += time.perf_counter() - began
    sizes = Counter[str]()
    for file in folder.iterdir():
        if file.name != "lock":
            sizes[file.name.split("-")[0]] += file.stat().st_size
    each = {f"{name}_bytes_a_row": size / count for name, size in sizes.items() if size}
    return {"rows_a_second": count / spent, **each}


def use(folder: Path, count: int, _: str) -> dict[str, float]:
    began = time.perf_counter()
    index = Index.open(folder)
    assert len(index) >= count
    opened = time.perf_counter() - began
    megabytes = (peak_memory() or 0) / 1e6
    queries = rows(7, 64)
    began = time.perf_counter()
    index.search_descriptors(queries[:1], EXTRACTION)
    first = time.perf_counter() - began
    single = []
    for query in queries[1:21]:
        began = time.perf_counter()
        index.search_descriptors(query[None], EXTRACTION)
        single.append(time.perf_counter() - began)
    began = time.perf_counter()
    index.search_descriptors(queries[32:], EXTRACTION)
    many = time.perf_counter() - began
    return {
        "open_seconds": opened,
        "open_megabytes": megabytes,
        "first_search_seconds": first,
        "search_seconds": float(np.median(single)),
        "search_of_32_seconds": many,
    }


def grow(folder: Path, count: int, _: str) -> dict[str, float]:
    index, replica = Index.open(folder), Index.open(folder)
    replica.search_descriptors(rows(7, 1), EXTRACTION)
    new, called = rows(count, 1000), names(count, 1000)
    began = time.perf_counter()
    index.add_descriptors(called, new, EXTRACTION)
    added = time.perf_counter() - began
    began = time.perf_counter()
    replica.refresh()
    replica.search_descriptors(new[:1], EXTRACTION)
    seen = time.perf_counter() - began
    began = time.perf_counter()
    index.remove(range(count, count + 1000))
    removed = time.perf_counter() - began
    return {"add_1000_seconds": added, "refresh_and_search_seconds": seen, "remove_1000": removed}


def care(folder: Path, count: int, _: str) -> dict[str, float]:
    index = Index.open(folder)
    began = time.perf_counter()
    assert index.verify() == []
    verified = time.perf_counter() - began
    began = time.perf_counter()
    index.compact()
    return {"verify_seconds": verified, "compact_seconds": time.perf_counter() - began}


STEPS = {step.__name__: step for step in (fill, use, grow, care)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, action="append")
    parser.add_argument("--kind", choices=list(KINDS), default="exact")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    for count in given.rows or [20_000, 1_000_000]:
        place = given.folder / f"{count}-{given.kind}.index"
        if given.step:
            sys.stdout.write(json.dumps(STEPS[given.step](place, count, given.kind)))
            continue
        for step in STEPS:
            command = [sys.executable, __file__, str(given.folder), "--rows", str(count)]
            command += ["--kind", given.kind]
            done = subprocess.run(  # noqa: S603
                [*command, "--step", step], check=True, capture_output=True, text=True
            )
            for name, value in json.loads(done.stdout).items():
                sys.stdout.write(f"{count:>9} {name:<28} {value:12.4f}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
