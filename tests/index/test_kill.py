"""A writer that is killed leaves the last commit, wherever it was.

``python -m tests.index.test_kill [KILLS] [SEED]`` kills 120 times, or as often as it is told.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from solar.index import Index
from solar.index.vectors import KINDS
from tests.index.bytes_extractor import EXTRACTION, BytesExtractor, describe_bytes
from tests.index.bytes_features import BytesFeatures, bytes_features
from tests.index.killed_writer import MODELS, PHOTOS
from tests.index.listing import found as search
from tests.index.listing import paths
from tests.index.vectors.test_congruence import EMBEDDED

REPOSITORY = Path(__file__).resolve().parents[2]
every_kind = pytest.mark.parametrize("kind", ["exact", "float16", "sq8"])  # each its own files


def files_of(kind: str) -> int:
    """How many an index with features has: its vectors', the catalogue, the features, the lock."""
    return len(KINDS[kind].files(Path(), 1)) + 3


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.index.killed_writer", *map(str, arguments)]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)


def contents(index: Index, candidates: set[str]) -> dict[str, tuple[str, int]]:
    """Of each path in the index, which of the candidate contents it was described with; its id."""
    ordered = sorted(candidates)
    queries = np.zeros((len(ordered), EXTRACTION.dimensions), np.float32)
    for row, text in enumerate(ordered):
        queries[row] = describe_bytes(text.encode())
    found: dict[str, tuple[str, int]] = {}
    for text, hits in zip(ordered, search(index, queries, 1), strict=True):
        for hit in hits:
            if hit.score > 0.99:  # Kinds that round; other contents are far from it.
                assert text.startswith(f"{hit.path} ")
                found[hit.path] = (text, hit.id)
    unknown = paths(index).keys() - found.keys()
    assert not unknown, f"described with no known content: {unknown}"
    return found


def featured(index: Index, held: dict[str, str]) -> set[str]:
    """The paths that have features, which must be those of the content that each is held with."""
    known = paths(index)
    found = dict(zip(known, index.features(known.values()), strict=True))
    for path, features in found.items():
        if features is not None:
            expected = bytes_features(held[path].encode())
            assert np.array_equal(features.rows(), expected.rows()), path
    return {path for path, features in found.items() if features is not None}


@dataclass
class Model:
    """What must be in the index, as far as the killed writers said."""

    contents: dict[str, str] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    owners: dict[int, str] = field(default_factory=dict)
    featured: dict[str, str] = field(default_factory=dict)
    interrupted: int = 0
    calls: Counter[str] = field(default_factory=Counter)

    def follow(self, lines: list[dict[str, Any]]) -> dict[str, Any] | None:
        """Take over what was done; returns the call that was begun and not done."""
        begun = None
        for line in lines:
            if "begin" in line:
                begun = line
            elif "done" in line and begun is not None:
                self.contents.update(begun.get("contents", {}))
                self.featured.update(begun.get("contents", {}))
                for path in begun.get("paths", []):
                    del self.contents[path]
                    self.ids.pop(path, None)
                    self.featured.pop(path, None)
                begun = None
        return begun

    def check(self, index: Index, begun: dict[str, Any] | None) -> None:
        """Compare, and take over what the begun call got done."""
        new: dict[str, str] = begun.get("contents", {}) if begun else {}
        removed = set(begun.get("paths", [])) if begun else set()
        found = contents(index, {*self.contents.values(), *new.values()})
        if removed and not removed & found.keys():
            self.contents = {p: c for p, c in self.contents.items() if p not in removed}
            self.ids = {p: i for p, i in self.ids.items() if p not in removed}
        assert self.contents.keys() <= found.keys() <= self.contents.keys() | new.keys()
        for path, (content, number) in found.items():
            assert content in (self.contents.get(path), new.get(path))
            assert self.ids.get(path, number) == number, "an id has changed"
            assert self.owners.setdefault(number, path) == path, "an id was used again"
            self.contents[path], self.ids[path] = content, number
        self.featured = {p: c for p, c in self.featured.items() if self.contents.get(p) == c}
        assert self.featured.keys() <= featured(index, self.contents), "features were lost"
        self.interrupted += begun is not None
        self.calls[begun["begin"] if begun else "between calls"] += 1


