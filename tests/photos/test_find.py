"""Photos are found by name, links followed once, and what is left out is counted."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solar.errors import PhotoError, UsageError
from solar.photos import EXCLUDED, SUFFIXES, find_photos, look_for_photos


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def below(root: Path, photos: list[Path]) -> list[str]:
    return [path.relative_to(root).as_posix() for path in photos]


def test_photos_are_found_by_suffix_in_order_and_others_counted(tmp_path: Path) -> None:
    names = ["B.JPG", "a/2.heic", "a/b/1.TIFF", "a/b/x.avif", "c.webp", "d.jpeg", "e.png/e.gif"]
    names += ["f.ppm", "g.Mpo", "h.jp2"]
    touch(tmp_path, *names, "notes.txt", "jpg", "a/b.TXT", "a/\x1b.\x1bx")
    assert find_photos(str(tmp_path)) == sorted(tmp_path / name for name in names)
    found = look_for_photos([tmp_path])
    assert found.other == Counter({".txt": 2, "": 1, ".\x1bx": 1})
    assert found.notes() == ["passed over by suffix: .txt 2, no suffix 1, .\\x1bx 1"]


@pytest.mark.parametrize(("suffix", "install"), [(".cr2", "rawpy"), (".jxl", "pillow-jxl-plugin")])
def test_what_a_decoder_is_missing_for_names_it(
    tmp_path: Path, suffix: str, install: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("solar.photos.find.SUFFIXES", SUFFIXES - {suffix})
    touch(tmp_path, f"1{suffix.upper()}", f"2{suffix}")
    found = look_for_photos([tmp_path])
    assert found.notes() == [
        f"passed over by suffix: {suffix} 2",
        f"to read {suffix}: pip install {install}",
    ]
    monkeypatch.setattr("solar.photos.find.SUFFIXES", SUFFIXES | {suffix})
    assert len(look_for_photos([tmp_path]).photos) == 2


def test_thumbnails_and_bins_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "@eaDir/a.jpg/thumb.jpg", "b/@EADIR/x.jpg", "#recycle/old.jpg")
    touch(tmp_path, ".Trash-1000/files/x.jpg", "$RECYCLE.BIN/x.jpg", "My Previews.lrdata/1.jpg")
    touch(tmp_path, ".b.jpg", "Thumbs/c.jpg", "raws/d.jpg")
    found = look_for_photos([tmp_path])
    assert below(tmp_path, found.photos) == ["a.jpg", "raws/d.jpg"]
    assert found.excluded["@eaDir"] == 2 and found.excluded[".*"] == 2
    (line,) = found.notes()
    assert line.startswith("left out by name: @eaDir 2, ") and "*.lrdata 1" in line
    assert len(look_for_photos([tmp_path], exclude=()).photos) == 10


@pytest.mark.parametrize(
    ("pattern", "kept"),
    [
        ("*_small.*", ["Raw/c.jpg", "b.jpg", "trip/raw/d.jpg"]),
        ("raw", ["a_small.jpg", "b.jpg"]),
        ("raw/", ["a_small.jpg", "b.jpg"]),
        ("trip/raw", ["Raw/c.jpg", "a_small.jpg", "b.jpg"]),
        ("*/?.jpg", ["a_small.jpg", "b.jpg"]),
    ],
)
def test_patterns_leave_out_names_or_paths(tmp_path: Path, pattern: str, kept: list[str]) -> None:
    touch(tmp_path, "a_small.jpg", "b.jpg", "Raw/c.jpg", "trip/raw/d.jpg")
    found = look_for_photos([tmp_path], exclude=(*EXCLUDED, pattern))
    assert below(tmp_path, found.photos) == kept
    assert found.excluded[pattern] > 0


def test_a_hidden_or_excluded_root_is_looked_through(tmp_path: Path) -> None:
    touch(tmp_path, ".root/a.jpg", ".root/.b.jpg", "@eaDir/c.jpg")
    roots = [tmp_path / ".root", tmp_path / "@eaDir"]
    assert below(tmp_path, look_for_photos(roots).photos) == [".root/a.jpg", "@eaDir/c.jpg"]


def test_every_folder_is_entered_once_however_many_links_lead_there(tmp_path: Path) -> None:
    root = tmp_path / "root"
    touch(tmp_path, "root/album/a.jpg", "elsewhere/b.jpg", "elsewhere/deep/c.jpg")
    (root / "aaa").symlink_to("album", target_is_directory=True)  # sorts before the real one
    (root / "album" / "up").symlink_to(root, target_is_directory=True)
    (root / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (root / "linked2").symlink_to(tmp_path / "elsewhere/deep", target_is_directory=True)
    (tmp_path / "elsewhere" / "back").symlink_to(root, target_is_directory=True)
    (root / "gone").symlink_to("nowhere")
    (root / "itself").symlink_to("itself")
    found = look_for_photos([root])
    photos = below(root, found.photos)
    assert photos[0] == "album/a.jpg" and "linked/b.jpg" in photos and len(photos) == 3
    assert found.repeated == 4
    assert any(line.startswith("links to folders") for line in found.notes())
    assert root / "aaa" / "a.jpg" in find_photos(root / "aaa")  # a root may be a link


@given(links=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=8))
def test_any_web_of_links_gives_every_photo_once(
    tmp_path_factory: pytest.TempPathFactory, links: list[tuple[int, int]]
) -> None:
    root = tmp_path_factory.mktemp("web")
    for i in range(6):
        touch(root, f"{i}/{i}.jpg")
    for at, (place, target) in enumerate(links):
        (root / f"{place}" / f"to{at}").symlink_to(root / f"{target}", target_is_directory=True)
    assert below(root, find_photos(root)) == [f"{i}/{i}.jpg" for i in range(6)]
    one = find_photos(root / "0")
    assert len({path.resolve() for path in one}) == len(one)


def test_roots_may_overlap_and_be_files(tmp_path: Path) -> None:
    touch(tmp_path, "photo.dat", "a/b/c.jpg")
    roots = [tmp_path / "a" / "b", tmp_path / "photo.dat", tmp_path / "a", tmp_path / "a"]
    assert below(tmp_path, look_for_photos(roots).photos) == ["a/b/c.jpg", "photo.dat"]
    (tmp_path / "empty").mkdir()
    assert find_photos(tmp_path / "empty") == []
    with pytest.raises(UsageError, match=r"none: no such file or folder$"):
        find_photos(tmp_path / "none")


def test_an_unreadable_folder_costs_its_own_photos_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a/b.jpg", "a/lost/c.jpg", "z/d.jpg")
    listing = os.scandir

    def refuse(path: Any) -> Any:  # permissions do not stop root, who may run the tests
        if Path(path).name == "lost":
            raise PermissionError(13, "Permission denied", path)
        return listing(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = look_for_photos([tmp_path])
    assert below(tmp_path, found.photos) == ["a/b.jpg", "z/d.jpg"]
    (error,) = found.unreadable
    assert str(error).startswith(f"{tmp_path / 'a' / 'lost'}: cannot list this folder (Permission")
    assert found.notes() == [str(error)]
    with pytest.raises(PhotoError, match=r"/lost: cannot list this folder \(Permission denied\)"):
        find_photos(tmp_path / "a" / "lost")
