"""One writer, many readers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

from solar.errors import IndexFolderError
from solar.index import Index
from solar.index.lock import writer_lock
from solar.index.signed import patiently
from tests.index.bytes_describer import BytesDescriber
from tests.index.killed_writer import PHOTOS
from tests.index.listing import paths

REPOSITORY = Path(__file__).resolve().parents[2]


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.index.killed_writer", *map(str, arguments)]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)


def test_a_second_writer_is_told_who_writes(index: Index, photos: Path) -> None:
    (photos / "new.jpg").write_text("new")
    folder = index.info().folder
    process = start("hold", folder, photos / "new.jpg")
    assert process.stdout is not None
    process.stdout.readline()
    calls = (lambda: index.add(photos), lambda: index.remove([0]), index.compact)
    for call in calls:
        with pytest.raises(IndexFolderError, match=f"written by process {process.pid} on .* since"):
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
    process = start("hold", index.info().folder, photos / "new.jpg", "fork")
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
        writer_lock(index.info().folder),
        pytest.raises(IndexFolderError, match=f"process {os.getpid()} "),
    ):
        index.add(photos)
    assert len(index.add(photos).unchanged) == 5


def test_a_lock_file_that_says_nothing_is_not_trusted(index: Index, photos: Path) -> None:
    lock = index.info().folder / "lock"
    lock.write_bytes(b"\xff not JSON")
    assert len(index.add(photos).unchanged) == 5
    with writer_lock(lock.parent):
        lock.write_bytes(b"[]")
        with pytest.raises(IndexFolderError, match="written by another process"):
            index.add(photos)


def test_readers_see_whole_commits_while_another_writes(tmp_path: Path) -> None:
    folder, photos = tmp_path / "my.index", tmp_path / "photos"
    photos.mkdir()
    for number in range(PHOTOS):
        (photos / f"{number}.jpg").write_text(f"{number}")
    index = Index.create(folder, BytesDescriber())
    index.add([photos / f"{number}.jpg" for number in range(100)])
    frozen = Index.open(folder)
    query = np.eye(16, dtype=np.float32)[:3]
    answer = frozen.search_descriptors(query, 100)
    process = start("loop", folder, photos, 5)
    assert process.stdout is not None
    process.stdout.readline()
    sizes: set[int] = set()
    generations: set[str] = set()
    end = time.monotonic() + 3
    while time.monotonic() < end or len(sizes) < 3:
        reader = Index.open(folder)
        found = paths(reader)
        assert len(found) == len(reader)
        sizes.add(len(found))
        generations.update(file.name for file in folder.glob("texts-*"))
        assert frozen.search_descriptors(query, 100) == answer
    process.kill()
    process.wait()
    process.stdout.close()
    assert len(generations) > 1, "no compaction came in between"


def test_a_reader_whose_files_are_compacted_away_starts_again(index: Index) -> None:
    index.remove([0])

    def compact_first(frame: FrameType, event: str, _: object) -> None:
        """Just after the manifest was read, and before the files that it names are opened."""
        if event == "call" and frame.f_code.co_name == "_of":
            sys.setprofile(None)
            index.compact()

    sys.setprofile(compact_first)
    try:
        reader = Index.open(index.info().folder)
    finally:
        sys.setprofile(None)
    assert sorted(paths(reader).values()) == [1, 2, 3, 4]
    assert [file.name for file in index.info().folder.glob("texts-*")] == ["texts-000002.bin"]


def test_reading_writes_nothing(index: Index, photos: Path) -> None:
    folder = index.info().folder

    def state() -> dict[str, tuple[int, int]]:
        return {
            file.name: (file.stat().st_mtime_ns, file.stat().st_size)
            for file in (folder, *folder.iterdir())
        }

    before = state()
    reader = Index.open(folder, BytesDescriber())
    reader.search(photos / "a.jpg")
    reader.verify()
    reader.info()
    assert state() == before


def test_an_index_goes_on_from_what_another_process_wrote(index: Index, photos: Path) -> None:
    other = Index.open(index.info().folder, BytesDescriber())
    index.remove([0])
    index.compact()
    (photos / "new.jpg").write_text("new")
    report = other.add([photos / "new.jpg"])
    assert len(report.added) == 1
    assert len(other) == 5
    assert paths(other)[report.added[0]] == 5


def test_patience_ends() -> None:
    calls = []

    def refused(times: int) -> int:
        calls.append(1)
        if len(calls) <= times:
            raise PermissionError("in use")
        return len(calls)

    assert patiently(lambda: refused(3)) == 4
    calls.clear()
    with pytest.raises(PermissionError):
        patiently(lambda: refused(10**9))
    assert len(calls) > 3
