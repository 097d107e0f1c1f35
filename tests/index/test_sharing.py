"""One writer, many readers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

from solar.errors import IndexLocked
from solar.index import Index
from solar.index._lock import writer_lock
from tests.index.bytes_extractor import BytesExtractor
from tests.index.bytes_features import BytesFeatures
from tests.index.killed_writer import PHOTOS
from tests.index.listing import found, paths

REPOSITORY = Path(__file__).resolve().parents[2]


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.index.killed_writer", *map(str, arguments)]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)


def test_a_second_writer_is_told_who_writes(index: Index, photos: Path) -> None:
    (photos / "new.jpg").write_text("new")
    folder = index.folder
    process = start("hold", folder, photos / "new.jpg")
    assert process.stdout is not None
    process.stdout.readline()
    calls: list[Callable[[], object]] = [
        lambda: index.add(photos, timeout=0),
        lambda: index.remove([0], timeout=0),
        lambda: index.compact(timeout=0.1),
        lambda: index.keep_features(BytesFeatures(), timeout=0),
    ]
    for call in calls:
        with pytest.raises(IndexLocked, match=f"written by process {process.pid} on .* since"):
            call()
    assert len(Index.open(folder)) == 5
    assert Index.open(folder).verify() == []
    assert index.search(photos / "a.jpg", top=1)[0].id == 0
    process.kill()
    process.wait()
    process.stdout.close()
    assert len(index.add(photos).added) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_worker_does_not_keep_the_lock_of_a_killed_writer(
    index: Index, photos: Path
) -> None:
    (photos / "new.jpg").write_text("new")
    process = start("hold", index.folder, photos / "new.jpg", "fork")
    assert process.stdout is not None
    worker = json.loads(process.stdout.readline())["child"]
    process.kill()
    process.wait()
    try:
        os.kill(worker, 0)  # It lives.
        assert len(index.add(photos).added) == 1
    finally:
        os.kill(worker, signal.SIGKILL)
        process.stdout.close()


def test_two_threads_cannot_both_write(index: Index, photos: Path) -> None:
    with (
        writer_lock(index.folder),
        pytest.raises(IndexLocked, match=f"process {os.getpid()} "),
    ):
        index.add(photos, timeout=0)
    assert len(index.add(photos).unchanged) == 5


def test_a_lock_file_that_says_nothing_is_not_trusted(index: Index, photos: Path) -> None:
    lock = index.folder / "lock"
    lock.write_bytes(b"\xff not JSON")
    assert len(index.add(photos).unchanged) == 5
    with writer_lock(lock.parent):
        lock.write_bytes(b"[]")
        with pytest.raises(IndexLocked, match="written by another process"):
            index.add(photos, timeout=0)


@pytest.mark.slow
def test_readers_see_whole_commits_while_another_writes(tmp_path: Path) -> None:
    folder, photos = tmp_path / "my.index", tmp_path / "photos"
    photos.mkdir()
    for number in range(PHOTOS):
        (photos / f"{number}.jpg").write_text(f"{number}")
    index = Index.create(folder, BytesExtractor(), local=None)
    index.add([photos / f"{number}.jpg" for number in range(100)])
    frozen = Index.open(folder)
    query = np.eye(16, dtype=np.float32)[:3]
    answer = found(frozen, query, 100)
    process = start("loop", folder, photos, 5)
    assert process.stdout is not None
    process.stdout.readline()
    sizes: set[int] = set()
    generations: set[str] = set()
    end = time.monotonic() + 3
    while time.monotonic() < end or len(sizes) < 3:
        reader = Index.open(folder)
        held = paths(reader)
        assert len(held) == len(reader)
        sizes.add(len(held))
        generations.update(file.name for file in folder.glob("catalogue-*.db"))
        assert found(frozen, query, 100) == answer
    process.kill()
    process.wait()
    process.stdout.close()
    assert len(generations) > 1, "no compaction came in between"


def test_a_reader_whose_files_are_compacted_away_starts_again(index: Index) -> None:
    index.remove([0])

    def compact_first(frame: FrameType, event: str, _: object) -> None:
        """Just after the catalogue was read, and before the files that it names are opened."""
        if event == "call" and frame.f_code.co_name == "kind_named":
            sys.setprofile(None)
            index.compact()

    sys.setprofile(compact_first)
    try:
        reader = Index.open(index.folder)
    finally:
        sys.setprofile(None)
    assert sorted(paths(reader).values()) == [1, 2, 3, 4]
    assert [file.name for file in index.folder.glob("catalogue-*.db")] == ["catalogue-000002.db"]


def test_reading_writes_nothing(index: Index, photos: Path) -> None:
    folder = index.folder

    def state() -> dict[str, tuple[int, int]]:
        return {
            file.name: (file.stat().st_mtime_ns, file.stat().st_size)
            for file in (folder, *folder.iterdir())
        }

    before = state()
    reader = Index.open(folder, BytesExtractor())
    reader.search(photos / "a.jpg")
    reader.verify()
    reader.info()
    assert state() == before


def test_an_index_goes_on_from_what_another_process_wrote(index: Index, photos: Path) -> None:
    other = Index.open(index.folder, BytesExtractor())
    index.remove([0])
    index.compact()
    (photos / "new.jpg").write_text("new")
    report = other.add([photos / "new.jpg"])
    assert len(report.added) == 1
    assert len(other) == 5
    assert paths(other)[report.added[0]] == 5
