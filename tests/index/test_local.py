"""Features beside an index: for which photos they are made, and that they stay right."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from solar.errors import IndexFolderError, UsageError
from solar.features.features import Features
from solar.index import Index
from solar.index.local_manifest import LocalManifest
from solar.index.local_store import LocalStore
from solar.index.lock import writer_lock
from tests.index.bytes_describer import BytesDescriber, describe_bytes
from tests.index.bytes_local import EXTRACTION, NO_KEYPOINTS, BytesLocal, bytes_features
from tests.index.listing import paths

FILES = ("manifest.json", "records-000001.bin", "keypoints-000001.bin")


def same(found: Features | None, content: bytes) -> bool:
    expected = bytes_features(content)
    return (
        found is not None
        and (found.width, found.height) == (expected.width, expected.height)
        and np.array_equal(found.rows(), expected.rows())
    )


def check(index: Index) -> None:
    """Every photo of the index has the features of its content, and no byte is damaged."""
    held = paths(index)
    for path, found in zip(held, index.features_of(held.values()), strict=True):
        assert same(found, Path(path).read_bytes()), path
    assert index.verify() == []


@pytest.fixture
def local(index: Index, photos: Path) -> Index:
    """The index of five photos, with their features."""
    index.keep_local(BytesLocal())
    index.add(photos)
    return index


def test_photos_that_were_there_get_features_with_the_next_add(index: Index, photos: Path) -> None:
    extractor = BytesLocal()
    index.keep_local(extractor)
    assert index.features_of([0]) == [None]
    assert len(index.add(photos / "more").unchanged) == 2
    assert {path.name for path in extractor.described} == {"d.jpg", "e.jpg"}
    index.add(photos)
    check(index)
    assert len(extractor.described) == 5
    local = index.info().local
    assert local is not None and (local.photos, local.reclaimable) == (5, 0)
    check(Index.open(index.info().folder))


def test_only_new_content_is_described(local: Index, photos: Path) -> None:
    extractor = BytesLocal()
    local.keep_local(extractor)
    (photos / "copy.jpg").write_bytes((photos / "a.jpg").read_bytes())
    (photos / "b.jpg").write_text("changed")
    (photos / "twin.jpg").write_text("changed")
    local.add(photos)
    assert [path.read_text() for path in extractor.described] == ["changed"]
    check(local)


def test_a_reopened_index_goes_on_and_tells_progress(local: Index, photos: Path) -> None:
    for number in range(3):
        (photos / f"new{number}.jpg").write_text(f"new {number}")
    again = Index.open(local.info().folder, BytesDescriber())
    again.keep_local(BytesLocal())
    told: list[tuple[int, int]] = []
    again.add(photos, progress=lambda *counts: told.append(counts))
    assert told == [(n, 8) for n in range(1, 9)] + [(n, 3) for n in range(1, 4)]
    check(again)


def test_a_photo_without_keypoints_is_not_described_again(local: Index, photos: Path) -> None:
    (photos / "flat.jpg").write_bytes(NO_KEYPOINTS)
    extractor = BytesLocal()
    local.keep_local(extractor)
    for _ in range(2):
        local.add(photos)
    assert len(extractor.described) == 1
    (found,) = local.features_of([5])
    assert found is not None and len(found) == 0


def test_what_cannot_be_described_is_told_each_time_and_stops_nothing(
    local: Index, photos: Path
) -> None:
    (photos / "bad.jpg").write_text("blind")
    (photos / "good.jpg").write_text("good")
    for _ in range(2):
        report = local.add(photos)
        ((path, reason),) = report.without_features
        assert path == f"{photos.resolve()}/bad.jpg" and "bad.jpg: cannot be described" in reason
        assert not report.failed
    assert local.features_of([5]) == [None]
    assert same(local.features_of([6])[0], b"good")


def test_a_photo_that_changes_while_it_is_described_gets_no_features(
    local: Index, photos: Path
) -> None:
    class Meddler(BytesLocal):
        def describe(self, photos: Sequence[Any], boxes: Any = None) -> Iterator[Any]:
            for path in photos:
                path.write_text("changed meanwhile")
            return super().describe(photos, boxes)

    (photos / "new.jpg").write_text("new")
    local.keep_local(Meddler())
    ((_, reason),) = local.add(photos).without_features
    assert "has just changed" in reason
    local.keep_local(BytesLocal())
    assert local.add(photos).without_features == []
    check(local)


def test_compact_frees_features_of_no_photo_and_only_these(local: Index, photos: Path) -> None:
    (photos / "copy.jpg").write_bytes((photos / "a.jpg").read_bytes())
    local.add(photos)
    local.remove([photos / "a.jpg", photos / "b.jpg"])
    before = local.info().local
    assert before is not None and before.reclaimable == 1
    local.compact()
    after = local.info().local
    assert after is not None and (after.photos, after.reclaimable) == (4, 0)
    assert after.size < before.size
    check(local)
    folder = local.info().folder / "local"
    assert {file.name.split("-")[0] for file in folder.iterdir()} == {
        *("keypoints", "lock", "manifest.json", "records")
    }
    files = set(folder.iterdir())
    local.compact()
    assert set(folder.iterdir()) == files
    local.add(photos)
    check(local)


def test_an_index_without_features_says_how_to_get_them(index: Index) -> None:
    assert index.info().local is None
    with pytest.raises(IndexFolderError, match=r"keeps no features: .*solar index .*--local"):
        index.features_of([0])
    with pytest.raises(IndexFolderError, match="--local"):
        index.describe_features("a.jpg")
    assert not (index.info().folder / "local").exists()


def test_an_old_index_is_read_and_written_as_before(index: Index) -> None:
    folder = index.info().folder
    assert {file.name for file in folder.iterdir()} == {
        *("descriptors-000001.bin", "lock", "manifest.json", "records-000001.bin"),
        "texts-000001.bin",
    }
    assert json.loads((folder / "manifest.json").read_text())["version"] == 1


def test_features_of_another_descriptor_are_refused(local: Index) -> None:
    other = replace(EXTRACTION, descriptor="other", fingerprint="0" * 64)
    with pytest.raises(IndexFolderError, match=r"with descriptor bytes-local .* not other"):
        local.keep_local(BytesLocal(other))
    with pytest.raises(IndexFolderError, match="keypoints 8, not 9"):
        local.keep_local(BytesLocal(replace(EXTRACTION, keypoints=9)))
    folder = local.info().folder
    local.keep_local(BytesLocal(replace(EXTRACTION, descriptor="the same, moved")))
    found = Index.open(folder).info().local
    assert found is not None and found.extraction.descriptor == "the same, moved"
    check(local)


def test_a_local_descriptor_that_is_gone_is_named(local: Index, photos: Path) -> None:
    (photos / "new.jpg").write_text("new")
    again = Index.open(local.info().folder, BytesDescriber())
    with pytest.raises(IndexFolderError, match=r"needs the local descriptor .*bytes-local"):
        again.add(photos)
    assert len(again) == 6, "the photo itself is in"


def test_descriptors_and_features_come_in_the_order_of_the_ids(local: Index, photos: Path) -> None:
    rows = local.descriptors([3, 0])
    np.testing.assert_array_equal(rows[0], describe_bytes(b"photo more/d.jpg"))
    np.testing.assert_array_equal(rows[1], describe_bytes(b"photo a.jpg"))
    assert local.descriptors([]).shape == (0, 16)
    assert same(local.features_of([3, 0])[0], b"photo more/d.jpg")
    local.remove([0])
    for call in (local.descriptors, local.features_of):
        with pytest.raises(UsageError, match="id 0"):
            call([0])


def test_other_keys_with_the_same_beginning_are_told_apart(tmp_path: Path) -> None:
    store = LocalStore.create(tmp_path / "local", EXTRACTION)
    keys = [b"12345678" + bytes([n]) * 24 for n in (1, 2)]
    with store.writer() as writer:
        for key in keys:
            writer.put(key, bytes_features(key))
        writer.commit()
    store = LocalStore.open(store.folder)
    assert all(same(store.find(key), key) for key in keys)
    assert store.find(b"12345678" + bytes(24)) is None
    assert store.find(bytes(32)) is None


def test_two_writers_are_told_apart(local: Index, photos: Path) -> None:
    (photos / "new.jpg").write_text("new")
    with (
        writer_lock(local.info().folder / "local"),
        pytest.raises(IndexFolderError, match="being written"),
    ):
        local.add(photos)
    local.add(photos)
    check(local)


@pytest.mark.parametrize("name", FILES)
def test_every_flipped_byte_is_found(local: Index, name: str) -> None:
    file = local.info().folder / "local" / name
    whole = file.read_bytes()
    for position in range(len(whole)):
        broken = bytearray(whole)
        broken[position] ^= 1 << position % 7
        file.write_bytes(broken)
        assert Index.open(local.info().folder).verify(), f"byte {position} of {name}"
    file.write_bytes(whole)
    assert local.verify() == []


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_folder_is_told_and_can_be_deleted(local: Index, photos: Path, name: str) -> None:
    folder = local.info().folder
    file = folder / "local" / name
    file.write_bytes(file.read_bytes()[:-1])
    (problem,) = Index.open(folder).verify()
    assert name.split("-")[0] in problem
    file.unlink()
    assert "missing" in Index.open(folder).verify()[0]
    with pytest.raises(IndexFolderError, match="missing"):
        Index.open(folder).features_of([0])
    assert len(Index.open(folder).search_descriptors(np.eye(16)[:1])[0]) == 5
    shutil.rmtree(folder / "local")
    again = Index.open(folder, BytesDescriber())
    again.keep_local(BytesLocal())
    again.add(photos)
    check(again)


def hostile(change: Callable[[dict[str, Any]], object]) -> bytes:
    content = json.loads(LocalManifest(EXTRACTION).to_bytes())
    change(content)
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not JSON"),
        (b"[]", "JSON object"),
        (hostile(lambda m: m.update(format="solar-index")), "not the manifest of features"),
        (hostile(lambda m: m.update(version=2)), "upgrade Solar"),
        (hostile(lambda m: m["files"].update(generation="../x")), "'generation' must be"),
        (hostile(lambda m: m["files"].update(keypoints=-1)), "'keypoints' must be"),
        (hostile(lambda m: m["files"].update(keypoints=1)), "checksum"),
        (hostile(lambda m: m["descriptor"].update(dimensions=10**9)), "'dimensions' must be"),
    ],
)
def test_a_hostile_manifest_is_refused(local: Index, raw: bytes, message: str) -> None:
    (local.info().folder / "local" / "manifest.json").write_bytes(raw)
    with pytest.raises(IndexFolderError, match=message):
        Index.open(local.info().folder).features_of([0])


@pytest.mark.parametrize(
    ("field", "value"),
    [("first", -1), ("first", 2**62), ("count", -1), ("count", 2**31 - 1), ("width", 0)],
)
def test_records_that_point_elsewhere_are_refused(local: Index, field: str, value: int) -> None:
    from solar.index.local_writer import RECORD

    file = local.info().folder / "local" / "records-000001.bin"
    records = np.frombuffer(bytearray(file.read_bytes()), RECORD)
    records[field][0] = value
    file.write_bytes(records.tobytes())
    with pytest.raises(IndexFolderError, match="record 0 makes no sense"):
        Index.open(local.info().folder).features_of([0])


def test_a_linked_folder_is_not_followed(local: Index, tmp_path: Path) -> None:
    folder = local.info().folder
    (folder / "local").rename(tmp_path / "elsewhere")
    (folder / "local").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(IndexFolderError, match="is a link"):
        Index.open(folder).features_of([0])
