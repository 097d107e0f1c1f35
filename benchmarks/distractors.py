"""mAP among a million distractors: one pass of blocks against the published way, in one run.

    python benchmarks/distractors.py FOLDER

FOLDER receives the generated data, 4.1 GB for the default million, and keeps it for the next run.
The published way (np.dot of the whole matrix in float32, then argsort) needs 10 GB of memory.
Each way runs in a process of its own, which reports its seconds and its peak memory; on a busy
machine compare CPU seconds, with OPENBLAS_NUM_THREADS=1 so that waiting threads do not count.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solar.datasets.ground_truth import GroundTruth, read
from solar.evaluation import revisited
from solar.evaluation.retrieval import rank
from solar.evaluation.retrieval.metrics import Score, score_rankings
from solar.extraction import Extraction
from solar.extraction.shard import Said, on_grid
from solar.extraction.shards import create_shards, open_shards, write_shard
from solar.files.memory import peak_memory

DATABASE, QUERIES, LABELLED, SHARD = 6322, 70, 300, 4096


@dataclass
class Measured:
    """What one way's process reports."""

    way: str
    seconds: float
    cpu_seconds: float
    megabytes: float
    map: list[float]
    ap: list[list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=1_001_001)
    parser.add_argument("--dimensions", type=int, default=2048)
    parser.add_argument("--way", choices=WAYS, help="run this way only, here (for the processes)")
    options = parser.parse_args()
    if options.way:
        print(json.dumps(asdict(measure(options.way, options.folder))))
        return
    generate(options.folder, options.count, options.dimensions)
    command = [sys.executable, __file__, str(options.folder), "--way"]
    found = []
    for way in WAYS:
        read_once(options.folder)
        output = subprocess.run([*command, way], check=True, stdout=subprocess.PIPE).stdout  # noqa: S603
        found.append(Measured(**json.loads(output)))
    print(f"{options.count:,} distractors + {DATABASE} x {options.dimensions} float16,", end=" ")
    print(f"{QUERIES} queries\n\n{table(found)}")


def table(found: Sequence[Measured]) -> str:
    base = found[0]
    lines = [
        "| way | seconds | CPU seconds | peak MB | CPU ratio | max AP, mAP difference |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in found:
        ap = np.abs(np.subtract(row.ap, base.ap)).max()
        mean = np.abs(np.subtract(row.map, base.map)).max()
        lines.append(
            f"| {row.way} | {row.seconds:.1f} | {row.cpu_seconds:.1f} | {row.megabytes:.0f} "
            f"| {row.cpu_seconds / base.cpu_seconds:.2f} | {ap:.1e}, {mean:.1e} |"
        )
    maps = ", ".join(f"{100 * value:.4f}" for value in base.map)
    return "\n".join([*lines, "", f"mAP easy, medium, hard: {maps}"])


def measure(way: str, folder: Path) -> Measured:
    started = time.perf_counter()
    found = WAYS[way](folder)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Measured(
        way=way,
        seconds=time.perf_counter() - started,
        cpu_seconds=used.ru_utime + used.ru_stime,
        megabytes=(peak_memory() or 0) / 1e6,
        map=[score.map for score in found.values()],
        ap=[score.ap.tolist() for score in found.values()],
    )


def in_blocks(folder: Path) -> dict[str, Score]:
    truth, queries, database = load(folder)
    labelled = [query.labelled for query in truth.queries]
    found = rank(queries, database, labelled, open_shards(folder / "shards").blocks())
    return score_rankings(found, truth.queries)


def as_published(folder: Path) -> dict[str, Score]:
    truth, queries, database = load(folder)
    shards = open_shards(folder / "shards")
    vectors = np.empty((len(database) + shards.rows(), database.shape[1]), np.float32)
    vectors[: len(database)] = database
    start = len(database)
    for block in shards.blocks():
        vectors[start : start + len(block)] = block
        start += len(block)
    products = np.dot(vectors, queries.T)
    ranks = np.argsort(-products, axis=0)
    return revisited.evaluate(ranks.T, truth)


def sorted_in_full(folder: Path) -> dict[str, Score]:
    truth, queries, database = load(folder)
    blocks = [database, *open_shards(folder / "shards").blocks()]
    products = [queries.astype(np.float64) @ block.astype(np.float64).T for block in blocks]
    ranks = np.argsort(-np.concatenate(products, axis=1), axis=1, kind="stable")
    return revisited.evaluate(ranks, truth)


WAYS: dict[str, Callable[[Path], dict[str, Score]]] = {
    "Solar: one pass of blocks": in_blocks,
    "published: np.dot in float32, argsort": as_published,
    "np.dot in float64, stable argsort": sorted_in_full,
}


def load(folder: Path) -> tuple[GroundTruth, NDArray[np.float32], NDArray[np.float16]]:
    truth = read(folder / "gnd_generated.json")
    return truth, np.load(folder / "queries.npy"), np.load(folder / "database.npy")


def read_once(folder: Path) -> None:
    """Every way finds the files in the system's cache, as far as it has room."""
    for path in sorted((folder / "shards").glob("*.npy")):
        with path.open("rb") as file:
            while file.read(1 << 24):
                pass


def generate(folder: Path, count: int, dimensions: int) -> None:
    """Random distractors; positives lean towards their query, the hard ones less."""
    extraction = Extraction("generated", "0" * 64, dimensions, 1024, (1.0,))
    numbers = [f"{n}" for n in range(count)]
    shards = create_shards(folder / "shards", extraction, numbers, SHARD, "float16")
    for shard in shards.missing():
        rows = min(SHARD, count - shard * SHARD)
        made = unit(np.random.default_rng(shard), rows, dimensions)
        write_shard(shards, shard, made, Said([]))
    rng = np.random.default_rng(2**32)
    queries, database = unit(rng, QUERIES, dimensions), unit(rng, DATABASE, dimensions)
    gnd = []
    for query in queries:
        chosen = rng.choice(DATABASE, LABELLED, replace=False)
        easy, hard, junk = np.split(chosen, [LABELLED // 3, 2 * LABELLED // 3])
        for labelled, most in ((easy, 0.25), (hard, 0.1)):
            lean = rng.uniform(0, most, (len(labelled), 1)).astype(np.float32)
            database[labelled] += lean * query
        gnd.append({"easy": easy.tolist(), "hard": hard.tolist(), "junk": junk.tolist()})
    database /= np.linalg.norm(database, axis=1, keepdims=True)
    np.save(folder / "queries.npy", on_grid(queries).astype(np.float32))
    np.save(folder / "database.npy", database.astype(np.float16))
    names = {
        "imlist": [f"d{n}" for n in range(DATABASE)],
        "qimlist": [f"q{n}" for n in range(QUERIES)],
    }
    (folder / "gnd_generated.json").write_text(json.dumps({**names, "gnd": gnd}))


def unit(rng: np.random.Generator, rows: int, dimensions: int) -> NDArray[np.float32]:
    matrix = rng.standard_normal((rows, dimensions), np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    return matrix


if __name__ == "__main__":
    main()
