"""Finding, removing, compacting, and what an index refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from solar.errors import IndexFolderError, PhotoError, UsageError
from solar.index import Index
from tests.index.bytes_extractor import (
    EXTRACTION,
    NOT_A_PHOTO,
    BytesExtractor,
)
from tests.index.listing import found, paths


def test_a_box_is_searched_for_instead_of_the_whole_photo(index: Index, photos: Path) -> None:
    whole = index.search(photos / "a.jpg", top=1)
    part = index.search(photos / "a.jpg", top=1, box=(0, 0, 10, 10))
    assert part[0].score < whole[0].score


def test_removed_ids_are_not_used_again(index: Index, photos: Path) -> None:
    assert index.remove([str(photos / "a.jpg"), 4, photos / "a.jpg"]) == 2
    assert sorted(paths(index).values()) == [1, 2, 3]
    index.compact()
    index.add(photos)
    assert sorted(paths(index).values()) == [1, 2, 3, 5, 6]


def test_removing_what_is_not_there_removes_nothing(index: Index, photos: Path) -> None:
    for missing in (photos / "typo.jpg", 77):
        with pytest.raises(UsageError, match=r"typo\.jpg|77"):
            index.remove([photos / "a.jpg", missing])
    assert len(index) == 5


def test_compact_frees_room_and_changes_no_answer(index: Index, photos: Path) -> None:
    (photos / "bad.jpg").write_bytes(NOT_A_PHOTO)
    (photos / "b.jpg").write_text("another photo")
    index.add(photos)
    index.remove([photos / "a.jpg"])
    before = index.info()
    answer = index.search(photos / "c.jpg", top=10)
    index.compact()
    after = index.info()
    assert index.search(photos / "c.jpg", top=10) == answer
    assert after.failed == before.failed
    assert after.reclaimable == 0 < before.reclaimable
    assert index.verify() == []
    assert sum(f.stat().st_size for f in after.folder.iterdir()) - after.size < 200  # The lock.
    files = set(after.folder.iterdir())
    index.compact()
    assert set(after.folder.iterdir()) == files, "there was nothing to compact"


@pytest.mark.skipif(sys.platform != "linux", reason="needs file names that are any bytes")
def test_names_that_are_no_text_survive(tmp_path: Path, photos: Path) -> None:
    name = os.fsencode(photos) + b"/caf\xe9 \n \xff.jpg"
    Path(os.fsdecode(name)).write_bytes(b"photo")
    index = Index.create(tmp_path / "my.index", BytesExtractor(), local=None)
    index.add(photos)
    hit = Index.open(tmp_path / "my.index", BytesExtractor()).search(os.fsdecode(name), top=1)[0]
    assert os.fsencode(hit.path) == os.path.realpath(name)
    assert index.add(photos).unchanged == sorted(paths(index))
    assert index.remove([hit.path]) == 1


def test_a_photo_has_one_path_however_it_is_given(
    index: Index, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(photos, target_is_directory=True)
    monkeypatch.chdir(photos / "more")
    report = index.add(["../a.jpg", "d.jpg", tmp_path / "link" / "b.jpg", tmp_path / "link"])
    assert len(report.unchanged) == 5
    assert not report.added
    assert index.remove("../a.jpg") == 1


def test_other_descriptors_are_refused_and_named(index: Index) -> None:
    folder = index.folder
    others = {
        "model bytes .*, not bytes": replace(EXTRACTION, fingerprint="0" * 64),
        "dimensions 16, not 8": replace(EXTRACTION, dimensions=8),
        "image_size 64, not 65": replace(EXTRACTION, image_size=65),
        r"scales \(1.0, 0.5\), not \(1.0,\)": replace(EXTRACTION, scales=(1.0,)),
        "precision full, not int8": replace(EXTRACTION, precision="int8"),
        "upright photos|decoding draft, not stored": replace(EXTRACTION, decoding="stored"),
        "whitening None, not 000": replace(EXTRACTION, whitening="0" * 64),
    }
    for message, extraction in others.items():
        with pytest.raises(UsageError, match=message):
            Index.open(folder, BytesExtractor(extraction))
        with pytest.raises(UsageError, match=message):
            index.add_descriptors(["x"], np.eye(1, extraction.dimensions), extraction)
        with pytest.raises(UsageError, match=message):
            index.search_descriptors(np.eye(1, extraction.dimensions), extraction)
    with pytest.raises(UsageError, match="image_size 64, not 1024"):
        Index.open(folder, image_size=1024)
    with pytest.raises(UsageError, match="scales"):
        Index.open(folder, scales=(1, 2))
    Index.open(folder, BytesExtractor(replace(EXTRACTION, model="the same, moved")))
    Index.open(folder, image_size=64, scales=[1, 0.5])


def test_wrong_queries_are_refused(index: Index, photos: Path) -> None:
    with pytest.raises(UsageError, match=r"\(1, 8\)"):
        found(index, np.ones((1, 8), np.float32), 1)
    with pytest.raises(UsageError, match="shape"):
        found(index, np.ones(16, np.float32), 1)
    with pytest.raises(UsageError, match="finite"):
        found(index, np.full((1, 16), np.nan, np.float32), 1)
    with pytest.raises(UsageError, match="length 4 instead of 1"):
        found(index, np.ones((1, 16), np.float32), 1)
    with pytest.raises(UsageError, match="top"):
        index.search(photos / "a.jpg", top=0)
    (photos / "bad.jpg").write_bytes(NOT_A_PHOTO)
    with pytest.raises(PhotoError, match=r"bad\.jpg"):
        index.search(photos / "bad.jpg")


def test_create_refuses_what_is_in_use(tmp_path: Path, index: Index) -> None:
    with pytest.raises(IndexFolderError, match="index already"):
        Index.create(index.folder, BytesExtractor(), local=None)
    (tmp_path / "file").write_text("")
    with pytest.raises(IndexFolderError, match="is a file"):
        Index.create(tmp_path / "file", BytesExtractor(), local=None)
    with pytest.raises(IndexFolderError, match=r"holds (photos|file|my\.index)"):
        Index.create(tmp_path, BytesExtractor(), local=None)
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "my.index", "file"}


def test_create_takes_an_empty_folder_or_what_a_killed_create_left(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("")
    (tmp_path / "catalogue.partial").write_text("{")
    index = Index.create(tmp_path, BytesExtractor(), local=None)
    assert len(index) == 0
    assert index.verify() == []
    assert found(index, np.eye(2, 16, dtype=np.float32), 9) == [[], []]
    assert {file.name for file in tmp_path.iterdir()} == {"catalogue-000001.db", "lock"}


def test_a_small_index_needs_neither_torch_nor_faiss(
    tmp_path: Path, index: Index, photos: Path
) -> None:
    program = (
        "import sys; from solar.index import Index; from tests.index.bytes_extractor import *\n"
        f"index = Index.open({str(index.folder)!r}, BytesExtractor())\n"
        f"index.add({str(photos)!r}); index.search({str(photos / 'a.jpg')!r}); index.verify()\n"
        "assert not {'torch', 'faiss'} & set(sys.modules)"
    )
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", program], check=True, cwd=root)


def test_an_emptied_index_is_compacted_and_goes_on(index: Index, photos: Path) -> None:
    assert index.remove(range(5)) == 5
    index.compact()
    assert len(index) == 0
    assert index.verify() == []
    assert len(index.add(photos).added) == 5
    assert sorted(paths(index).values()) == [5, 6, 7, 8, 9]
