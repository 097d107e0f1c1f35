"""Adding photos: what is new, changed, gone, twice there, or no photo."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from solar.errors import SolarError
from solar.extraction import Described, Failed
from solar.index import Index
from solar.photos import Box, Photo, name_of
from tests.index.bytes_extractor import (
    EXTRACTION,
    NOT_A_PHOTO,
    BytesExtractor,
    content_of,
    describe_bytes,
)
from tests.index.listing import found


def names(found: list[str], photos: Path) -> list[str]:
    return [Path(path).relative_to(photos.resolve()).as_posix() for path in found]


def test_a_folder_is_added_and_each_photo_found(tmp_path: Path, photos: Path) -> None:
    index = Index.create(tmp_path / "my.index", BytesExtractor(), local=None)
    assert len(index) == 0
    report = index.add(photos)
    assert names(report.added, photos) == ["a.jpg", "b.jpg", "c.jpg", "more/d.jpg", "more/e.jpg"]
    assert not (report.changed or report.unchanged or report.vanished or report.failed)
    assert len(index) == 5
    for number, path in enumerate(report.added):
        hits = Index.open(tmp_path / "my.index", BytesExtractor()).search(path, top=3)
        assert (hits[0].path, hits[0].id) == (path, number)
        assert hits[0].score == pytest.approx(1, abs=1e-6)
        assert hits[0].score > hits[1].score >= hits[2].score


def test_known_photos_are_not_described_again(index: Index, photos: Path) -> None:
    describer = BytesExtractor()
    report = Index.open(index.folder, describer).add(photos)
    assert len(report.unchanged) == 5
    assert not report.added
    assert describer.described == []


def test_a_touched_photo_is_not_described_again(index: Index, photos: Path) -> None:
    os.utime(photos / "a.jpg", ns=(1, 1))
    describer = BytesExtractor()
    index = Index.open(index.folder, describer)
    assert len(index.add(photos).unchanged) == 5
    assert describer.described == []
    noted = index.info().reclaimable  # Its new time, in one more version.
    assert noted > 0
    index.add(photos)
    assert index.info().reclaimable == noted


def test_a_changed_photo_is_described_again_and_keeps_its_id(index: Index, photos: Path) -> None:
    before = index.search(photos / "b.jpg", top=1)[0]
    (photos / "b.jpg").write_text("another photo")
    report = index.add(photos)
    assert names(report.changed, photos) == ["b.jpg"]
    after = index.search(photos / "b.jpg", top=1)[0]
    assert (after.id, after.path) == (before.id, before.path)
    assert after.score == pytest.approx(1, abs=1e-6)
    old = found(index, describe_bytes(b"photo b.jpg")[None], 5)[0]
    assert old[0].score < 0.999


def test_vanished_photos_are_noted_and_stay_until_removed(index: Index, photos: Path) -> None:
    (photos / "a.jpg").unlink()
    (photos / "more" / "d.jpg").unlink()
    report = index.add(photos / "more")
    assert names(report.vanished, photos) == ["more/d.jpg"]
    report = index.add(photos)
    assert names(report.vanished, photos) == ["a.jpg", "more/d.jpg"]
    assert len(index) == 5
    assert index.remove(report.vanished) == 2
    assert len(index) == 3
    assert index.add(photos).vanished == []


def test_a_vanished_folder_is_noted(index: Index, photos: Path) -> None:
    for path in (photos / "more").iterdir():
        path.unlink()
    (photos / "more").rmdir()
    report = index.add([photos / "more", photos / "typo"])
    assert names(report.vanished, photos) == ["more/d.jpg", "more/e.jpg"]
    assert names([path for path, _ in report.failed], photos) == ["typo"]
    assert index.info().failed == []


def test_duplicates_are_described_once_and_found_both(tmp_path: Path, photos: Path) -> None:
    for name in ("a2.jpg", "more/a3.jpg"):
        (photos / name).write_bytes((photos / "a.jpg").read_bytes())
    describer = BytesExtractor()
    index = Index.create(tmp_path / "my.index", describer, local=None)
    report = index.add(photos)
    first = (photos / "a.jpg").resolve().as_posix()
    assert [original for _, original in report.duplicates] == [first, first]
    assert names([copy for copy, _ in report.duplicates], photos) == ["a2.jpg", "more/a3.jpg"]
    assert len(describer.described) == 5
    (photos / "a4.jpg").write_bytes((photos / "a.jpg").read_bytes())
    report = index.add(photos)
    assert [names(list(pair), photos) for pair in report.duplicates] == [["a4.jpg", "a.jpg"]]
    assert len(describer.described) == 5
    hits = index.search(photos / "a.jpg", top=5)
    assert [hit.score for hit in hits[:4]] == [hits[0].score] * 4
    assert [hit.id for hit in hits[:4]] == sorted(hit.id for hit in hits[:4])
    assert {Path(hit.path).name for hit in hits[:4]} == {"a.jpg", "a2.jpg", "a3.jpg", "a4.jpg"}


def test_the_old_content_of_a_changed_photo_makes_no_duplicate(index: Index, photos: Path) -> None:
    (photos / "new.jpg").write_bytes((photos / "a.jpg").read_bytes())
    (photos / "a.jpg").write_text("something else")
    assert index.add(photos).duplicates == []
    assert index.search(photos / "new.jpg", top=1)[0].score == pytest.approx(1, abs=1e-6)


def test_failed_photos_are_kept_with_their_reason(index: Index, photos: Path) -> None:
    bad = photos / "bad.jpg"
    bad.write_bytes(NOT_A_PHOTO)
    expected = [(bad.resolve().as_posix(), f"{bad.resolve()}: not a photo")]
    describer = BytesExtractor()
    index = Index.open(index.folder, describer)
    assert index.add(photos).failed == expected
    assert len(describer.described) == 1
    again = index.add(photos)
    assert again.still_failed == expected and not again.failed
    assert len(describer.described) == 1, "it was tried again, though it has not changed"
    assert Index.open(index.folder).info().failed == expected
    assert len(index) == 5
    assert index.add(photos, retry_failed=True).failed == expected
    assert len(describer.described) == 2
    bad.write_text("a photo now")
    report = index.add(photos)
    assert names(report.added, photos) == ["bad.jpg"]
    assert index.info().failed == report.failed == []
    (photos / "a.jpg").write_bytes(NOT_A_PHOTO)
    assert len(index.add(photos).failed) == 1
    assert len(index) == 5


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_file_is_failed_and_not_waited_for(index: Index, photos: Path) -> None:
    os.mkfifo(photos / "pipe.jpg")
    (photos / "loop.jpg").symlink_to(photos / "loop.jpg")
    for _ in range(2):
        report = index.add(photos)
        assert sorted(names([path for path, _ in report.failed], photos)) == [
            "loop.jpg",
            "pipe.jpg",
        ]
        assert dict(report.failed) == dict(index.info().failed)
        assert all(path in reason for path, reason in report.failed)


def test_a_describer_of_bad_descriptors_fails_the_photo(tmp_path: Path, photos: Path) -> None:
    class Bad(BytesExtractor):
        def describe(
            self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
        ) -> Iterator[Described | Failed]:
            for position, photo in enumerate(photos):
                factor = {"a.jpg": np.nan, "b.jpg": 2.0}.get(Path(name_of(photo)).name, 1.0)
                row = np.float32(factor) * describe_bytes(content_of(photo))
                yield Described(position, row)

    index = Index.create(tmp_path / "my.index", Bad(), local=None)
    report = index.add(photos)
    assert [reason for _, reason in report.failed] == [
        f"{photos.resolve()}/a.jpg: its descriptor has length nan instead of 1",
        f"{photos.resolve()}/b.jpg: its descriptor has length 2 instead of 1",
    ]
    assert len(index) == 3


def test_an_interrupted_run_goes_on_where_it_came(tmp_path: Path) -> None:
    class Interrupted(BytesExtractor):
        def describe(
            self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
        ) -> Iterator[Described | Failed]:
            for result in super().describe(photos, boxes):
                if len(self.described) == 300:
                    raise KeyboardInterrupt
                yield result

    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(500):
        (photos / f"{number}.jpg").write_text(f"photo {number}")
    index = Index.create(tmp_path / "my.index", Interrupted(), local=None)
    with pytest.raises(KeyboardInterrupt):
        index.add(photos)
    describer = BytesExtractor()
    index = Index.open(tmp_path / "my.index", describer)
    assert len(index) == 299
    done: list[tuple[int, int]] = []
    report = index.add(photos, progress=lambda *counts: done.append(counts))
    assert len(report.unchanged) == 299
    assert len(describer.described) == len(report.added) == 201
    assert done == [(count, 500) for count in range(501)]


def test_descriptors_of_another_length_are_refused(tmp_path: Path, photos: Path) -> None:
    describer = BytesExtractor()
    index = Index.create(tmp_path / "my.index", describer, local=None)
    describer.extraction = replace(EXTRACTION, dimensions=8)
    with pytest.raises(SolarError, match="shape"):
        index.add(photos)
    assert len(index) == 0
