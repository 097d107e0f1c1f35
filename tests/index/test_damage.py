"""Damaged and hostile index folders, and disks that refuse to write."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from solar.errors import IndexDamaged, IndexFolderError, SolarError
from solar.extraction import Extraction
from solar.index import Index
from solar.index._entries import Commit, Entry, _sum, checksum
from solar.index.vectors._rows import halves_of
from tests.index.bytes_extractor import (
    EXTRACTION,
    NOT_A_PHOTO,
    BytesExtractor,
    describe_bytes,
    five_photos,
)
from tests.index.bytes_features import MADE, BytesFeatures
from tests.index.listing import found, paths
from tests.kept import keep, restored

DATA = ("descriptors-000001.bin", "float16-000001.bin", "features-000001.bin")
CATALOGUE = "catalogue-000001.db"
REPOSITORY = Path(__file__).resolve().parents[2]
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos and an index with something of everything."""
    home = tmp_path_factory.mktemp("damage") / "home"
    photos = five_photos(home / "photos")
    index = Index.create(home / "my.index", BytesExtractor(), local=None)
    index.add(photos)
    index.keep_features(BytesFeatures())
    index.add(photos)
    (photos / "a.jpg").write_text("changed")
    (photos / "bad.jpg").write_bytes(NOT_A_PHOTO)
    index.add(photos)
    index.remove([photos / "b.jpg"])
    assert index.verify() == []
    return keep(home)


@pytest.fixture
def photos(home: Path) -> Path:
    """Photos and index as they were, at the paths that the index knows."""
    return restored(home) / "photos"


@pytest.fixture
def folder(photos: Path) -> Path:
    """Of the index."""
    return photos.parent / "my.index"


def problems(folder: Path) -> list[str]:
    """What `solar verify` would say."""
    try:
        return Index.open(folder).verify()
    except IndexFolderError as error:
        return [str(error)]


def answers(folder: Path) -> object:
    """Everything that an index says."""
    index = Index.open(folder)
    features = index.features(list(index))
    return (
        list(index.photos()),
        found(index, np.eye(3, 16, dtype=np.float32), 99),
        [None if each is None else each.rows().tobytes() for each in features],
        index.extraction,
        replace(index.info(), size=0, reclaimable=0),
    )


def flipped(folder: Path, name: str, positions: range) -> tuple[int, int]:
    """Flip bytes, one at a time: how many were found, and how many changed no answer."""
    file = folder / name
    whole = file.read_bytes()
    right = answers(folder)
    told = harmless = 0
    for position in positions:
        broken = bytearray(whole)
        broken[position] ^= 0xFF if position % 2 else 1 << position % 7
        file.write_bytes(broken)
        if problems(folder):
            told += 1
            continue
        assert answers(folder) == right, f"byte {position} of {name}"
        harmless += 1
    file.write_bytes(whole)
    assert problems(folder) == []
    return told, harmless


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", DATA)
def test_every_flipped_byte_of_data_is_found(folder: Path, name: str, step: int) -> None:
    Index.open(folder).compact()  # What no photo has any more may be damaged.
    name = name.replace("-000001", "-000002")
    told, harmless = flipped(folder, name, range(0, (folder / name).stat().st_size, step))
    assert told > 100 // step and not harmless


