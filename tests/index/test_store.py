"""The store against the machine: other writers, vanished files, media that cannot be written."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from solar.errors import IndexFolderError, SolarError
from solar.extraction import Described, Failed
from solar.index import Index
from solar.index._writer import Writer
from solar.photos import Box, Photo
from tests.index.bytes_extractor import EXTRACTION, BytesExtractor
from tests.index.bytes_features import BytesFeatures
from tests.index.listing import paths

REPOSITORY = Path(__file__).resolve().parents[2]


class Meddler(BytesExtractor):
    """Does something while photos are described: after hashing, before the commit."""

    meddle: Callable[[], object] = staticmethod(lambda: None)

    def describe(
        self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
    ) -> Iterator[Described | Failed]:
        self.meddle()
        yield from super().describe(photos, boxes)


def meddling(index: Index, meddle: Callable[[], object]) -> Index:
    extractor = Meddler()
    extractor.meddle = meddle
    return Index.open(index.folder, extractor)


def test_a_writer_whose_lock_was_deleted_stops(index: Index, photos: Path) -> None:
    (photos / "first.jpg").write_text("first")
    (photos / "second.jpg").write_text("second")

    def second() -> None:
        (index.folder / "lock").unlink()
        other = Index.open(index.folder, BytesExtractor())
        assert len(other.add(photos / "second.jpg").added) == 1

    with pytest.raises(IndexFolderError, match=r"lock.*deleted, moved or replaced"):
        meddling(index, second).add(photos / "first.jpg")
    after = Index.open(index.folder, BytesExtractor())
    assert after.verify() == []
    assert {Path(path).name for path in paths(after)} >= {"second.jpg"}
    assert len(after) == 6, "what was acknowledged is there, and nothing else"
    assert len(after.add(photos).added) == 1


def test_a_writer_of_an_index_that_was_made_anew_stops(index: Index, photos: Path) -> None:
    (photos / "first.jpg").write_text("first")

    def anew() -> None:
        shutil.rmtree(index.folder)
        other = Index.create(index.folder, BytesExtractor(), local=None)
        other.add(photos / "more")

    with pytest.raises(SolarError, match="deleted, moved or replaced"):
        meddling(index, anew).add(photos / "first.jpg")
    after = Index.open(index.folder, BytesExtractor())
    assert after.verify() == [] and len(after) == 2


def test_a_writer_of_an_index_that_was_moved_stops(
    index: Index, photos: Path, tmp_path: Path
) -> None:
    (photos / "first.jpg").write_text("first")
    moved = tmp_path / "moved.index"
    with pytest.raises(IndexFolderError, match=r"deleted|moved"):
        meddling(index, lambda: index.folder.rename(moved)).add(photos / "first.jpg")
    assert not index.folder.exists()
    assert Index.open(moved).verify() == [] and len(Index.open(moved)) == 5


@pytest.mark.parametrize(
    "name", ["lock", "catalogue-000001.db", "descriptors-000001.bin", "features-000001.bin"]
)
@pytest.mark.parametrize("call", ["add", "add_descriptors", "keep_features"])
def test_a_writer_stops_once_another_file_lies_where_it_writes(
    index: Index, photos: Path, tmp_path: Path, name: str, call: str, monkeypatch: Any
) -> None:
    """As when somebody restores a copy over the index meanwhile."""
    (photos / "first.jpg").write_text("first")
    opened = Writer.__init__

    def replaced(self: Writer, *arguments: Any, **options: Any) -> None:
        opened(self, *arguments, **options)
        shutil.copy(index.folder / name, tmp_path / name)
        (tmp_path / name).replace(index.folder / name)

    monkeypatch.setattr(Writer, "__init__", replaced)
    calls: dict[str, Callable[[], object]] = {
        "add": lambda: index.add(photos),
        "add_descriptors": lambda: index.add_descriptors(["x"], np.eye(1, 16), EXTRACTION),
        "keep_features": lambda: index.keep_features(BytesFeatures()),
    }
    with pytest.raises(IndexFolderError, match=rf"{name}.*deleted, moved or replaced"):
        calls[call]()
    monkeypatch.undo()
    after = Index.open(index.folder, BytesExtractor())
    assert after.verify() == [] and len(after) == 5 and after.info().features is None
    assert len(after.add(photos).added) == 1


@pytest.mark.parametrize("call", ["add", "compact"])
def test_two_writers_without_a_lock_never_damage_an_index(
    index: Index, photos: Path, call: str
) -> None:
    """The second one commits, or compacts, between the first one's proof and its writing."""
    (photos / "first.jpg").write_text("first")
    (photos / "second.jpg").write_text("second")
    index.remove([0])

    def second(frame: object, event: str, called: object) -> None:
        if event == "c_call" and getattr(called, "__name__", "") == "fsync":
            sys.setprofile(None)
            (index.folder / "lock").unlink()
            other = Index.open(index.folder, BytesExtractor())
            with pytest.raises(IndexFolderError, match=r"busy|commit"):
                other.add(photos / "second.jpg") if call == "add" else other.compact()

    from solar.index import _sqlite

    patience, _sqlite.SECONDS_BUSY = _sqlite.SECONDS_BUSY, 0.1
    sys.setprofile(second)
    try:
        index.add(photos / "first.jpg")
    finally:
        sys.setprofile(None)
        _sqlite.SECONDS_BUSY = patience
    after = Index.open(index.folder, BytesExtractor())
    assert after.verify() == [] and len(after) == 5


