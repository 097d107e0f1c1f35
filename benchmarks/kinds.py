"""Kinds of vectors beside exact search in one run: bytes, building, queries a second, recall.

    python -m benchmarks.kinds FOLDER [--rows 1000000] [--kind ivf-rabitq] [--real DESCRIPTORS.npz]

FOLDER receives generated descriptors and an index of each kind (8 GB for a million of 512 numbers),
and keeps them and what was measured, so that a run goes on where another stopped; `--step` does one
part of it. Every step is a process of its own. Photos of a place are near each other, places of one
sort a little, and directions are not equally likely; how far, was set by real descriptors: `--real`
shows the cosines of both to their neighbours, in a file that `solar describe` wrote.

`--kind milvus` is for a server that SOLAR_MILVUS_URI names, with the index of SOLAR_MILVUS_INDEX;
its seconds are those of a clock, since another process works.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.limits import machine
from solar.files.memory import peak_memory
from solar.index.vectors import KINDS, Vectors
from solar.index.vectors._remote import SETTLED
from solar.index.vectors.listed import Effort, Listed, ListedVectors

Floats = NDArray[np.float32]
BLOCK, NUMBER = 20_000, 1
QUERIES, TOP, MANY, NEAR = 100, 100, 32, 0.5
A_PLACE, A_SORT = 10, 30  # Photos of a place, places of a sort, on average.
NEAREST = (1, 2, 5, 10, 30, 100)
STEPS = ("rows", "truth", "write", "learn", "code", "search", "grow")
MORE, PART = 10_000, 500_000


def main() -> None:
    """Read the options, do all steps that are not done, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, default=512)
    parser.add_argument("--kind", action="append", choices=list(KINDS))
    parser.add_argument("--step", choices=STEPS)
    parser.add_argument("--real", type=Path, action="append", default=[])
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.real:
        print(neighbours([Path(file) for file in given.real]))
        return
    kept = given.folder / f"kinds-{given.rows}x{given.dimensions}"
    kept.mkdir(parents=True, exist_ok=True)
    run = Run(kept, given.rows, given.dimensions)
    kinds = given.kind or [name for name in KINDS if name != "milvus"]
    if given.here:
        getattr(run, given.step)(kinds[0])
        return
    steps = [(kind, given.step) for kind in kinds] if given.step else run.waiting(kinds)
    size = ["--rows", str(given.rows), "--dimensions", str(given.dimensions)]
    for kind, step in steps:
        command = [sys.executable, "-m", "benchmarks.kinds", str(given.folder), *size]
        asked = ["--kind", kind, "--step", step, "--here"]
        subprocess.run([*command, *asked], check=True)  # noqa: S603
    if not given.step:
        run.now(kinds[0])
        print(run.table(list(KINDS)))