@pytest.mark.slow
def test_every_flip_in_the_catalogue_that_changes_an_answer_is_found(folder: Path) -> None:
    told, harmless = flipped(folder, CATALOGUE, range(0, (folder / CATALOGUE).stat().st_size, 53))
    assert told > 20 and harmless > 20  # Most of such a small file is empty.


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
def test_every_single_flip_in_the_catalogue_is_found(folder: Path) -> None:
    told, harmless = flipped(folder, CATALOGUE, range((folder / CATALOGUE).stat().st_size))
    assert told > 1000 and harmless > 1000


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE photos SET path = 'x' WHERE id = 2", "damaged|match"),
        ("UPDATE photos SET sha256 = zeroblob(32) WHERE id = 2", "damaged|match"),
        ("UPDATE photos SET row = 0 WHERE id = 2", "damaged|match"),
        ("UPDATE photos SET row = 10000000 WHERE id = 2", "damaged|not there"),
        ("UPDATE photos SET id = 3 WHERE id = 2", "damaged|match"),
        ("UPDATE photos SET width = 1 WHERE id = 2", "damaged|match"),
        ("UPDATE photos SET taken = '2020-01-01T00:00:00' WHERE id = 2", "damaged|match"),
        ("UPDATE photos SET latitude = 48.85 WHERE id = 2", "damaged|match"),
        ("UPDATE photos SET born = 99 WHERE id = 2", "missing"),
        ("UPDATE photos SET died = 1 WHERE id = 2", "missing"),
        ("UPDATE photos SET died = NULL", "missing"),
        ("DELETE FROM photos WHERE id = 2", "missing"),
        ("UPDATE roots SET path = x'2f'", "roots"),
        ("DELETE FROM roots", "roots"),
        ("UPDATE state SET document = replace(document, '64', '65')", "checksum"),
        ("DELETE FROM state", "settings"),
        ("INSERT INTO state SELECT document FROM state", "settings"),
        ("CREATE TABLE other (x)", "other tables"),
        ("CREATE TRIGGER t AFTER DELETE ON photos BEGIN DELETE FROM roots; END", "other tables"),
        ("DROP INDEX by_path", "other tables"),
    ],
)
def test_every_change_by_hand_is_found(folder: Path, statement: str, message: str) -> None:
    with closing(sqlite3.connect(folder / CATALOGUE)) as connection:
        connection.execute(statement.replace("'x'", "CAST('x' AS BLOB)"))
        connection.commit()
    assert any(part in " ".join(problems(folder)) for part in message.split("|")), problems(folder)


def test_a_damaged_descriptor_is_told_by_its_photo(folder: Path, photos: Path) -> None:
    file = folder / DATA[0]
    broken = bytearray(file.read_bytes())
    broken[broken.index(describe_bytes(b"photo c.jpg").tobytes()) + 9] ^= 1
    file.write_bytes(broken)
    (problem,) = Index.open(folder).verify()
    assert str(photos.resolve() / "c.jpg") in problem


def test_damage_is_never_given_a_good_checksum(folder: Path, photos: Path) -> None:
    file = folder / DATA[0]
    broken = bytearray(file.read_bytes())
    broken[broken.index(describe_bytes(b"photo c.jpg").tobytes()) + 9] ^= 1
    file.write_bytes(broken)
    index = Index.open(folder, BytesExtractor())
    with pytest.raises(IndexDamaged, match=r"c\.jpg.*solar remove"):
        index.compact()
    assert len(index.verify()) == 1, "compacting has changed something"
    (photos / "twin.jpg").write_text("photo c.jpg")  # Would be given the stored descriptor.
    index.keep_features(BytesFeatures())
    report = index.add(photos)
    assert [Path(path).name for path in report.added] == ["b.jpg", "twin.jpg"]
    assert len(index.verify()) == 1
    best = index.search(photos / "twin.jpg", top=2, rerank="none")
    assert {Path(hit.path).name for hit in best} == {"c.jpg", "twin.jpg"}
    index.remove([photos / "c.jpg"])
    index.compact()
    assert index.verify() == []


