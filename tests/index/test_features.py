"""Features beside an index: for which photos they are made, and that they stay right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from solar.errors import CheckpointError, UsageError
from solar.extraction import Failed
from solar.features.extractor import FeaturesOf
from solar.features.features import Features
from solar.index import Index
from solar.photos import Box, Photo
from tests.index.bytes_extractor import BytesExtractor, describe_bytes
from tests.index.bytes_features import MADE, NO_KEYPOINTS, BytesFeatures, bytes_features
from tests.index.listing import paths


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
    for path, found in zip(held, index.features(held.values()), strict=True):
        assert same(found, Path(path).read_bytes()), path
    assert index.verify() == []


@pytest.fixture
def local(index: Index, photos: Path) -> Index:
    """The index of five photos, with their features."""
    index.keep_features(BytesFeatures())
    index.add(photos)
    return index


def test_photos_that_were_there_get_features_with_the_next_add(index: Index, photos: Path) -> None:
    describer = BytesFeatures()
    index.keep_features(describer)
    assert index.features([0]) == [None]
    assert len(index.add(photos / "more").unchanged) == 2
    assert {path.name for path in describer.described} == {"d.jpg", "e.jpg"}
    index.add(photos)
    check(index)
    assert len(describer.described) == 5
    assert index.info().with_features == 5
    check(Index.open(index.folder))


def test_only_new_content_is_described(local: Index, photos: Path) -> None:
    describer = BytesFeatures()
    local.keep_features(describer)
    (photos / "copy.jpg").write_bytes((photos / "a.jpg").read_bytes())
    (photos / "b.jpg").write_text("changed")
    (photos / "twin.jpg").write_text("changed")
    local.add(photos)
    assert [path.read_text() for path in describer.described] == ["changed"]
    check(local)


def test_a_reopened_index_goes_on_and_tells_progress(local: Index, photos: Path) -> None:
    for number in range(3):
        (photos / f"new{number}.jpg").write_text(f"new {number}")
    again = Index.open(local.info().folder, BytesExtractor())
    again.keep_features(BytesFeatures())
    told: list[tuple[int, int]] = []
    again.add(photos, progress=lambda *counts: told.append(counts))
    assert told == [(n, 8) for n in range(9)]
    check(again)


def test_a_photo_without_keypoints_is_not_described_again(local: Index, photos: Path) -> None:
    (photos / "flat.jpg").write_bytes(NO_KEYPOINTS)
    describer = BytesFeatures()
    local.keep_features(describer)
    for _ in range(2):
        local.add(photos)
    assert len(describer.described) == 1
    (found,) = local.features([5])
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
    assert local.features([5]) == [None]
    assert same(local.features([6])[0], b"good")


def test_a_photo_that_changes_while_it_is_described_gets_no_features(
    local: Index, photos: Path
) -> None:
    class Meddler(BytesFeatures):
        def describe(
            self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
        ) -> Iterator[FeaturesOf | Failed]:
            new.write_text("changed meanwhile")
            return super().describe(photos, boxes)

    new = photos / "new.jpg"
    (photos / "new.jpg").write_text("new")
    local.keep_features(Meddler())
    ((_, reason),) = local.add(photos).without_features
    assert "has just changed" in reason
    local.keep_features(BytesFeatures())
    assert local.add(photos).without_features == []
    check(local)


def test_photos_with_the_same_bytes_share_features(local: Index, photos: Path) -> None:
    for name in ("one.jpg", "two.jpg"):
        (photos / name).write_text("twice")
    (photos / "copy.jpg").write_bytes((photos / "a.jpg").read_bytes())
    local.add(photos)
    check(local)
    size = (local.folder / "features-000001.bin").stat().st_size
    kept = [each for each in local.features(range(5)) if each is not None]
    (twice,) = local.features([6])
    assert twice is not None
    assert size == sum(8 + each.rows().nbytes for each in [*kept, twice])


def test_compact_frees_features_of_no_photo_and_only_these(local: Index, photos: Path) -> None:
    (photos / "copy.jpg").write_bytes((photos / "a.jpg").read_bytes())
    local.add(photos)
    local.remove([photos / "a.jpg", photos / "b.jpg"])
    before = (local.folder / "features-000001.bin").stat().st_size
    assert local.info().reclaimable > 0
    local.compact()
    assert local.info().reclaimable == 0 and local.info().with_features == 4
    assert (local.folder / "features-000002.bin").stat().st_size < before
    check(local)
    names = {file.name for file in local.folder.iterdir()}
    assert names == {
        *("catalogue-000002.db", "descriptors-000002.bin", "float16-000002.bin"),
        *("features-000002.bin", "lock"),
    }
    local.compact()
    assert {file.name for file in local.folder.iterdir()} == names
    local.add(photos)
    check(local)


def test_an_index_without_features_says_how_to_get_them(index: Index, photos: Path) -> None:
    assert index.info().features is None
    assert index.features([0]) == [None]
    with pytest.raises(UsageError, match=r"keeps no keypoints.*solar index .*--local"):
        index.search(photos / "a.jpg", rerank="geometric")


def test_features_of_another_descriptor_are_refused(local: Index) -> None:
    other = replace(MADE, descriptor="other", fingerprint="0" * 64)
    with pytest.raises(UsageError, match=r"with descriptor bytes-local .* not other"):
        local.keep_features(BytesFeatures(other))
    with pytest.raises(UsageError, match="keypoints 8, not 9"):
        local.keep_features(BytesFeatures(replace(MADE, keypoints=9)))
    local.keep_features(BytesFeatures(replace(MADE, descriptor="the same, moved")))
    found = Index.open(local.folder).info().features
    assert found is not None and found.descriptor == "the same, moved"
    check(local)


def test_a_local_descriptor_that_is_gone_is_named(local: Index, photos: Path) -> None:
    (photos / "new.jpg").write_text("new")
    again = Index.open(local.folder, BytesExtractor())
    with pytest.raises(CheckpointError, match=r"needs the local descriptor .*bytes-local"):
        again.add(photos)
    assert len(again) == 6, "the photo itself is in"
    again.keep_features(BytesFeatures())
    again.add(photos)
    check(again)


def test_descriptors_and_features_are_found_by_id(local: Index) -> None:
    expected = np.stack([describe_bytes(f"photo {name}".encode()) for name in ("c.jpg", "a.jpg")])
    assert np.array_equal(local.descriptors([2, 0]), expected)
    assert local.descriptors([]).shape == (0, 16)
    assert same(local.features([3, 0])[0], b"photo more/d.jpg")
    local.remove([0])
    with pytest.raises(UsageError, match="id 0"):
        local.descriptors([0])
    assert local.features([0]) == [None]