def kill(root: Path, kills: int, seed: int, kind: str = "exact") -> Model:
    """Kill writers at random moments, and check after each what they left.

    Args:
        root: an empty folder.
        kills: how many.
        seed: of the moments.
        kind: of the index's vectors.
    """
    folder, photos = root / "my.index", root / "photos"
    photos.mkdir()
    for number in range(PHOTOS):
        (photos / f"{number}.jpg").write_text(f"{photos / str(number)}.jpg as it was")
    Index.create(folder, BytesExtractor(), kind=kind, local=None)
    chance = np.random.default_rng(seed)
    model = Model()
    for turn in range(kills):
        process = start("loop", folder, photos, seed * 1000 + turn)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(chance.integers(1, 7))]
        time.sleep(chance.uniform(0, 0.05))
        process.kill()
        lines += process.stdout.read().splitlines(keepends=True)
        process.stdout.close()
        assert process.wait() != 0
        index = Index.open(folder, BytesExtractor())
        assert index.verify() == []
        model.check(index, model.follow([json.loads(line) for line in lines if line[-1] == "\n"]))
    return model


@pytest.mark.slow
@every_kind
def test_a_writer_killed_at_random_moments_leaves_the_last_commit(
    kind: str, tmp_path: Path
) -> None:
    model = kill(tmp_path, 10, 20, kind)
    assert model.interrupted >= 3  # They were killed in the middle of something.


def test_a_killed_run_does_not_describe_again_what_it_has_committed(tmp_path: Path) -> None:
    folder, photos = tmp_path / "my.index", tmp_path / "photos"
    photos.mkdir()
    for number in range(600):
        (photos / f"{number}.jpg").write_text(f"photo {number}")
    Index.create(folder, BytesExtractor(), local=None)
    process = start("hold", folder, photos)
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.communicate()
    describer = BytesExtractor()
    index = Index.open(folder, describer)
    assert len(index) >= 512
    before = paths(index)
    report = index.add(photos)
    assert report.unchanged == sorted(before)
    assert len(describer.described) == len(report.added) == 600 - len(before)
    assert before.items() <= paths(index).items()
    assert max(before.values()) < min(paths(index)[path] for path in report.added)


@pytest.mark.slow
def test_a_writer_killed_at_a_hundred_moments_leaves_the_last_commit(tmp_path: Path) -> None:
    model = kill(tmp_path, 110, 3)
    assert model.interrupted >= 40 and model.calls.keys() >= {"add", "remove", "compact"}


@pytest.mark.slow
@every_kind
def test_a_renewal_killed_at_random_moments_goes_on(kind: str, tmp_path: Path) -> None:
    """Until it ends the index answers as before; ids, paths and features stay all the time."""
    folder, photos = tmp_path / "my.index", tmp_path / "photos"
    photos.mkdir()
    for number in range(PHOTOS * 3):
        (photos / f"{number}.jpg").write_text(f"photo {number}")
    index = Index.create(folder, BytesExtractor(), kind=kind, local=None)
    index.keep_features(BytesFeatures())
    index.add(photos)
    index.remove([3, 5])
    before = paths(index)
    chance, kills, resumed, whole = np.random.default_rng(5), 0, 0, 0.0
    while kills < 32:  # Of each four, one goes on to its end.
        made = Index.open(folder).extraction
        target = next(name for name, extraction in MODELS.items() if extraction != made)
        process = start("renew", folder, photos, target)
        assert process.stdout is not None
        process.stdout.readline()
        began = time.monotonic()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0, whole / 2) if whole and kills % 4 else None)
        ended = process.poll() == 0
        process.kill()
        told = process.stdout.read().splitlines()
        process.wait()
        process.stdout.close()
        kills += not ended
        index = Index.open(folder)
        assert index.verify() == [] and paths(index) == before
        if ended:
            assert index.extraction == MODELS[target]
            whole = whole or time.monotonic() - began
            kills += kills % 4 == 0
            resumed += json.loads(told[-1])["described"] < len(before)
            assert len(list(folder.iterdir())) == files_of(kind), "something was left over"
        for number in (7, 1000):
            row = describe_bytes(f"photo {number}".encode(), index.extraction.dimensions)
            ((hit,),) = index.search_descriptors(row[None], index.extraction, 1)
            assert hit.path == str(photos / f"{number}.jpg") and hit.score > 0.999
        assert all(each is not None for each in index.features(list(before.values())[::100]))
    assert resumed, "no run went on with what a killed one had described"


