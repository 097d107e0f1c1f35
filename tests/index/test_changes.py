"""Any sequence of changes to photos and calls of the index, against a dictionary."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from solar.errors import UsageError
from solar.index import Index
from tests.index.bytes_extractor import NOT_A_PHOTO, BytesExtractor, describe_bytes
from tests.index.listing import found

NAMES = ["a.jpg", "b.jpg", "c.jpg", "d/e.jpg", "d/f.jpg", "d/g/h.jpg"]
CONTENTS = [b"one", b"two", b"three", b"fore", NOT_A_PHOTO, NOT_A_PHOTO + b" too"]


class Changes(RuleBasedStateMachine):
    """`held` is what the index must hold: (id, content) by path."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp()).resolve()
        self.photos = self.root / "photos"
        self.held: dict[str, tuple[int, bytes]] = {}
        self.used: set[int] = set()
        self.clock = 0

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    @initialize()
    def create(self) -> None:
        (self.photos / "d" / "g").mkdir(parents=True)
        self.describer = BytesExtractor()
        self.index = Index.create(self.root / "my.index", self.describer, local=None)

    def path(self, name: str) -> str:
        return (self.photos / name).as_posix()

    @rule(name=st.sampled_from(NAMES), content=st.sampled_from(CONTENTS))
    def write(self, name: str, content: bytes) -> None:
        (self.photos / name).write_bytes(content)
        self.touch(name)

    @rule(name=st.sampled_from(NAMES))
    def touch(self, name: str) -> None:
        if (self.photos / name).exists():
            self.clock += 1
            os.utime(self.photos / name, ns=(self.clock, self.clock))

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        (self.photos / name).unlink(missing_ok=True)

    @rule(below=st.sampled_from(["", "d", "d/g", *NAMES]), retry=st.booleans())
    def add(self, below: str, retry: bool) -> None:
        before = dict(self.held)
        self.describer.described.clear()
        inside = [
            self.path(name) for name in NAMES if f"{name}/".startswith(f"{below}/" * (below != ""))
        ]
        present = {path: Path(path).read_bytes() for path in inside if Path(path).exists()}
        if below in NAMES and not present and not before.keys() & set(inside):
            with pytest.raises(UsageError, match="no such file"):
                self.index.add(self.photos / below)
            return
        moved = self.expected_moves(before, present)
        report = self.index.add(self.photos / below, retry_failed=retry)
        report.failed = sorted(report.failed + report.still_failed)
        report.vanished = sorted(report.vanished + report.unreachable)
        known = {path: content for path, (_, content) in before.items()}
        good = {path for path, content in present.items() if not content.startswith(NOT_A_PHOTO)}
        was_good = {p for p, content in known.items() if not content.startswith(NOT_A_PHOTO)}
        gone = known.keys() - present - set(moved.values())
        assert report.vanished == sorted(path for path in inside if path in gone)
        assert report.moved == sorted((old, new) for new, old in moved.items())
        assert report.added == sorted(good - was_good - moved.keys())
        same = {p for p in good if known.get(p) == present[p]}
        assert report.unchanged == sorted(same | moved.keys())
        assert report.changed == sorted((good & was_good) - same - moved.keys())
        missing = {self.path(below)} - present.keys() - known.keys() if below in NAMES else set()
        assert [path for path, _ in report.failed] == sorted({*(present.keys() - good), *missing})
        self.check_described(report, present, known, good, retry, moved)
        self.take_over(present, moved)

    def expected_moves(
        self, held: dict[str, tuple[int, bytes]], present: dict[str, bytes]
    ) -> dict[str, str]:
        """By new path, the old one of each photo whose file is gone and whose bytes are there."""
        fresh = [p for p, content in sorted(present.items()) if held.get(p, (0, b""))[1] != content]
        changing = held.keys() & set(fresh)
        moved: dict[str, str] = {}
        for path in fresh:
            content = present[path]
            left = [
                (number, old)
                for old, (number, other) in held.items()
                if other == content and not content.startswith(NOT_A_PHOTO)
                if old not in changing and old not in moved.values() and not Path(old).exists()
            ]
            if left:
                moved[path] = min(left)[1]
        return moved

    def check_described(
        self,
        report: Any,
        present: dict[str, bytes],
        known: dict[str, bytes],
        good: set[str],
        retry: bool,
        moved: dict[str, str],
    ) -> None:
        """Each new content was described once; every other photo of it is told as a duplicate."""
        fresh = {
            path: content
            for path, content in present.items()
            if known.get(path) != content or (retry and path not in good)
        }
        lasting = {
            content
            for path, content in known.items()
            if path not in fresh and not content.startswith(NOT_A_PHOTO)
        }
        described = [path.read_bytes() for path in self.describer.described]
        assert sorted(described) == sorted(set(fresh.values()) - lasting)
        copies = dict(report.duplicates)
        now = {**known, **present}
        assert all(now[copy] == now[same] and copy != same for copy, same in copies.items())
        firsts = {path.as_posix() for path in self.describer.described}
        assert copies.keys() == {path for path in fresh if path in good} - firsts - moved.keys()

    def take_over(self, present: dict[str, bytes], moved: dict[str, str]) -> None:
        """Learn the ids of new photos; they must never have been used."""
        for path, content in sorted(present.items()):
            if path in moved:
                if path not in self.held:
                    self.used.add(max(self.used, default=-1) + 1)
                self.held[path] = self.held.pop(moved[path])
                continue
            if path in self.held:
                self.held[path] = (self.held[path][0], content)
            else:
                number = max(self.used, default=-1) + 1
                self.used.add(number)
                self.held[path] = (number, content)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), by_id=st.booleans())
    def remove(self, data: st.DataObject, by_id: bool) -> None:
        chosen = data.draw(st.lists(st.sampled_from(sorted(self.held)), max_size=3))
        named = [self.held[path][0] if by_id else path for path in chosen]
        assert self.index.remove(named) == len(set(chosen))
        for path in set(chosen):
            del self.held[path]

    @rule()
    def compact(self) -> None:
        self.index.compact()
        assert self.index.info().reclaimable == 0

    @rule()
    def open_again(self) -> None:
        self.index = Index.open(self.root / "my.index", self.describer)

    @invariant()
    def everything_is_found(self) -> None:
        good = {p: held for p, held in self.held.items() if not held[1].startswith(NOT_A_PHOTO)}
        info = self.index.info()
        assert len(self.index) == info.photos == len(good)
        assert [path for path, _ in info.failed] == sorted(
            self.held.keys() - good, key=lambda path: self.held[path][0]
        )
        queries = np.stack([describe_bytes(content) for content in CONTENTS])
        for content, hits in zip(CONTENTS, found(self.index, queries, 99), strict=True):
            assert {(hit.path, hit.id) for hit in hits} == {(p, n) for p, (n, _) in good.items()}
            same = [(hit.path, hit.id) for hit in hits if hit.score > 0.99999]
            expected = [(p, number) for p, (number, held) in good.items() if held == content]
            assert same == sorted(expected, key=lambda pair: pair[1])
        assert self.index.verify() == []


TestChanges = Changes.TestCase
TestChanges.settings = settings(
    max_examples=settings().max_examples * 2 // 5, stateful_step_count=25, deadline=None
)
