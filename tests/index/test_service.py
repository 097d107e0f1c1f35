"""An index inside somebody's program: many threads, several processes, one model."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import solar.index._models as models
from examples.service import Service
from solar.errors import IndexDamaged, IndexFolderError, IndexLocked, SolarError, UsageError
from solar.index import Index
from solar.index._lock import writer_lock
from tests.index.bytes_extractor import EXTRACTION, BytesExtractor, describe_bytes
from tests.index.listing import found, paths

REPOSITORY = Path(__file__).resolve().parents[2]


def at_once(count: int, call: Callable[[int], object]) -> list[object]:
    """Call from many threads, and raise what they raise."""
    barrier = threading.Barrier(count)

    def together(number: int) -> object:
        barrier.wait()
        return call(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(together, range(count)))


def test_the_example_serves_threads_while_others_add(tmp_path: Path, photos: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    Index.create(tmp_path / "my.index", BytesExtractor(), local=None)
    service = Service(tmp_path / "my.index", inbox, BytesExtractor())
    try:
        other = Index.open(tmp_path / "my.index", BytesExtractor())
        other.add(photos)  # As another process does.
        for number in range(20):
            (inbox / f"{number}.jpg").write_text(f"{number}")
        wanted = [*photos.glob("*.jpg"), *inbox.iterdir()]
        end = time.monotonic() + 60
        while len(service.index) < 25 and time.monotonic() < end:
            at_once(4, lambda number: service.search(wanted[number]))
        answers = at_once(8, lambda number: service.search(wanted[number], 1))
        for path, hits in zip(wanted, answers, strict=False):
            assert isinstance(hits, list) and hits[0].path == str(path)
        said = service.search(tmp_path / "gone.jpg")
        assert isinstance(said, str) and str(tmp_path) not in said
    finally:
        service.close()
    with pytest.raises(UsageError, match="closed"):
        len(service.index)


def test_the_model_is_loaded_once(
    index: Index, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[object] = []

    def slowly(model: object, **_: object) -> BytesExtractor:
        loaded.append(model)
        time.sleep(0.1)
        return BytesExtractor()

    monkeypatch.setattr(models, "open_extractor", slowly)
    index = Index.open(index.folder)
    assert loaded == []
    at_once(8, lambda _: index.search(photos / "a.jpg"))
    assert loaded == ["bytes"]
    index.refresh()
    index.search(photos / "a.jpg")
    index.warm()
    assert loaded == ["bytes"], "reopening lost the model"


def test_all_of_many_writers_get_their_turn(index: Index, photos: Path) -> None:
    for number in range(12):
        (photos / f"{number}.jpg").write_text(f"{number}")

    def add(number: int) -> None:
        mine = index if number % 2 else Index.open(index.folder, BytesExtractor())
        assert len(mine.add(photos / f"{number}.jpg").added) == 1

    at_once(12, add)
    index.refresh()
    assert len(index) == 17 and index.verify() == []
    assert len(set(paths(index).values())) == 17


def test_patience_ends_with_who_writes(index: Index) -> None:
    with writer_lock(index.folder):
        started = time.monotonic()
        with pytest.raises(IndexLocked, match="is being written by process") as raised:
            index.remove([0], timeout=0.3)
        assert 0.3 <= time.monotonic() - started < 10
    assert raised.value.path == str(index.folder)
    assert str(index.folder) not in raised.value.reason
    assert not issubclass(IndexLocked, IndexDamaged)
    assert issubclass(IndexLocked, IndexFolderError)


def test_a_replica_learns_that_it_is_behind(index: Index, photos: Path) -> None:
    replica = Index.open(index.folder, BytesExtractor())
    assert not replica.refresh() and replica.generation == index.generation
    (photos / "new.jpg").write_text("new")
    index.add(photos)
    assert len(replica) == 5 and photos / "new.jpg" not in replica
    assert replica.generation < index.generation
    assert replica.refresh() and replica.generation == index.generation
    assert photos / "new.jpg" in replica
    index.remove([0])
    index.compact()
    assert 0 in replica and replica.search(photos / "a.jpg", top=1)[0].id == 0
    assert replica.refresh() and 0 not in replica
    assert replica.generation == index.generation


def test_refreshing_again_and_again_is_like_opening(index: Index, photos: Path) -> None:
    replica = Index.open(index.folder, BytesExtractor())
    chance = np.random.default_rng(4)
    queries = np.stack([describe_bytes(f"{n}".encode()) for n in range(40)])
    for turn in range(12):
        for number in chance.integers(0, 40, 6):
            (photos / f"{number}.jpg").write_text(f"{turn % 3}{number}")
        index.add(photos)
        held = list(paths(index).values())
        index.remove([int(n) for n in chance.choice(held, 3, replace=False)])
        if turn == 7:
            index.compact()
        replica.refresh()
        opened = Index.open(index.folder, BytesExtractor())
        assert found(replica, queries, 99) == found(opened, queries, 99)
        assert paths(replica) == paths(opened)


def test_it_is_a_collection(index: Index, photos: Path, tmp_path: Path) -> None:
    assert len(index) == 5 and list(index) == [0, 1, 2, 3, 4]
    assert 0 in index and 5 not in index and "0" not in index and None not in index
    assert photos / "a.jpg" in index and str(photos / "a.jpg") in index
    photo = index[3]
    assert (photo.id, photo.path) == (3, str(photos / "more" / "d.jpg"))
    assert photo.root == str(photos) and photo.size == len("photo more/d.jpg")
    with pytest.raises(KeyError):
        index[5]
    assert [photo.id for photo in index.photos()] == [0, 1, 2, 3, 4]
    assert repr(index) == f"<Index {index.folder}: 5 photos, generation {index.generation}>"
    with Index.open(index.folder) as opened:
        assert len(opened) == 5
    assert "closed" in repr(opened)
    with pytest.raises(UsageError, match="was closed"):
        opened.search_descriptors(np.eye(1, 16), EXTRACTION)
    again = pickle.loads(pickle.dumps(Index.open(index.folder, BytesExtractor())))  # noqa: S301
    assert again.search(photos / "a.jpg") == index.search(photos / "a.jpg")


def test_a_photo_in_the_index_is_searched_without_the_model(index: Index) -> None:
    index = Index.open(index.folder)  # Its model, `bytes`, cannot be loaded.
    assert [hit.id for hit in index.search(3, top=1)] == [3]
    with pytest.raises(SolarError, match="needs the model that it was made with, bytes"):
        index.search("a.jpg")
    with pytest.raises(UsageError, match="holds no photo of id 77"):
        index.search(77)


def test_photos_are_described_in_batches(index: Index, photos: Path) -> None:
    rows = index.describe([photos / "a.jpg", b"photo b.jpg"])
    assert np.array_equal(rows[1], describe_bytes(b"photo b.jpg"))
    assert np.array_equal(rows[0], index.describe(photos / "a.jpg"))
    assert index.describe([]).shape == (0, 16)
    with pytest.raises(SolarError, match="gone"):
        index.describe([photos / "a.jpg", photos / "gone.jpg"])


def test_what_was_described_elsewhere_is_added(index: Index, photos: Path) -> None:
    names = ["cloud/1", "cloud/2", str(photos / "new.jpg")]
    rows = np.stack([describe_bytes(name.encode()) for name in names])
    assert index.add_descriptors(names, rows, EXTRACTION) == [5, 6, 7]
    assert index.search_descriptors(rows[1:2], EXTRACTION, 1)[0][0].path == "cloud/2"
    assert "cloud/1" in index and index[7].path == names[2]
    assert index.verify() == []
    rows = rows[::-1].copy()
    assert index.add_descriptors(names, rows, EXTRACTION) == [5, 6, 7]
    assert np.array_equal(index.descriptors([5]), rows[:1])
    (photos / "new.jpg").write_text("here now")
    assert len(index.add(photos).changed) == 1
    assert index.search(photos / "new.jpg", top=1)[0].id == 7
    assert index.remove(["cloud/1", "cloud/2"]) == 2
    report = index.add(photos)
    assert not report.vanished and not report.unreachable


@pytest.mark.parametrize(
    ("names", "rows", "message"),
    [
        (["x"], np.ones((1, 16)), "row 0 has length 4 instead of 1"),
        (["x"], np.full((1, 16), np.nan), "not finite"),
        (["x"], np.eye(2, 16), "1 names for 2"),
        (["x", "x"], np.eye(2, 16), "names for 2"),
        (["x"], np.eye(1, 8), r"\(1, 8\)"),
    ],
)
def test_rows_that_are_no_descriptors_are_refused(
    index: Index, names: list[str], rows: np.ndarray, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        index.add_descriptors(names, rows, EXTRACTION)
    assert len(index) == 5


def test_a_fork_reads_on(index: Index, photos: Path) -> None:
    program = (
        "import os, sys\n"
        "from solar.index import Index\n"
        "from tests.index.bytes_extractor import BytesExtractor\n"
        "index = Index.open(sys.argv[1], BytesExtractor())\n"
        "before = index.search(sys.argv[2])\n"
        "if os.fork() == 0:\n"
        "    os._exit(0 if index.search(sys.argv[2]) == before and len(list(index)) == 5 else 1)\n"
        "assert os.waitstatus_to_exitcode(os.wait()[1]) == 0\n"
        "assert index.search(sys.argv[2]) == before\n"
    )
    command = [sys.executable, "-c", program, str(index.folder), str(photos / "a.jpg")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


def test_errors_are_pickled_whole() -> None:
    error = IndexLocked("is busy", "/a/b")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(again) is IndexLocked and (again.reason, again.path) == ("is busy", "/a/b")
    assert str(again) == "/a/b: is busy"


def test_a_model_that_moved_is_remembered(index: Index, photos: Path) -> None:
    moved = BytesExtractor(replace(EXTRACTION, model="elsewhere"))
    Index.open(index.folder, moved).add(photos)
    assert Index.open(index.folder).extraction.model == "elsewhere"