def forge(folder: Path, odd: Callable[[Any], Any] | None = None, **changes: object) -> None:
    """Change the photo of id 2 as a stranger could: with all checksums right."""
    rows = np.fromfile(folder / DATA[0], "<f4").reshape(-1, 16)
    with closing(sqlite3.connect(folder / CATALOGUE)) as connection:
        fields = ", ".join(Entry._fields)
        question = f"SELECT {fields}, born, version FROM photos WHERE id = 2 AND died IS NULL"  # noqa: S608
        *values, born, version = connection.execute(question).fetchone()
        entry = Entry(*values)
        assert entry.row is not None
        if odd is not None:
            rows[entry.row] = odd(rows[entry.row])
        changed = entry._replace(descriptor_sum=checksum(rows[entry.row].tobytes()))
        changed = changed._replace(**changes)  # type: ignore[arg-type]
        ((document,),) = connection.execute("SELECT document FROM state").fetchall()
        content = json.loads(document)
        content.pop("checksum")
        before, after = (int.from_bytes(e.checksum(born), "big") for e in (entry, changed))
        content["digest"] = (content["digest"] - before + after) % (1 << 64)
        document = json.dumps({**content, "checksum": _sum(content)})
        connection.execute("UPDATE state SET document = ?", (document,))
        connection.execute(
            f"UPDATE photos SET ({fields}, checksum) = ({', '.join('?' * (len(changed) + 1))}) "  # noqa: S608
            "WHERE version = ?",
            (*changed, changed.checksum(born), version),
        )
        connection.commit()
    rows.tofile(folder / DATA[0])
    halves_of(rows).tofile(folder / DATA[1])


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "3e38", "2", "all 0", "all 1e-30"])
def test_numbers_that_no_descriptor_has_are_told(folder: Path, photos: Path, value: str) -> None:
    """As in a stranger's index, whose checksums are right."""

    def odd(row: Any) -> Any:
        if value.startswith("all"):
            return row * np.float32(value[4:])
        return np.where(np.arange(16) == 5, np.float32(value), row)

    forge(folder, odd)
    (problem,) = problems(folder)
    assert "c.jpg" in problem and "length" in problem
    with pytest.raises(IndexDamaged, match=r"c\.jpg.*length.*solar remove"):
        found(Index.open(folder), np.eye(1, 16, dtype=np.float32), 3)
    index = Index.open(folder, BytesExtractor())
    index.keep_features(BytesFeatures())
    with pytest.raises(IndexDamaged, match=r"c\.jpg"):
        index.warm()
    with pytest.raises(IndexDamaged, match=r"c\.jpg"):
        index.search(2, rerank="none")
    with pytest.raises(IndexDamaged, match=r"c\.jpg"):
        index.compact()
    with pytest.raises(IndexDamaged, match=r"c\.jpg"):
        index.descriptors_file()
    (photos / "twin.jpg").write_text("photo c.jpg")  # Described, not given the stored one.
    index.add(photos / "twin.jpg")
    assert len(index.verify()) == 1
    index.remove(2)
    assert len(found(index, np.eye(1, 16, dtype=np.float32), 9)[0]) == 4


def test_a_found_row_that_is_none_beside_a_good_copy_is_told(folder: Path) -> None:
    file = folder / DATA[0]
    rows = np.fromfile(file, "<f4").reshape(-1, 16)
    (3 * rows).tofile(file)
    with pytest.raises(IndexDamaged, match=r"\.jpg.*length 3 .*solar remove"):
        found(Index.open(folder), rows[:1], 1)


@pytest.mark.parametrize(
    "changes",
    [
        *({"row": 10**9}, {"row": -1}, {"row": 0}, {"id": -5}, {"id": 0}, {"id": 10**12}),
        *({"root": 77}, {"features_at": -7}),
    ],
)
def test_numbers_that_no_photo_has_are_told(folder: Path, changes: dict[str, Any]) -> None:
    """As in a stranger's index; whatever else is asked of it ends well, or in one line."""
    forge(folder, **changes)
    assert problems(folder)
    index = Index.open(folder, BytesExtractor())
    index.keep_features(BytesFeatures())
    query = np.eye(1, 16, dtype=np.float32)
    asked = index.info, lambda: list(index.photos()), index.warm, lambda: found(index, query, 9)
    for ask in (*asked, index.compact):
        with contextlib.suppress(IndexDamaged):
            ask()
    with contextlib.suppress(IndexDamaged):
        index.renew(BytesExtractor(replace(EXTRACTION, fingerprint="0" * 64)))


