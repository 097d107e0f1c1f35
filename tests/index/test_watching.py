"""Folders that are watched: what comes is noticed, whole, whether the system tells of it or not."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from solar.errors import SolarError
from solar.index import Index, watching
from solar.index.watching import Settled, watch
from tests.cli.runner import solar
from tests.scenes import scene

REPOSITORY = Path(__file__).resolve().parents[2]


def until(what: Callable[[], Any], seconds: float = 120) -> Any:
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)
    return found


@contextmanager
def watched(folder: Path, **options: Any) -> Iterator[list[set[str]]]:
    """Watch a folder in a thread: the names that each round could read are put into a list."""
    rounds: list[set[str]] = []
    stop = threading.Event()

    def add(changed: Sequence[Path], ready: Settled) -> None:
        assert list(changed) == [folder]
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        rounds.append({path.name for path in files if ready(path, path.stat())})

    options = {"failed": pytest.fail, "settled": Settled(0.3), **options}
    more = {"stop": stop, **options}
    thread = threading.Thread(target=watch, args=[lambda: [folder], add], kwargs=more)
    thread.start()
    try:
        yield rounds
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "photos"
    made.mkdir()
    (made / "old.jpg").write_bytes(b"old")
    os.utime(made / "old.jpg", (1e9, 1e9))
    return made


@pytest.mark.parametrize("tells", [True, False])
def test_what_comes_is_noticed(folder: Path, tells: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not tells:
        monkeypatch.setattr(watching, "is_remote", lambda _: True)
    with watched(folder, sweep=60.0 if tells else 0.1) as rounds:
        until(lambda: rounds)
        assert rounds[0] == {"old.jpg"}
        (folder / "sub").mkdir()
        (folder / "sub" / "new.png").write_bytes(b"new")
        until(lambda: "new.png" in rounds[-1])
        (folder / "sub").rename(folder / "other")
        os.utime(folder / "other" / "new.png", (1e9, 1e9))
        (folder / "old.jpg").unlink()
        until(lambda: rounds[-1] == {"new.png"})


def test_what_is_no_photo_is_no_reason_to_look_again(folder: Path) -> None:
    mark = watching._mark(folder, ["left-out"])
    (folder / "notes.txt").write_text("no photo")
    (folder / ".hidden.jpg").write_text("neither")
    (folder / "left-out").mkdir()
    (folder / "left-out" / "a.jpg").write_text("nor this")
    assert watching._mark(folder, ["left-out"]) == mark is not None
    assert watching._mark(folder, []) != mark
    assert watching._mark(folder / "gone", []) is None


@pytest.mark.slow
def test_a_file_that_grows_is_left_alone_until_it_is_whole(folder: Path) -> None:
    with watched(folder, sweep=0.1, settled=Settled(3.0)) as rounds:
        with (folder / "large.jpg").open("wb", buffering=0) as file:
            for _ in range(40):
                file.write(bytes(1000))
                assert not any("large.jpg" in seen for seen in rounds)
                time.sleep(0.05)
        until(lambda: rounds and "large.jpg" in rounds[-1])


def test_times_of_another_clock_do_not_deceive(folder: Path) -> None:
    file, settled = folder / "skewed.jpg", Settled(5.0)
    file.write_bytes(b"half")
    assert not settled(file, file.stat())
    file.write_bytes(b"half, and more")
    os.utime(file, (1e9, 1e9))  # as a network drive or a copying program may set them
    settled.begin()
    assert not settled(file, file.stat()), "its size is not what it was"
    settled.begin()
    assert settled(file, file.stat()) and not settled.waiting


@pytest.mark.slow
def test_a_folder_that_is_away_is_left_as_it_is(folder: Path) -> None:
    with watched(folder, sweep=0.1) as rounds:
        until(lambda: rounds)
        folder.rename(folder.with_name("away"))
        time.sleep(1)
        before = len(rounds)
        assert all("old.jpg" in seen for seen in rounds)
        folder.with_name("away").rename(folder)
        until(lambda: len(rounds) > before)
        (folder / "new.jpg").write_bytes(b"new")
        until(lambda: "new.jpg" in rounds[-1])


def test_what_fails_is_tried_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_RETRY", 0.1)
    stop, calls = threading.Event(), 0
    told: list[SolarError] = []

    def add(changed: Sequence[Path], ready: Settled) -> None:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise SolarError("another writes")
        stop.set()

    watch(lambda: [folder], add, stop=stop, failed=told.append)
    assert calls == 3 and [str(error) for error in told] == ["another writes"] * 2


def test_network_drives_are_known_by_their_kind(tmp_path: Path) -> None:
    mounts = [
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
        "30 22 0:40 / /mnt/my\\040photos rw shared:2 - nfs4 nas:/photos rw",
        "31 22 0:41 / /mnt/my\\040photos/card rw - vfat /dev/sdb1 rw",
        "32 22 0:42 / /home/me/far rw - fuse.sshfs far: rw",
        "33 22 0:43 / /media/disk rw - fuseblk /dev/sdc1 rw",
        "nonsense",
    ]
    for path, kind in {
        "/home/me/photos": "ext4",
        "/mnt/my photos/2020": "nfs4",
        "/mnt/my photos/card/DCIM": "vfat",
        "/mnt/my photos 2": "ext4",
        "/home/me/far": "fuse.sshfs",
        "/media/disk/a": "fuseblk",
    }.items():
        assert watching._kind_of(Path(path), mounts) == kind
        assert kind.startswith(watching._REMOTE) == (kind in ("nfs4", "fuse.sshfs"))
    assert not watching.is_remote(tmp_path / "not there yet")


def _heeds_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # also where a shell ignores it


@pytest.mark.slow
def test_the_command_adds_photos_as_they_come_and_ends_in_order(tmp_path: Path) -> None:
    photos, index = tmp_path / "photos", tmp_path / "my.index"
    photos.mkdir()
    scene(1, (320, 240)).save(photos / "1.png")
    os.utime(photos / "1.png", (1e9, 1e9))  # not written a moment ago
    scene(2, (320, 240)).save(tmp_path / "2.png")
    content = (tmp_path / "2.png").read_bytes()
    command = [sys.executable, "-m", "solar", "index", str(photos), "--to", str(index), "--watch"]
    command += ["--no-local", "--exclude", "left-out", "--sweep", "1"]
    with (tmp_path / "told").open("w") as told:
        running = subprocess.Popen(
            command, cwd=REPOSITORY, stdout=told, stderr=told, preexec_fn=_heeds_ctrl_c
        )
    try:

        def said() -> str:
            return (tmp_path / "told").read_text()

        def names() -> list[str]:
            found = Index.open(index).photos()
            return [Path(photo.path).name for photo in found if photo.reason is None]

        until(lambda: "watching 1 folder" in said())
        assert "1 photo (1 added)" in said()
        (photos / "left-out").mkdir()
        shutil.copy(photos / "1.png", photos / "left-out" / "3.png")
        with (photos / "2.png").open("wb", buffering=0) as half:
            half.write(content[: len(content) // 2])
            time.sleep(1.5)
            assert names() == ["1.png"], "half a photo was indexed"
            half.write(content[len(content) // 2 :])
        until(lambda: "2.png" in names())
        (photos / "1.png").unlink()
        until(lambda: "1 gone from their folders; --prune drops them" in said())
        assert names() == ["1.png", "2.png"]
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 130, said()
        assert "Traceback" not in said() and f"{index} keeps what was described" in said()
        assert Index.open(index).verify() == []
    finally:
        running.kill()
        running.wait()


@pytest.mark.parametrize("rest", [["--json"], ["--from-shards", "x"]])
def test_a_wrong_call_is_told(tmp_path: Path, rest: list[str]) -> None:
    done = solar("index", tmp_path, "--to", "x", "--watch", *rest, folder=tmp_path)
    assert done.returncode == 2 and "--watch: takes PHOTOS" in done.stderr
