"""Damaged and hostile index folders, and disks that refuse to write."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from solar.errors import IndexFolderError
from solar.index import Index
from solar.index.manifest import Manifest, Settings
from solar.index.records import RECORD
from tests.index.bytes_describer import NOT_A_PHOTO, SETTINGS, BytesDescriber, describe_bytes
from tests.index.listing import paths

KINDS = ("manifest.json", "descriptors-000001.bin", "records-000001.bin", "texts-000001.bin")
REPOSITORY = Path(__file__).resolve().parents[2]
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture
def folder(index: Index, photos: Path) -> Path:
    """Of an index with something of everything."""
    (photos / "a.jpg").write_text("changed")
    (photos / "bad.jpg").write_bytes(NOT_A_PHOTO)
    index.add(photos)
    index.remove([photos / "b.jpg"])
    assert index.verify() == []
    return index.info().folder


def problems(folder: Path) -> list[str]:
    """What `solar verify` would say."""
    try:
        return Index.open(folder).verify()
    except IndexFolderError as error:
        return [str(error)]


@pytest.mark.parametrize("name", KINDS)
def test_every_flipped_byte_is_found(folder: Path, name: str) -> None:
    index = Index.open(folder)
    file = folder / name
    whole = file.read_bytes()
    for position in range(len(whole)):
        broken = bytearray(whole)
        broken[position] ^= 0xFF if position % 2 else 1 << position % 7
        file.write_bytes(broken)
        assert problems(folder), f"byte {position} of {name}"
    assert index.verify(), "an index that is already open was not checked on disk"
    file.write_bytes(whole)
    assert problems(folder) == []


def test_a_damaged_descriptor_is_told_by_its_photo(folder: Path, photos: Path) -> None:
    file = folder / "descriptors-000001.bin"
    broken = bytearray(file.read_bytes())
    broken[broken.index(describe_bytes(b"photo c.jpg").tobytes()) + 9] ^= 1
    file.write_bytes(broken)
    (problem,) = Index.open(folder).verify()
    assert str(photos.resolve() / "c.jpg") in problem


@pytest.mark.parametrize("name", KINDS)
def test_a_file_that_is_cut_or_missing_is_refused(folder: Path, name: str) -> None:
    file = folder / name
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    with pytest.raises(IndexFolderError, match=name.split("-")[0]):
        Index.open(folder)
    file.unlink()
    with pytest.raises(IndexFolderError, match=r"is missing|no index"):
        Index.open(folder)


def test_what_lies_beyond_the_last_commit_is_ignored(folder: Path, photos: Path) -> None:
    before = paths(Index.open(folder))
    for name in KINDS[1:]:
        with (folder / name).open("ab") as file:
            file.write(os.urandom(777))
    (folder / "records-000002.bin").write_bytes(b"of a compaction that was killed")
    (folder / ".manifest.json.0123abcd.partial").write_bytes(b"{")
    (folder / "notes.txt").write_text("someone's own")
    index = Index.open(folder, BytesDescriber())
    assert index.verify() == []
    assert paths(index) == before
    assert (folder / "records-000002.bin").exists(), "a reader must not delete"
    (photos / "new.jpg").write_text("new")
    index.add(photos / "new.jpg")
    assert index.verify() == []
    assert {file.name for file in folder.iterdir()} == {*KINDS, "lock", "notes.txt"}


def hostile(change: Callable[[dict[str, Any]], object]) -> bytes:
    """A manifest with some change."""
    content = json.loads(Manifest(SETTINGS).to_bytes())
    change(content)
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"format": 1' + b"0" * 10_000 + b"}", "not JSON|not the manifest|must be a text"),
        (b"[]", "JSON object"),
        (b"{}", "'format' must be a text"),
        (hostile(lambda m: m.update(format="other")), "not the manifest of a Solar index"),
        (hostile(lambda m: m.update(version=2)), "upgrade Solar"),
        (hostile(lambda m: m.update(version=True)), "'version' must be"),
        (hostile(lambda m: m.update(next_id=-1)), "'next_id' must be"),
        (hostile(lambda m: m.update(next_id=1.0)), "'next_id' must be"),
        (hostile(lambda m: m.update(next_id=7)), "checksum"),
        (hostile(lambda m: m.update(extra=7)), "checksum"),
        (hostile(lambda m: m.pop("sha256")), "checksum"),
        (hostile(lambda m: m.update(files=[])), "'files' must be a JSON object"),
        (hostile(lambda m: m["files"].update(rows=10**30)), "'rows' must be"),
        (hostile(lambda m: m["files"].update(generation="../../x")), "'generation' must be"),
        (hostile(lambda m: m["files"].update(generation=0)), "'generation' must be"),
        (hostile(lambda m: m["model"].update(name=None)), "'name' must be"),
        (hostile(lambda m: m["model"].update(name="a\0b")), "'name' must be"),
        (hostile(lambda m: m["model"].update(fingerprint="../x")), "'fingerprint' must be"),
        (hostile(lambda m: m["model"].update(dimensions=0)), "'dimensions' must be"),
        (hostile(lambda m: m["extraction"].update(image_size="9")), "'image_size' must be"),
        (hostile(lambda m: m["extraction"].update(scales=[])), "'scales' must be"),
        (hostile(lambda m: m["extraction"].update(scales=[float("nan")])), "'scales' must be"),
        (hostile(lambda m: m["extraction"].update(scales=["1"])), "'scales' must be"),
    ],
)
def test_a_hostile_manifest_is_refused(tmp_path: Path, raw: bytes, message: str) -> None:
    (tmp_path / "manifest.json").write_bytes(raw)
    with pytest.raises(IndexFolderError, match=message) as raised:
        Index.open(tmp_path)
    assert "\n" not in str(raised.value)
    assert "manifest.json" in str(raised.value)


@PATIENT
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    st.data(),
)
def test_no_manifest_makes_another_error(value: Any, data: st.DataObject) -> None:
    """Whatever is put in the place of one field."""
    content = json.loads(Manifest(SETTINGS).to_bytes())
    inner = data.draw(st.sampled_from([content, *(v for v in content.values() if type(v) is dict)]))
    inner[data.draw(st.sampled_from(sorted(inner)))] = value
    with pytest.raises(IndexFolderError):
        Manifest.from_bytes(json.dumps(content).encode(), Path("manifest.json"))


@PATIENT
@given(
    st.builds(
        Settings,
        st.text(st.characters(exclude_characters="\0"), min_size=1),
        st.text("0123456789abcdef", min_size=64, max_size=64),
        st.integers(1, 1 << 16),
        st.integers(1, 1 << 20),
        st.lists(st.floats(0, 100, exclude_min=True), min_size=1, max_size=9).map(tuple),
    )
)
def test_a_manifest_comes_back_as_it_was_written(made_with: Settings) -> None:
    manifest = Manifest(made_with, generation=3, records=1, rows=2, text_bytes=3, next_id=4)
    assert Manifest.from_bytes(manifest.to_bytes(), Path("manifest.json")) == manifest


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("row", 99),
        ("row", -1),
        ("row", 2**62),
        ("row", -(2**62)),
        ("text", -1),
        ("text", 2**63 - 1),
        ("path_length", -1),
        ("path_length", 2**31 - 1),
        ("reason_length", -1),
        ("reason_length", 2**31 - 1),
        ("id", -1),
        ("id", 10**9),
        ("state", 3),
        ("state", -1),
        ("state", 1),
    ],
)
def test_records_that_point_elsewhere_are_refused(folder: Path, field: str, value: int) -> None:
    file = folder / "records-000001.bin"
    records = np.frombuffer(bytearray(file.read_bytes()), RECORD)
    records[field][0] = value
    file.write_bytes(records.tobytes())
    with pytest.raises(IndexFolderError, match="record 0 makes no sense"):
        Index.open(folder)


def test_a_manifest_that_promises_too_much_is_refused(folder: Path) -> None:
    manifest = replace(Manifest.read(folder), rows=1 << 47)
    manifest.write(folder)
    with pytest.raises(IndexFolderError, match="cut short"):
        Index.open(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_plain_file_is_not_opened(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    for name in (*KINDS[1:], "lock"):
        copy = tmp_path / f"copy-{name}"
        shutil.copytree(folder, copy)
        (copy / name).replace(target)
        (copy / name).symlink_to(target)
        before = target.read_bytes()
        with pytest.raises(IndexFolderError, match=r"regular file|cannot be written"):
            Index.open(copy, BytesDescriber()).add(tmp_path / "photos")
        assert target.read_bytes() == before
    (folder / "manifest.json").unlink()
    os.mkfifo(folder / "manifest.json")
    with pytest.raises(IndexFolderError, match="regular file"):
        Index.open(folder)


FULL_DISK = """
import resource, sys
from solar.errors import IndexFolderError
from solar.index import Index
from tests.index.bytes_describer import BytesDescriber
folder, photos, limit = sys.argv[1:]
index = Index.open(folder, BytesDescriber())
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
for call in (lambda: index.add(photos), index.compact):
    try:
        call()
    except IndexFolderError as error:
        print(error)
    assert index.verify() == []
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
def test_a_full_disk_leaves_the_last_commit(folder: Path, photos: Path) -> None:
    before = paths(Index.open(folder))
    for number in range(20):
        (photos / f"{number}.jpg").write_text(f"new {number}")
    sizes = {(folder / name).stat().st_size for name in KINDS}
    for limit in sorted({0, *sizes, max(sizes) + 50}):
        command = [sys.executable, "-c", FULL_DISK, str(folder), str(photos), str(limit)]
        told = subprocess.run(command, check=True, cwd=REPOSITORY, capture_output=True, text=True)
        if limit < max(sizes):
            assert "could not be written" in told.stdout or "cannot be" in told.stdout, limit
        assert problems(folder) == []
        found = paths(Index.open(folder))
        assert {path: found[path] for path in before} == before
    index = Index.open(folder, BytesDescriber())
    index.add(photos)
    assert len(index) == len(before) + 20 + 1  # The one that was removed is back.
    assert index.verify() == []