class Run:
    """What was generated, built and measured of one size."""

    def __init__(self, kept: Path, rows: int, dimensions: int) -> None:
        """Go on where another run stopped."""
        self.kept, self.count, self.dimensions = kept, rows, dimensions
        self._file = kept / "measured.json"
        self.measured = json.loads(self._file.read_text()) if self._file.exists() else {}

    def waiting(self, kinds: list[str]) -> Iterator[tuple[str, str]]:
        """Steps that are not done, in their order."""
        for step in ("rows", "truth"):
            if "float16" not in self.measured or step not in self.measured["float16"]:
                yield "float16", step
        for kind in kinds:
            steps = ("write", "learn") if isinstance(KINDS[kind], Listed) else ("write",)
            for step in steps:
                if step not in self.measured.get(kind, {}):
                    yield kind, step
            while isinstance(KINDS[kind], Listed) and "coded" not in self.now(kind):
                yield kind, "code"
            for step in ("search", "grow"):
                if step not in self.now(kind):
                    yield kind, step

    def now(self, kind: str) -> dict[str, Any]:
        """What other processes have measured meanwhile."""
        self.measured = json.loads(self._file.read_text())
        found: dict[str, Any] = self.measured.get(kind, {})
        return found

    def _keep(self, kind: str, step: str, found: object) -> None:
        self.measured.setdefault(kind, {})[step] = found
        self._file.write_text(json.dumps(self.measured, indent=1))

    def rows(self, kind: str) -> None:
        """Generate: a block after the other, and queries that are none of them."""
        made = Made(self.count, self.dimensions)
        source = self.kept / "source.f16"
        with source.open("wb") as file:
            for start in range(0, self.count, BLOCK):
                file.write(made.block(start, min(BLOCK, self.count - start)).astype("<f2").data)
        np.save(self.kept / "queries.npy", made.block(self.count, QUERIES))
        self._keep(kind, "rows", source.stat().st_size)

    def _source(self) -> Iterator[tuple[int, Floats]]:
        source = np.memmap(self.kept / "source.f16", "<f2", "r", 0, (self.count, self.dimensions))
        for start in range(0, self.count, BLOCK):
            yield start, unit(source[start : start + BLOCK].astype(np.float32))

    def truth(self, kind: str) -> None:
        """What comparing all finds, in single precision."""
        queries = np.load(self.kept / "queries.npy")
        best = np.full((QUERIES, TOP), -2, np.float32)
        ids = np.zeros((QUERIES, TOP), np.int64)
        for start, rows in self._source():
            scores = np.concatenate([best, queries @ rows.T], axis=1)
            named = np.broadcast_to(np.arange(start, start + len(rows)), (QUERIES, len(rows)))
            named = np.concatenate([ids, named], axis=1)
            order = np.argsort(-scores, axis=1)[:, :TOP]
            best, ids = (np.take_along_axis(each, order, 1) for each in (scores, named))
        np.save(self.kept / "truth.npy", ids)
        self._keep(kind, "truth", float(best[:, 0].mean()))

    def _timed(self, kind: str, step: str, work: Callable[[], object]) -> None:
        # Other work on the machine counts for less in a processor's time.
        clock = time.perf_counter if kind == "milvus" else time.process_time
        began = clock()
        work()
        seconds = clock() - began
        self._keep(kind, step, {"seconds": seconds, "megabytes": (peak_memory() or 0) / 1e6})

    def write(self, kind: str) -> None:
        """Put all rows into vectors of a kind, as commits do."""
        folder = self.kept / kind
        folder.mkdir(exist_ok=True)
        writer = KINDS[kind].write(folder, NUMBER, self.dimensions)

        def work() -> None:
            for start, rows in self._source():
                writer.write(start, KINDS[kind].kept(rows))
            writer.sync()
            if kind == "milvus":
                KINDS[kind].arrange(folder, NUMBER, self.dimensions, self.count, unseen=True)

        self._timed(kind, "write", work)
        writer.close()

    def learn(self, kind: str) -> None:
        """Learn from a sample."""
        listed = KINDS[kind]
        assert isinstance(listed, Listed)
        given = self.kept / kind, NUMBER, self.dimensions, self.count
        self._timed(kind, "learn", lambda: listed.learn(*given))

    def code(self, kind: str) -> None:
        """Put rows into lists, the next part of them."""
        given = self.kept / kind, NUMBER, self.dimensions
        vectors = KINDS[kind].open(*given, self.count)
        before = self.measured[kind].get("code", {"seconds": 0.0})
        end = min(getattr(vectors, "listed", 0) + PART, self.count)
        self._timed(kind, "code", lambda: KINDS[kind].arrange(*given, end))
        coded = self.measured[kind]["code"]
        self._keep(kind, "code", {**coded, "seconds": coded["seconds"] + before["seconds"]})
        if end == self.count:
            self._keep(kind, "coded", end)

    def search(self, kind: str) -> None:
        """Open, search for one query and many, and compare with the truth."""
        before = peak_memory() or 0
        began = time.perf_counter()
        vectors = KINDS[kind].open(self.kept / kind, NUMBER, self.dimensions, self.count)
        found: dict[str, object] = {"open": time.perf_counter() - began}
        found["open_megabytes"] = ((peak_memory() or 0) - before) / 1e6
        owners, queries = np.arange(self.count), np.load(self.kept / "queries.npy")
        truth = np.load(self.kept / "truth.npy")
        began = time.perf_counter()
        vectors.search(queries[:1], owners, 10)
        found["first"] = time.perf_counter() - began
        if kind == "milvus":
            time.sleep(SETTLED)  # Until then each search waits for a tick of the server's clock.
        found["settings"] = [
            self._searched(vectors, queries, owners, truth, effort) for effort in efforts(vectors)
        ]
        found["megabytes"] = (peak_memory() or 0) / 1e6
        files = KINDS[kind].files(self.kept / kind, NUMBER)
        found["bytes"] = sum(file.stat().st_size for file in files) / self.count
        if kind == "milvus":
            found["bytes"] = KINDS[kind].row_bytes(self.dimensions)
        self._keep(kind, "search", found)

    def _searched(
        self, vectors: Vectors, queries: Floats, owners: NDArray[np.int64],
        truth: NDArray[np.int64], effort: Effort | None,
    ) -> dict[str, object]:  # fmt: skip
        if isinstance(vectors, ListedVectors) and effort is not None:
            vectors.effort = effort
            vectors.search(queries, owners, 10)  # Reads lists, once.
        single, few = [], 20 if effort is None else 50
        for query in queries[:few]:
            began = time.perf_counter()
            vectors.search(query[None], owners, 10)
            single.append(time.perf_counter() - began)
        many = []
        for _ in range(2 if effort is None else 5):
            began = time.perf_counter()
            vectors.search(queries[:MANY], owners, 10)
            many.append(time.perf_counter() - began)
        found = {top: vectors.search(queries, owners, top)[1] for top in (10, TOP)}
        shared = {
            f"recall_at_{top}": float(
                np.mean([np.isin(a, b[:top]).mean() for a, b in zip(ids, truth, strict=True)])
            )
            for top, ids in found.items()
        }
        rates = {"one": 1 / float(np.median(single)), "many": MANY / min(many)}
        true = vectors.read(truth[:, :10].ravel()).reshape(QUERIES, 10, -1)
        near = np.einsum("qd,qnd->qn", queries, true) >= NEAR
        missed = [~np.isin(a[:10], b) for a, b in zip(truth, found[10], strict=True)]
        shared["recall_near"] = 1 - float(np.stack(missed)[near].mean())
        return {"effort": effort, **rates, **shared}

    def grow(self, kind: str) -> None:
        """Add more rows to those that are there; what is there is not written again."""
        folder, count = self.kept / kind, self.count + MORE
        rows = Made(self.count, self.dimensions).block(self.count + QUERIES, MORE)
        writer = KINDS[kind].write(folder, NUMBER, self.dimensions)

        def work() -> None:
            writer.write(self.count, rows)
            writer.sync()
            KINDS[kind].arrange(folder, NUMBER, self.dimensions, count)

        self._timed(kind, "grow", work)
        writer.close()

    def table(self, kinds: list[str]) -> str:
        """Markdown: the machine, and a line for each kind and setting."""
        lines = [
            f"{machine()}; {self.count:,} x {self.dimensions}, {QUERIES} queries",
            "",
            f"| kind | lists, candidates | bytes a row | build; {MORE:,} more, processor s "
            f"| open, ms; MB | MB in all | queries/s, one | {MANY} at once | recall@10 | of these, "
            f"cosine {NEAR} and more | @100 |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        for kind in kinds:
            measured = self.measured.get(kind, {})
            if "search" not in measured:
                continue
            steps = [measured[step] for step in ("write", "learn", "code") if step in measured]
            build = sum(step["seconds"] for step in steps)
            found = measured["search"]
            grown = f"{measured['grow']['seconds']:.2f}" if "grow" in measured else "–"
            for each in found["settings"]:
                effort = "all" if each["effort"] is None else "{:,}, {:,}".format(*each["effort"])
                lines.append(
                    f"| {kind} | {effort} | {found['bytes']:,.0f} | {build:.0f}; {grown} "
                    f"| {1000 * found['open']:.0f}; {found['open_megabytes']:.0f} "
                    f"| {found['megabytes']:,.0f} | {each['one']:,.0f} | {each['many']:,.0f} "
                    f"| {each['recall_at_10']:.3f} | {each['recall_near']:.3f} "
                    f"| {each['recall_at_100']:.3f} |"
                )
        return "\n".join(lines)


def efforts(vectors: Vectors) -> list[Effort | None]:
    """Settings to measure: what a search does unless it is told otherwise, and others."""
    if not isinstance(vectors, ListedVectors) or vectors.trained is None:
        return [None]
    lists = len(vectors.trained.middles)
    if vectors.flat:
        return [Effort(lists, candidates) for candidates in (200, 1000)]
    others = [Effort(max(1, lists // part), some) for part in (32, 8, 2) for some in (100, 400)]
    return [vectors.effort, *others]


class Made:
    """Descriptors of generated places; a block is the same whenever it is asked for."""

    def __init__(self, count: int, dimensions: int) -> None:
        """Of so many photos."""
        chance = np.random.default_rng(count)
        self._dimensions = dimensions
        spread = (1 + np.arange(dimensions)) ** -0.3
        turn = np.linalg.qr(chance.standard_normal((dimensions, dimensions)))[0]
        self._turn = (spread[:, None] * turn / np.linalg.norm(spread)).astype(np.float32)
        self._places = max(1, count // A_PLACE)
        self._sorts = max(2, self._places // A_SORT)

    def _near(self, key: int, numbers: NDArray[np.int64]) -> Floats:
        """The same random row for the same number, before turning: (N, D)."""
        kept, where = np.unique(numbers, return_inverse=True)
        rows = np.stack(
            [
                np.random.default_rng((key, int(n))).standard_normal(self._dimensions, np.float32)
                for n in kept
            ]
        )
        return rows[where]

    def block(self, start: int, count: int) -> Floats:
        """Unit rows (count, D)."""
        chance = np.random.default_rng((7, start))
        places = (self._places * chance.random(count) ** 1.6).astype(np.int64)  # Some are popular.
        noise = chance.standard_normal((count, self._dimensions), np.float32)
        noise *= chance.lognormal(0.05, 0.5, (count, 1)).astype(np.float32)
        sorts = 0.45 * self._near(1, places % self._sorts)
        return unit((sorts + self._near(2, places) + noise) @ self._turn)


def neighbours(files: list[Path]) -> str:
    """Markdown: cosines to the nearest neighbours, of real descriptors and of as many made ones."""
    real = np.concatenate(
        [np.load(each)["descriptors"] if each.suffix == ".npz" else np.load(each) for each in files]
    )
    made = Made(*real.shape).block(0, len(real))
    lines = [
        f"{len(real):,} descriptors: cosine to a neighbour at quantiles 0.1, 0.5, 0.9",
        "",
        "| neighbour | real | made |",
        "| ---: | ---: | ---: |",
    ]
    found = []
    for rows in (real, made):
        scores = rows @ rows.T
        np.fill_diagonal(scores, -2)
        found.append(-np.sort(-scores, axis=1))
    for nearest in NEAREST:
        cells = [
            ", ".join(f"{q:.2f}" for q in np.quantile(each[:, nearest - 1], [0.1, 0.5, 0.9]))
            for each in found
        ]
        lines.append(f"| {nearest} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def unit(rows: Floats) -> Floats:
    """Rows divided by their lengths."""
    scaled: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled


if __name__ == "__main__":
    main()