@pytest.mark.slow
def test_a_conversion_killed_at_random_moments_loses_nothing(tmp_path: Path) -> None:
    """Nor does one that makes another part of lists: what was added before is there after."""
    folder = tmp_path / "my.index"
    index = Index.create(folder, BytesExtractor(), local=None)
    names = [f"{number}.jpg" for number in range(1500)]
    rows = np.stack([describe_bytes(name.encode()) for name in names])
    index.add_descriptors(names, rows, EXTRACTION)
    chance, whole, kinds = np.random.default_rng(9), 0.0, Counter[str]()
    for turn in range(30):
        kind = EMBEDDED[turn % len(EMBEDDED)]
        process = start("convert", folder, kind)
        assert process.stdout is not None
        process.stdout.readline()
        began = time.monotonic()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0, whole) if whole and turn % 5 else None)
        ended = process.poll() == 0
        process.kill()
        process.wait()
        process.stdout.close()
        index = Index.open(folder)
        if ended:
            whole = max(whole, time.monotonic() - began)
            assert index.kind == kind
        kinds[index.kind] += 1
        assert index.verify() == []
        assert list(paths(index)) == [f"{number}.jpg" for number in range(len(index))]
        assert len(index) >= 1500 + 10 * ended
        best = search(index, rows[:1500:100], 1)
        assert [hits[0].path for hits in best] == names[::100]
    assert len(kinds) > 3, "no kill was survived"
    index.convert("exact")
    files = {file.name.split("-")[0] for file in folder.iterdir()}
    assert files == {"lock", "catalogue", "descriptors", "float16", "features"}


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@every_kind
def test_a_writer_killed_before_any_system_call_leaves_a_commit(kind: str, tmp_path: Path) -> None:
    folder, photos = tmp_path / "my.index", tmp_path / "photos"
    (photos / "new").mkdir(parents=True)
    known = [photos / f"{n}.jpg" for n in range(5)]
    new = photos / "new" / "photo.jpg"
    for path in [*known, new]:
        path.write_text(str(path))
    index = Index.create(folder, BytesExtractor(), kind=kind, local=None)
    index.keep_features(BytesFeatures())
    index.add(known[:4])
    index.remove([known[3]])
    before = paths(index)
    assert before == {str(path): number for number, path in enumerate(known[:3])}
    after = {
        "add": {str(path) for path in [*known, new]},
        "remove": {str(known[2])},
        "compact": before.keys(),
        "keep": before.keys(),
    }
    process = start("steps", folder, photos)
    output, _ = process.communicate()
    assert process.returncode == 0
    lines = [json.loads(line) for line in output.splitlines()]
    killed = {name: [line for line in lines if line["call"] == name] for name in after}
    counts = {name: len(each) for name, each in killed.items()}
    assert min(counts.values()) > 3, counts
    for line in lines:
        index = Index.open(line["folder"], BytesExtractor())
        assert index.verify() == []
        found = paths(index)
        expected = after[line["call"]]
        assert found.keys() == expected or (found == before and not line["survived"])
        assert all(found.get(path, number) == number for path, number in before.items())
        kept = featured(index, {path: path for path in found})
        lasting = before.keys() & found.keys()
        assert lasting <= kept or (line["call"] == "keep" and not line["survived"])
        index.keep_features(BytesFeatures())
        index.add([*known, new])
        assert paths(index).keys() == after["add"] == featured(index, {p: p for p in after["add"]})
        assert index.verify() == []
        left = list(Path(line["folder"]).iterdir())
        assert len(left) == files_of(kind), "something was left over"


if __name__ == "__main__":
    count, first = (*map(int, sys.argv[1:]), *(120, 1)[len(sys.argv) - 1 :])
    with tempfile.TemporaryDirectory() as folder:
        told = kill(Path(folder), count, first)
    sys.stdout.write(f"{count} kills, none lost anything: {dict(told.calls)}\n")
