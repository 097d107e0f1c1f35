"""Many workers, one folder: nothing is lost or twice, and shards are those of one worker."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from solar.errors import SolarError, UsageError
from solar.extraction import Extraction, collect, open_extractor
from solar.extraction.leases import Leases
from solar.extraction.shard import on_grid
from solar.extraction.shards import open_shards
from solar.extraction.work import LIST, open_work
from solar.extraction.workers import describe_together
from solar.files.stores import FolderStore
from solar.index import Index
from tests.extraction.slow_worker import SHARD_SIZE
from tests.index.bytes_extractor import NOT_A_PHOTO, BytesExtractor, describe_bytes
from tests.scenes import album

REPOSITORY = Path(__file__).resolve().parents[2]


def bytes_album(folder: Path, count: int) -> list[Path]:
    """Files that `BytesExtractor` describes, in two folders; one of them it cannot."""
    paths = [folder / "ab"[n % 2] / f"{n:03}.png" for n in range(count)]
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(NOT_A_PHOTO if number == 5 else f"photo {number}".encode())
    return sorted(paths)


def shards_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("shard-*.npy"))}


def started(photos: Path, to: Path, seconds: float, log: Path) -> subprocess.Popen[bytes]:
    module = "tests.extraction.slow_worker"
    command = [sys.executable, "-m", module, *map(str, (photos, to, seconds, log))]
    return subprocess.Popen(command, cwd=REPOSITORY)


def until(true: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.slow
def test_of_four_workers_two_are_killed_half_way(tmp_path: Path) -> None:
    paths = bytes_album(tmp_path / "photos", 48)
    alone, to = tmp_path / "alone", tmp_path / "together"
    describe_together(BytesExtractor(), [tmp_path / "photos"], alone, shard_size=SHARD_SIZE)
    logs = [tmp_path / f"{n}.log" for n in range(4)]
    slow = [started(tmp_path / "photos", to, 1.0, log) for log in logs[:2]]
    until(lambda: all(log.exists() for log in logs[:2]))  # Each is within a shard of four.
    fast = [started(tmp_path / "photos", to, 0.05, log) for log in logs[2:]]
    for process in slow:
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert len(list(to.glob("*.lease"))) >= 2
    assert len(shards_in(to)) < 12
    assert [process.wait(60) for process in fast] == [0, 0]

    assert shards_in(to) == shards_in(alone)
    assert len(shards_in(to)) == 12 and not list(to.glob("*.lease"))
    done = [Counter(log.read_text().split()) for log in logs]
    assert done[2] + done[3] == Counter(path.name for path in paths)  # Each once.
    assert min(map(len, done[2:])) > 0

    index = Index.create(tmp_path / "my.index", BytesExtractor(), local=None)
    report = index.add_shards(to)
    assert sorted(report.added) == [str(path) for path in paths if path.name != "005.png"]
    assert [name for name, _ in report.failed] == [str(tmp_path / "photos" / "b" / "005.png")]
    for photo in index.photos():
        if photo.reason is None:
            made = on_grid(describe_bytes(Path(photo.path).read_bytes())).astype(np.float32)
            assert np.array_equal(index.descriptors([photo.id])[0], made)
    assert index.add_shards(to).unchanged == sorted(report.added)
    again = index.add(tmp_path / "photos")
    assert not again.added and not again.changed and len(again.unchanged) == 47


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_a_network_says_the_same_together_as_alone(
    engine: str, model_folder: Path, tmp_path: Path
) -> None:
    paths = album(tmp_path / "photos", 10)
    (tmp_path / "photos" / "03.png").write_bytes(b"no photo")
    extractor = open_extractor("solar-r18" if engine == "openvino" else model_folder, engine=engine)
    tos = [tmp_path / "alone", tmp_path / "together"]
    describe_together(extractor, [tmp_path / "photos"], tos[0], shard_size=3)
    threads = [
        threading.Thread(
            target=describe_together,
            args=(extractor, [tmp_path / "photos"], tos[1]),
            kwargs={"shard_size": 3, "patience": 20.0},
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shards_in(tos[0]) == shards_in(tos[1]) and len(shards_in(tos[0])) == 4
    work = open_work(tos[1])
    assert work.names == [str(path) for path in paths]
    assert [failure.position for failure in work.shards.failures()] == [3]
    whole = collect(extractor, paths).descriptors
    assert np.abs(work.shards.load() - whole).max() < 1e-5


def test_who_comes_later_takes_the_first_list(tmp_path: Path) -> None:
    photos, to = tmp_path / "photos", tmp_path / "shards"
    bytes_album(photos, 6)
    describe_together(BytesExtractor(), [photos], to, shard_size=2)
    (to / "shard-00001.npy").unlink()
    (photos / "a" / "new.png").write_bytes(b"another")
    (photos / "a" / "002.png").write_bytes(b"changed since")  # In shard 0, which is there.
    extractor = BytesExtractor()
    (tmp_path / "elsewhere").symlink_to(photos)  # As another machine may call it.
    report = describe_together(extractor, [tmp_path / "elsewhere"], to, shard_size=2)
    assert len(extractor.described) == 2 and report.photos == 6
    assert all(name.startswith(str(photos)) for name in open_work(to).names)


def test_what_has_changed_since_it_was_listed_fails(tmp_path: Path) -> None:
    photos, to = tmp_path / "photos", tmp_path / "shards"
    paths = bytes_album(photos, 4)
    describe_together(BytesExtractor(), [photos], to)
    (to / "shard-00000.npy").unlink()
    paths[0].write_bytes(b"longer than before")
    paths[1].unlink()
    report = describe_together(BytesExtractor(), [photos], to)
    assert report.described == 2 and len(report.failed) == 2


def test_other_photos_and_other_settings_are_refused(tmp_path: Path) -> None:
    photos, to = tmp_path / "photos", tmp_path / "shards"
    bytes_album(photos, 6)
    describe_together(BytesExtractor(), [photos], to)
    bytes_album(tmp_path / "others" / "x", 3)
    with pytest.raises(UsageError, match="give the same PHOTOS on every machine"):
        describe_together(BytesExtractor(), [tmp_path / "others"], to)
    with pytest.raises(UsageError, match="is for 1 PHOTOS, not 2"):
        describe_together(BytesExtractor(), [photos, photos], to)
    other = Extraction("other", "0" * 64, 16, 64, (1.0,))
    with pytest.raises(UsageError, match="choose another folder"):
        describe_together(BytesExtractor(other), [photos], to)
    with pytest.raises(UsageError, match="shard_size 256, not 5"):
        describe_together(BytesExtractor(), [photos], to, shard_size=5)
    index = Index.create(tmp_path / "my.index", BytesExtractor(other), local=None)
    with pytest.raises(UsageError, match="describe with the same model"):
        index.add_shards(to)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SolarError, match="no photo to describe"):
        describe_together(BytesExtractor(), [tmp_path / "empty"], tmp_path / "none")


@pytest.mark.parametrize(
    "line", ['[0, "../../etc/passwd", 1, ""]', '[1, "a", 1, ""]', "[0]", "{", '[0, "/a", 1, ""]']
)
def test_a_hostile_list_is_refused(line: str, tmp_path: Path) -> None:
    photos, to = tmp_path / "photos", tmp_path / "shards"
    bytes_album(photos, 2)
    describe_together(BytesExtractor(), [photos], to)
    head = (to / LIST).read_text().splitlines()[:2]
    (to / LIST).write_text("\n".join([*head, line]))
    with pytest.raises(SolarError, match=r"photos\.jsonl: damaged"):
        open_work(to)


def test_damaged_shards_are_told(tmp_path: Path) -> None:
    photos, to = tmp_path / "photos", tmp_path / "shards"
    bytes_album(photos, 8)
    describe_together(BytesExtractor(), [photos], to)
    shard = to / "shard-00000.npy"
    whole, refused = shard.read_bytes(), 0
    for end in range(0, len(whole), 7):
        shard.write_bytes(whole[:end])
        shards = open_shards(to)
        with pytest.raises(SolarError) as caught:
            shards.whole(0)
        refused += str(shard) in str(caught.value)
    assert refused == len(range(0, len(whole), 7))
    index = Index.create(tmp_path / "my.index", BytesExtractor(), local=None)
    shard.write_bytes(whole.replace(whole[200:204], b"\x7f\x7f\x7f\x7f", 1))
    with pytest.raises(SolarError, match="delete the shard"):
        index.add_shards(to)
    shard.unlink()
    with pytest.raises(SolarError, match=r"1 of 1 shards are missing \(0\)"):
        index.add_shards(to)


def test_a_lease_is_kept_as_long_as_it_changes(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    one, other = Leases(store, 0.4), Leases(store, 0.4)

    def seen(leases: Leases) -> bool:
        leases.look({each.name: each for each in store.list()})
        return leases.held("x")

    assert not seen(other) and one.take("x") and not other.take("x") and seen(other)
    time.sleep(0.5)
    assert not seen(other)  # Its holder gave no sign.
    assert other.take("x") and seen(one)
    with other.holding("x"):
        for _ in range(8):
            time.sleep(0.1)
            assert seen(one)
        assert not one.take("x")
    assert not list(store.list())