@pytest.mark.parametrize("name", [*DATA, CATALOGUE])
@pytest.mark.parametrize("length", [0, 1, -1])
def test_a_file_that_is_cut_or_missing_is_refused(folder: Path, name: str, length: int) -> None:
    file = folder / name
    whole = file.read_bytes()
    file.write_bytes(whole[:length])
    with pytest.raises(IndexFolderError, match=name.split("-")[0]):
        Index.open(folder)
        raise IndexFolderError(f"{name}: " + Index.open(folder).verify()[0])
    file.unlink()
    with pytest.raises(IndexFolderError, match=r"is missing|but no index"):
        Index.open(folder)


@pytest.mark.parametrize("fill", [b"\0", b"\xff"])
@pytest.mark.parametrize("name", [*DATA, CATALOGUE])
def test_a_file_of_nothing_is_told(folder: Path, name: str, fill: bytes) -> None:
    file = folder / name
    file.write_bytes(fill * file.stat().st_size)
    assert problems(folder)
    with pytest.raises(SolarError):
        index = Index.open(folder)
        index.features(list(index))
        found(index, np.eye(1, 16, dtype=np.float32), 9)


def test_what_lies_beyond_the_last_commit_is_ignored(folder: Path, photos: Path) -> None:
    before = paths(Index.open(folder))
    for name in DATA:
        with (folder / name).open("ab") as file:
            file.write(os.urandom(777))
    for name in ("descriptors", "float16"):
        (folder / f"{name}-000002.bin").write_bytes(b"of a compaction that was killed")
    (folder / "catalogue.partial").write_bytes(b"{")
    (folder / "notes.txt").write_text("someone's own")
    index = Index.open(folder, BytesExtractor())
    assert index.verify() == []
    assert paths(index) == before
    assert (folder / "descriptors-000002.bin").exists(), "a reader must not delete"
    (photos / "new.jpg").write_text("new")
    index.keep_features(BytesFeatures())
    index.add(photos / "new.jpg")
    assert index.verify() == []
    names = {file.name for file in folder.iterdir()}
    assert names == {*DATA, CATALOGUE, "lock", "notes.txt"}


def hostile(change: Callable[[dict[str, Any]], object]) -> str:
    """Settings with some change, and the right checksum."""
    content = json.loads(Commit(EXTRACTION, MADE, roots="0" * 16).to_text())
    content.pop("checksum")
    change(content)
    return json.dumps({**content, "checksum": _sum(content)})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "cannot be read"),
        ("[" * 50_000, "cannot be read"),
        ("[]", "cannot be read"),
        ("{}", "cannot be read"),
        (hostile(lambda m: m.update(format=2)), "another version"),
        (hostile(lambda m: m.update(next_id=-1)), "'next_id' must be"),
        (hostile(lambda m: m.update(rows=10**30)), "'rows' must be"),
        (hostile(lambda m: m.update(rows=True)), "'rows' must be"),
        (hostile(lambda m: m.update(rows=1 << 40)), "cut short|no descriptors|is missing"),
        (hostile(lambda m: m.update(kind="../x")), "kind"),
        (hostile(lambda m: m.update(extraction=[])), "extraction"),
        (hostile(lambda m: m["extraction"].update(scales=[1e-30])), "scale"),
        (hostile(lambda m: m["extraction"].update(image_size=10**30)), "image"),
        (hostile(lambda m: m["extraction"].update(dimensions=0)), "dimensions"),
        (hostile(lambda m: m["features"].update(dimensions=0)), "dimensions"),
        (hostile(lambda m: m.update(extra=7)), "checksum"),
        (hostile(lambda m: m).replace('"photos": 0', '"photos": 1'), "checksum"),
    ],
)
def test_hostile_settings_are_refused(tmp_path: Path, text: str, message: str) -> None:
    index = Index.create(tmp_path / "my.index", BytesExtractor(), local=None)
    with closing(sqlite3.connect(index.folder / CATALOGUE)) as connection:
        connection.execute("UPDATE state SET document = ?", (text,))
        connection.commit()
    with pytest.raises(SolarError, match=message) as raised:
        Index.open(index.folder)
    assert "\n" not in str(raised.value)


