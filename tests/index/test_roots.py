"""Photos are kept relative to the folders that were added, wherever these are now."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from solar.errors import UsageError
from solar.index import Index
from solar.index._roots import Roots
from tests.index.bytes_extractor import BytesExtractor
from tests.index.listing import paths


def test_a_whole_drive_is_a_root() -> None:
    roots = Roots({1: b"C:/", 2: b"//server/share", 3: b"/home/me/a:"})
    assert roots.home(b"C:/2020/one.jpg") == (1, b"2020/one.jpg")
    assert roots.home(b"C:/one.jpg") == (1, b"one.jpg")
    assert roots.home(b"D:/one.jpg") is None
    assert roots.home(b"//server/share/one.jpg") == (2, b"one.jpg")
    assert roots.home(b"/home/me/a:/one.jpg") == (3, b"one.jpg")
    assert roots.whole(1, b"2020/one.jpg") == b"C:/2020/one.jpg"


def names(index: Index) -> dict[str, int]:
    return {Path(path).name: number for path, number in paths(index).items()}


def opened(index: Index, folder: Path | None = None) -> tuple[Index, BytesExtractor]:
    extractor = BytesExtractor()
    return Index.open(folder or index.folder, extractor), extractor


def test_an_index_and_photos_that_move_together_are_found(
    index: Index, photos: Path, tmp_path: Path
) -> None:
    before = names(index)
    drive = tmp_path / "elsewhere" / "drive"
    drive.mkdir(parents=True)
    shutil.move(index.folder, drive / "my.index")
    shutil.move(photos, drive / "photos")
    index, extractor = opened(index, drive / "my.index")
    assert all(Path(path).is_relative_to(drive) and Path(path).exists() for path in paths(index))
    report = index.add(drive / "photos")
    assert len(report.unchanged) == 5 and not extractor.described
    assert not (report.moved or report.roots or report.vanished or report.unreachable)
    assert names(index) == before
    photos.mkdir()  # Another folder where the photos were: kept as they are now.
    assert all(Path(path).exists() for path in paths(opened(index)[0]))


def test_a_root_given_anew_has_moved(index: Index, photos: Path, tmp_path: Path) -> None:
    before = names(index)
    new = photos.rename(tmp_path / "renamed")
    index, extractor = opened(index)
    report = index.add(new)
    assert report.moved == [(str(photos), str(new))] and not report.roots
    assert len(report.unchanged) == 5 and not extractor.described
    assert names(index) == before
    assert all(Path(path).is_relative_to(new) for path in paths(index))
    assert index.search(new / "a.jpg", top=1)[0].path == str(new / "a.jpg")
    assert Index.open(index.folder).info().roots == [str(new)]


def test_half_of_the_photos_make_a_moved_root(index: Index, photos: Path, tmp_path: Path) -> None:
    new = photos.rename(tmp_path / "renamed")
    (new / "a.jpg").unlink()
    (new / "b.jpg").write_text("of another size")
    index, extractor = opened(index)
    report = index.add(new)
    assert report.moved and len(extractor.described) == 1
    assert [Path(path).name for path in report.vanished] == ["a.jpg"]
    assert [Path(path).name for path in report.changed] == ["b.jpg"]


@pytest.mark.parametrize("change", ["fewer", "other bytes", "still there"])
def test_another_folder_is_another_root(
    index: Index, photos: Path, tmp_path: Path, change: str
) -> None:
    new = tmp_path / "new"
    shutil.copytree(photos, new)
    if change == "fewer":
        for name in ("a.jpg", "b.jpg", "c.jpg"):
            (new / name).unlink()
    if change == "other bytes":
        (new / "c.jpg").write_text("photo X.jpg")  # Of the same size.
    if change != "still there":
        shutil.rmtree(photos)
    index, _ = opened(index)
    report = index.add(new)
    assert report.roots == [str(new)]
    assert len(report.moved) == {"fewer": 2, "other bytes": 4, "still there": 0}[change]
    assert str(photos) not in dict(report.moved)  # photos have moved, one by one
    assert index.info().roots == [str(photos), str(new)]
    assert all(Path(path).is_relative_to(new) for path in report.added)


def test_a_large_root_is_hashed_at_twenty_places(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(100):
        (photos / f"{number:03d}.jpg").write_text(f"{number:03d}")
    index = Index.create(tmp_path / "my.index", BytesExtractor(), local=None)
    index.add(photos)
    new = photos.rename(tmp_path / "new")
    for number in range(0, 100, 2):
        (new / f"{number:03d}.jpg").write_text("xxx")
    assert index.add(new).roots == [str(new)]


def test_moved_says_where_photos_are(index: Index, photos: Path, tmp_path: Path) -> None:
    before = names(index)
    new = photos.rename(tmp_path / "renamed")
    (new / "more").rename(tmp_path / "apart")
    index, extractor = opened(index)
    assert index.move(photos, new) == 5
    assert index.move(new / "more", tmp_path / "apart") == 2
    assert names(index) == before
    assert all(Path(path).exists() for path in paths(index))
    assert len(index.add([new, tmp_path / "apart"]).unchanged) == 5
    assert not extractor.described
    (tmp_path / "other").mkdir()
    for old, to, words in [
        (photos, new, "knows no photo"),
        (new, tmp_path / "x", "no such"),
        (new, tmp_path / "other", "holds none of the 3 photos"),
    ]:
        with pytest.raises(UsageError, match=words):
            index.move(old, to)


def test_moved_onto_what_is_known_leaves_one_of_each(
    index: Index, photos: Path, tmp_path: Path
) -> None:
    """After a folder was renamed and indexed again as another, before there was `--moved`."""
    new = tmp_path / "renamed"
    shutil.copytree(photos, new)
    index.add(new)
    shutil.rmtree(photos)
    assert len(paths(index)) == 10
    assert index.move(photos, new) == 5
    assert len(paths(index)) == 5
    assert all(Path(path).exists() for path in paths(index))
    assert index.verify() == []


def test_roots_inside_one_another_know_each_photo_once(index: Index, photos: Path) -> None:
    other = Index.create(index.folder.with_name("other"), BytesExtractor(), local=None)
    other.add(photos / "more")
    report = other.add(photos)
    assert report.roots == [str(photos)]
    assert len(report.unchanged) == 2 and len(report.added) == 3
    assert len(index.add(photos / "more").unchanged) == 2 and not index.add(photos / "more").roots
    assert len(other.add([photos / "more" / "d.jpg", photos / "a.jpg"]).unchanged) == 2


def test_a_photo_alone_has_its_folder_for_a_root(tmp_path: Path, photos: Path) -> None:
    index = Index.create(tmp_path / "my.index", BytesExtractor(), local=None)
    index.add([photos / "a.jpg", photos / "more" / "d.jpg"])
    assert index.info().roots == [str(photos)]
    assert len(index.add(photos).added) == 3


@pytest.mark.parametrize("state", ["missing", "empty", "half gone"])
def test_photos_out_of_reach_are_told_apart(index: Index, photos: Path, state: str) -> None:
    away = photos.rename(photos.with_name("away"))
    if state != "missing":
        photos.mkdir()
    if state == "half gone":
        shutil.copy2(away / "a.jpg", photos / "a.jpg")
        shutil.copy2(away / "b.jpg", photos / "b.jpg")
    report = index.add(photos)
    assert report.vanished == []
    assert len(report.unreachable) == (3 if state == "half gone" else 5)
    assert len(index) == 5
    shutil.rmtree(photos, ignore_errors=True)
    away.rename(photos)
    assert len(index.add(photos).unchanged) == 5


def test_a_mistyped_folder_is_refused(index: Index, photos: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder") as raised:
        index.add(photos / "typo")
    assert raised.value.path == str(photos / "typo")
    assert raised.value.reason == "no such file or folder"


def test_folders_are_removed(index: Index, photos: Path) -> None:
    assert photos / "more" in index and photos / "typo" not in index
    assert index.remove([photos / "more", photos / "a.jpg"]) == 3
    assert photos / "more" not in index
    with pytest.raises(UsageError, match="holds no photo or folder"):
        index.remove([photos / "b.jpg", photos / "more"])
    assert index.remove(photos) == 2
    assert len(index) == 0