def test_a_photo_replaced_between_hash_and_decoding(index: Index, photos: Path) -> None:
    twin, other = photos / "twin1.jpg", photos / "twin2.jpg"
    for path in (twin, other):
        path.write_text("twins")
    new = photos.with_name("new.jpg")
    new.write_text("another picture")

    def replace_first() -> None:
        if new.exists():
            new.replace(twin)

    writer = meddling(index, replace_first)
    writer.add(photos)
    for path in (twin, other):
        hit = writer.search(path, top=1)[0]
        assert Path(hit.path) == path and hit.score == pytest.approx(1)
    report = index.add(photos)
    assert len(report.unchanged) == 7
    assert writer.verify() == []


def test_a_photo_that_goes_before_it_is_decoded_costs_nothing_else(
    index: Index, photos: Path
) -> None:
    for name in ("x1.jpg", "x2.jpg", "y.jpg"):
        (photos / name).write_text(name[0])
    writer = meddling(index, lambda: (photos / "x1.jpg").unlink(missing_ok=True))
    report = writer.add(photos)
    assert {Path(path).name for path in report.added} == {"x2.jpg", "y.jpg"}
    assert [Path(path).name for path, _ in report.failed] == ["x1.jpg"]
    assert writer.search(photos / "x2.jpg", top=1)[0].score == pytest.approx(1)


def test_a_change_that_keeps_size_and_time_is_seen(index: Index, photos: Path) -> None:
    before = (photos / "a.jpg").stat()
    time.sleep(0.02)
    (photos / "a.jpg").write_text("photo X.jpg")
    os.utime(photos / "a.jpg", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (photos / "a.jpg").stat().st_size == before.st_size
    report = index.add(photos)
    assert [Path(path).name for path in report.changed] == ["a.jpg"]


def killed_in_commit(folder: Path, photos: Path) -> None:
    """Leave a hot journal: kill a writer inside SQLite's transaction."""
    program = (
        "import os, signal, sys\n"
        "from solar.index import Index, _writer\n"
        "from tests.index.bytes_extractor import BytesExtractor\n"
        "old = _writer.write_versions\n"
        "def kill(connection, *changes):\n"
        "    connection.execute('PRAGMA cache_size = 1')\n"
        "    connection.execute('PRAGMA cache_spill = 1')\n"
        "    old(connection, *changes)\n"
        "    connection.execute('UPDATE photos SET reason = hex(randomblob(3000))')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "_writer.write_versions = kill\n"
        "Index.open(sys.argv[1], BytesExtractor()).add(sys.argv[2])\n"
    )
    command = [sys.executable, "-c", program, str(folder), str(photos)]
    assert subprocess.run(command, cwd=REPOSITORY).returncode == -signal.SIGKILL
    assert (folder / "catalogue-000001.db-journal").stat().st_size > 0


def test_a_copy_made_after_a_kill_is_opened(index: Index, photos: Path, tmp_path: Path) -> None:
    for number in range(50):
        (photos / f"{number}.jpg").write_text(f"{number}")
    before = paths(index)
    killed_in_commit(index.folder, photos)
    copy = tmp_path / "copy.index"
    shutil.copytree(index.folder, copy)
    for folder in (copy, index.folder):
        found = Index.open(folder, BytesExtractor())
        assert paths(found) == before and found.verify() == []
        assert len(found.add(photos).added) == 50
        assert found.verify() == []


READ = """
import sys
from pathlib import Path
from solar.index import Index
from tests.index.bytes_extractor import BytesExtractor
index = Index.open(sys.argv[1], BytesExtractor())
assert index.verify() == [], index.verify()
assert index.search(sys.argv[2], top=1)[0].score > 0.999
assert not index.refresh()
print(len(index))
try:
    index.add(sys.argv[2])
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs to give up root's rights")
@pytest.mark.parametrize("killed", [False, True])
def test_an_index_on_read_only_media_is_searched(index: Index, photos: Path, killed: bool) -> None:
    query = photos / "a.jpg"
    if killed:
        (photos / "new.jpg").write_text("new")
        killed_in_commit(index.folder, photos)
    before = {file: file.read_bytes() for file in index.folder.iterdir()}
    for path in (*index.folder.iterdir(), index.folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    command = [sys.executable, "-c", READ, str(index.folder), str(query)]
    if os.getuid() == 0:
        without = "-dac_override,-dac_read_search,-fowner"
        if shutil.which("setpriv") is None:
            pytest.skip("needs setpriv to give up root's rights")
        command = ["setpriv", f"--inh-caps={without}", f"--bounding-set={without}", *command]
    try:
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    finally:
        for path in (index.folder, *index.folder.iterdir()):
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert done.returncode == 0, done.stderr
    count, told = done.stdout.splitlines()
    assert count == "5" and told.startswith("IndexFolderError") and "cannot be written" in told
    assert {file: file.read_bytes() for file in index.folder.iterdir()} == before
