"""A collection as it lives: photos are renamed and moved, linked, copied, left out, come back."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from solar.errors import DecoderMissing, UsageError
from solar.extraction import Described, Failed
from solar.index import Index
from solar.photos import Box, Photo, name_of
from tests.index.bytes_extractor import BytesExtractor
from tests.index.listing import paths


def opened(index: Index) -> tuple[Index, BytesExtractor]:
    extractor = BytesExtractor()
    return Index.open(index.folder, extractor), extractor


def test_a_photo_that_moves_keeps_its_id(index: Index, photos: Path) -> None:
    before = paths(index)
    (photos / "a.jpg").rename(photos / "renamed.jpg")
    (photos / "new").mkdir()
    (photos / "more" / "d.jpg").rename(photos / "new" / "d.jpg")
    index, extractor = opened(index)
    report = index.add(photos)
    pairs = [("a.jpg", "renamed.jpg"), ("more/d.jpg", "new/d.jpg")]
    assert report.moved == [(str(photos / old), str(photos / new)) for old, new in pairs]
    assert not extractor.described and len(report.unchanged) == len(index) == 5
    assert not (report.vanished or report.duplicates or report.added)
    after = paths(index)
    for old, new in pairs:
        assert after[str(photos / new)] == before[str(photos / old)]
        assert str(photos / old) not in after
    assert index.verify() == []
    assert not index.add(photos).moved


def test_a_photo_moves_between_roots_and_onto_another(
    index: Index, photos: Path, tmp_path: Path
) -> None:
    before = paths(index)
    (tmp_path / "other").mkdir()
    (photos / "a.jpg").rename(tmp_path / "other" / "a.jpg")
    (photos / "b.jpg").replace(photos / "c.jpg")
    index, extractor = opened(index)
    index.add(tmp_path / "other")
    report = index.add(photos)
    assert report.moved == [(str(photos / "b.jpg"), str(photos / "c.jpg"))]
    after = paths(index)
    assert after[str(tmp_path / "other" / "a.jpg")] == before[str(photos / "a.jpg")]
    assert after[str(photos / "c.jpg")] == before[str(photos / "b.jpg")]
    assert len(index) == 4 and not extractor.described and index.verify() == []
    assert all(Path(path).exists() for path in after)


def test_one_of_several_copies_takes_the_place_of_the_photo(index: Index, photos: Path) -> None:
    number = paths(index)[str(photos / "a.jpg")]
    content = (photos / "a.jpg").read_bytes()
    (photos / "a.jpg").unlink()
    for name in ("x.jpg", "y.jpg"):
        (photos / name).write_bytes(content)
    index, _ = opened(index)
    report = index.add(photos)
    assert paths(index)[str(photos / "x.jpg")] == number and len(index) == 6
    assert report.duplicates == [(str(photos / "y.jpg"), str(photos / "x.jpg"))]
    assert index.info().copies == [[str(photos / "x.jpg"), str(photos / "y.jpg")]]


def test_the_features_of_a_moved_photo_stay_its_own(index: Index, photos: Path) -> None:
    """Descriptors too: a search at the new place finds what was described at the old one."""
    number = paths(index)[str(photos / "a.jpg")]
    (photos / "a.jpg").rename(photos / "z.jpg")
    index, _ = opened(index)
    index.add(photos)
    hit = index.search(photos / "z.jpg", top=1)[0]
    assert (hit.id, hit.path) == (number, str(photos / "z.jpg")) and hit.score > 0.999


def test_links_to_photos_that_are_in_are_no_second_photos(
    index: Index, photos: Path, tmp_path: Path
) -> None:
    albums = tmp_path / "albums"
    albums.mkdir()
    (albums / "best.jpg").symlink_to(photos / "a.jpg")
    (albums / "all").symlink_to(photos / "more")
    outside = tmp_path / "outside.jpg"
    outside.write_text("outside")
    for name in ("first.jpg", "second.jpg"):
        (albums / name).symlink_to(outside)
    index, _ = opened(index)
    report = index.add(albums)
    assert report.added == [str(albums / "first.jpg")] and len(index) == 6
    assert "links to photos that are in already: 4" in report.left_out
    (photos / "inside.jpg").symlink_to(photos / "a.jpg")
    assert index.add(photos).left_out == ["links to photos that are in already: 1"]
    assert index.add(albums / "best.jpg").left_out and len(index) == 6
    number = paths(index)[str(albums / "first.jpg")]
    index.add(outside)  # the photo itself, after a link to it
    assert paths(index)[str(outside)] == number and len(index) == 6


def test_a_change_with_size_and_times_kept_is_seen_when_asked(
    index: Index, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.stat_result.__getattribute__
    times = (photos / "a.jpg").stat()
    (photos / "a.jpg").write_text("photo X.jpg")
    os.utime(photos / "a.jpg", ns=(times.st_atime_ns, times.st_mtime_ns))
    index, _ = opened(index)
    assert real(times, "st_ctime_ns") != (photos / "a.jpg").stat().st_ctime_ns
    monkeypatch.setattr("solar.index._adding.stamp_of", lambda found: (found.st_size, 0, 0))
    index.add(photos)
    (photos / "b.jpg").write_text("photo Y.jpg")
    assert not index.add(photos).changed
    report = index.add(photos, check_content=True)
    assert report.changed == [str(photos / "b.jpg")] and len(report.unchanged) == 4
    before = index.info().reclaimable
    index.add(photos, check_content=True)
    assert index.info().reclaimable == before


def test_what_is_excluded_is_left_out_and_counted(index: Index, photos: Path) -> None:
    (photos / "export").mkdir()
    for name in ("export/1.jpg", "small-2.jpg", "more/small-3.jpg", "more/f.jpg"):
        (photos / name).write_text(name)
    index, _ = opened(index)
    report = index.add(photos, exclude=["Export", "small-*", "more/f.jpg"])
    assert not report.added
    assert report.left_out == ["left out by name: small-* 2, Export 1, more/f.jpg 1"]
    assert len(index.add(photos).added) == 4


def test_an_index_in_the_making_says_so(tmp_path: Path, photos: Path) -> None:
    class Interrupted(BytesExtractor):
        def describe(
            self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
        ) -> Iterator[Described | Failed]:
            yield from list(super().describe(photos, boxes))[:2]
            raise KeyboardInterrupt

    index = Index.create(tmp_path / "my.index", Interrupted(), local=None)
    with pytest.raises(KeyboardInterrupt):
        index.add(photos)
    assert (
        list(index.unfinished) == list(Index.open(index.folder).info().unfinished) == [str(photos)]
    )
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "z.jpg").write_text("z")
    index, _ = opened(index)
    index.add(tmp_path / "other")
    assert list(index.unfinished) == [str(photos)] and index.verify() == []
    index.compact()
    assert list(Index.open(index.folder).unfinished) == [str(photos)]
    index.add(photos.parent)  # and with it the folder that was begun
    index.add(photos)
    assert len(index.unfinished) == len(Index.open(index.folder).unfinished) == 0
    before = index.generation
    index.add(photos)
    assert index.generation == before


def test_copies_and_the_query_itself_are_folded(index: Index, photos: Path) -> None:
    content = (photos / "a.jpg").read_bytes()
    for number in range(6):
        (photos / f"copy-{number}.jpg").write_bytes(content)
    index, _ = opened(index)
    index.add(photos)
    number = paths(index)[str(photos / "a.jpg")]
    assert len([h for h in index.search(photos / "a.jpg", 11) if h.score > 0.999]) == 7
    for query in (photos / "a.jpg", content, number):
        hits = index.search(query, 3, distinct=True)
        assert len(hits) == 3 and all(hit.score < 0.9 for hit in hits)
    hits = index.search(b"another photo", 20, distinct=True)
    assert [hit.id for hit in hits if hit.id >= 5] == [] and len(hits) == 5
    assert index.info().copies[0][0] == str(photos / "a.jpg") and len(index.info().copies[0]) == 7


def test_photos_that_wanted_a_decoder_are_tried_again_once_it_is_there(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoDecoder(BytesExtractor):
        def describe(
            self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
        ) -> Iterator[Described | Failed]:
            for result in super().describe(photos, boxes):
                name = name_of(photos[result.position])
                words = "HEIC needs a decoder: install solar-retrieval[heic]"
                failed = Failed(result.position, DecoderMissing(words, name))
                yield failed if name.endswith("a.jpg") else result

    index = Index.create(tmp_path / "my.index", NoDecoder(), local=None)
    index.add(photos)
    index, extractor = opened(index)
    monkeypatch.setattr("solar.photos._sniff.find_spec", lambda name: None)
    assert len(index.add(photos).still_failed) == 1 and not extractor.described
    monkeypatch.setattr("solar.photos._sniff.find_spec", lambda name: name)
    assert index.add(photos).added == [str(photos / "a.jpg")]


def test_a_wrong_call_begins_nothing_and_a_vanished_place_is_forgotten(
    index: Index, photos: Path, tmp_path: Path
) -> None:
    class Refused(BytesExtractor):
        def describe(
            self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
        ) -> Iterator[Described | Failed]:
            raise UsageError("no such device") if self.refuses else KeyboardInterrupt

        refuses = True

    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "n.jpg").write_text("n")
    refused = Refused()
    with pytest.raises(UsageError):
        Index.open(index.folder, refused).add(tmp_path / "new")
    assert not Index.open(index.folder).unfinished
    refused.refuses = False
    with pytest.raises(KeyboardInterrupt):
        Index.open(index.folder, refused).add(tmp_path / "new")
    assert list(Index.open(index.folder).unfinished) == [str(tmp_path / "new")]
    (tmp_path / "new" / "n.jpg").unlink()
    (tmp_path / "new").rmdir()
    (photos / "f.jpg").write_text("f")
    index.add(photos)
    assert not index.unfinished