@PATIENT
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    st.data(),
)
def test_no_settings_make_another_error(value: Any, data: st.DataObject) -> None:
    """Whatever is put in the place of one field, with the right checksum."""
    content = json.loads(Commit(EXTRACTION, MADE, roots="0" * 16).to_text())
    content.pop("checksum")
    inner = data.draw(st.sampled_from([content, *(v for v in content.values() if type(v) is dict)]))
    inner[data.draw(st.sampled_from(sorted(inner)))] = value
    try:
        Commit.from_text(json.dumps({**content, "checksum": _sum(content)}), Path("catalogue"))
    except IndexDamaged as error:
        assert "\n" not in str(error)


@PATIENT
@given(
    st.builds(
        Extraction,
        st.text(st.characters(exclude_characters="\0"), min_size=1),
        st.text("0123456789abcdef", min_size=64, max_size=64),
        st.integers(1, 1 << 16),
        st.integers(32, 4096),
        st.just((1.0, 2**0.5)),
    ),
    st.integers(0, 1 << 40),
)
def test_a_commit_comes_back_as_it_was_written(made: Extraction, number: int) -> None:
    commit = Commit(made, generation=number, rows=number, photos=7, digest=number, roots="00")
    assert Commit.from_text(commit.to_text(), Path("catalogue")) == commit


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_plain_file_is_not_opened(folder: Path, photos: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    for name in (*DATA, CATALOGUE, "lock"):
        copy = tmp_path / f"copy-{name}"
        shutil.copytree(folder, copy)
        (copy / name).replace(target)
        (copy / name).symlink_to(target)
        before = target.read_bytes()
        with pytest.raises(IndexFolderError, match=r"regular file|cannot be written"):
            Index.open(copy, BytesExtractor()).add(photos)
        assert target.read_bytes() == before
        (copy / name).unlink()
        if name != "lock":
            os.mkfifo(copy / name)
            with pytest.raises(IndexFolderError, match="regular file"):
                Index.open(copy)


FULL_DISK = """
import resource, sys
from solar.errors import IndexFolderError
from solar.index import Index
from tests.index.bytes_extractor import BytesExtractor
from solar.index.vectors._rows import halves_of
from tests.index.bytes_features import BytesFeatures
folder, photos, limit = sys.argv[1:]
index = Index.open(folder, BytesExtractor())
index.keep_features(BytesFeatures())
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
for call in (lambda: index.add(photos), index.compact):
    try:
        call()
    except IndexFolderError as error:
        print(error)
    assert index.verify() == []
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
def test_a_full_disk_leaves_the_last_commit(folder: Path, photos: Path) -> None:
    before = paths(Index.open(folder))
    for number in range(20):
        (photos / f"{number}.jpg").write_text(f"new {number}")
    sizes = {(folder / name).stat().st_size for name in (*DATA, CATALOGUE)}
    for limit in sorted({0, 300, 1024, *sizes}):
        command = [sys.executable, "-c", FULL_DISK, str(folder), str(photos), str(limit)]
        told = subprocess.run(command, check=True, cwd=REPOSITORY, capture_output=True, text=True)
        if limit < min(sizes):
            assert "could not be written" in told.stdout or "cannot be" in told.stdout, limit
        assert problems(folder) == []
        held = paths(Index.open(folder))
        assert {path: held[path] for path in before} == before
    index = Index.open(folder, BytesExtractor())
    index.keep_features(BytesFeatures())
    index.add(photos)
    assert len(index) == len(before) + 20 + 1  # The one that was removed is back.
    assert index.verify() == []
