"""A collection as it lives, from the command line: what is said of it, and what is kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.cli.runner import solar, succeed
from tests.scenes import album


@pytest.fixture
def folder(tmp_path: Path, model_folder: Path) -> Path:
    """Photos, and an index of them."""
    album(tmp_path / "photos", 4)
    succeed("index", "photos", "--to", "i", "--model", model_folder, folder=tmp_path)
    return tmp_path


def index(folder: Path, *more: object) -> str:
    done = solar("index", "photos", "--to", "i", *more, folder=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_a_renamed_folder_gives_one_hit_a_photo(folder: Path) -> None:
    (folder / "photos").rename(folder / "moved")
    said = succeed("index", "moved", "--to", "i", folder=folder)
    assert "4 unchanged" in said and "moved: " in said and str(folder / "moved") in said
    listed = succeed("list", "i", folder=folder).splitlines()
    assert len(listed) == 4 and all("/moved/" in line for line in listed)


def test_copies_are_counted_always_and_named_at_any_time(folder: Path) -> None:
    for number in range(30):
        shutil.copy(folder / "photos" / "00.png", folder / "photos" / f"c{number}.png")
    assert "30 photos are copies of others, byte for byte (30 new)" in index(folder)
    assert "30 photos are copies of others, byte for byte; which, says" in index(folder)
    text = succeed("info", "i", folder=folder)
    assert text.count("c29.png") == 1 and "the same: " in text
    for call in (["info", "i"], ["index", "photos", "--to", "i"]):
        (group,) = json.loads(succeed(*call, "--json", folder=folder))["copies"]
        assert len(group) == 31


def test_what_was_skipped_is_named_once_and_then_counted(folder: Path) -> None:
    for number in range(12):
        (folder / "photos" / f"bad{number:02}.jpg").write_bytes(b"%d" % number)
    said = index(folder)
    assert said.count("  skipped ") == 10 and "12 skipped in all" in said
    said = index(folder)
    assert "  skipped " not in said and "12 skipped before" in said and "--retry" in said
    assert succeed("info", "i", folder=folder).count("skipped /") == 12
    assert index(folder, "--retry").count("  skipped ") == 10


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_run_in_which_everything_failed_exits_with_1(
    tmp_path: Path, model_folder: Path, more: list[str]
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "bad.jpg").write_bytes(b"no photo")
    call = ["index", "photos", "--to", "i", "--model", model_folder, *more]
    for _ in range(2):
        done = solar(*call, folder=tmp_path)
        assert done.returncode == 1
        assert "bad.jpg" in done.stdout + done.stderr or "1 skipped before" in done.stderr
    done = solar("describe", "photos", "--to", "d.npz", "--model", model_folder, folder=tmp_path)
    assert done.returncode == 1 and done.stderr.count("\n") <= 2


def test_names_are_left_out_when_asked_and_it_is_said(folder: Path) -> None:
    album(folder / "photos" / "export", 2)
    assert "left out by name: export 2" not in index(folder, "--exclude", "export", "--json")
    said = index(folder, "--exclude", "EXPORT", "--exclude", "x-*")
    assert "left out by name: EXPORT 1" in said and "4 photos" in said
    assert "6 photos" in index(folder)
    done = solar("index", "photos", "--to", "i", "--check", "dates", folder=folder)
    assert done.returncode == 2 and "--check" in done.stderr


def test_what_was_removed_comes_back_and_that_is_said(folder: Path) -> None:
    done = solar("remove", "i", "photos/00.png", folder=folder)
    assert "1 dropped, 3 photos left" in done.stdout and "takes them in again" in done.stderr
    assert "3 photos" in index(folder, "--exclude", "00.png")
    assert "1 added" in index(folder)
    (folder / "photos" / "00.png").unlink()
    assert not solar("remove", "i", "photos/00.png", folder=folder).stderr


def test_descriptors_go_out_as_describe_writes_them(folder: Path, model_folder: Path) -> None:
    assert "4 photos, 32 numbers each" in succeed("list", "i", "--to", "d.npz", folder=folder)
    call = ["describe", folder / "photos", "--to", "other.npz", "--model", model_folder]
    succeed(*call, folder=folder)
    with np.load(folder / "d.npz") as one, np.load(folder / "other.npz") as two:
        assert one["paths"].tolist() == two["paths"].tolist()
        assert np.allclose(one["descriptors"], two["descriptors"], atol=1e-4)
    assert solar("list", "i", "--to", "photos/01.png", folder=folder).returncode == 2
    data = max((folder / "i").glob("descriptors-*"))
    content = bytearray(data.read_bytes())
    content[20] ^= 1
    data.write_bytes(content)
    done = solar("list", "i", "--to", "d.npz", folder=folder)
    assert done.returncode == 1 and "00.png" in done.stderr and "checksum" in done.stderr


def test_describe_says_what_it_left_out(folder: Path, model_folder: Path) -> None:
    (folder / "photos" / "raw.CR2x").write_bytes(b"")
    album(folder / "photos" / "@eaDir", 1)
    call = ["describe", "photos", "--model", model_folder, "--exclude", "00*", "--to", "d.npz"]
    done = solar(*call, folder=folder)
    assert "3 photos" in done.stdout
    assert "left out by name: 00* 1, @eaDir 1" in done.stderr
    assert "passed over by suffix: .cr2x 1" in done.stderr
    done = solar("search", "i", "photos", "--top", 1, folder=folder)
    assert "left out by name: @eaDir 1" in done.stderr
