"""solar data check on photos with and without errors."""

import json
from pathlib import Path
from typing import Any

import pytest

from solar.datasets.places.check import check
from solar.errors import SolarError
from tests.cli.runner import process, solar, succeed
from tests.scenes import album, scene


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Three places: of three photos, two photos and one."""
    for place, count in (("rome", 3), ("oslo", 2), ("bath", 1)):
        album(tmp_path / "photos" / place, count, (40, 30))
    return tmp_path


def report(*arguments: object, folder: Path) -> tuple[int, dict[str, Any]]:
    done = solar("data", "check", *arguments, "--json", folder=folder)
    return done.returncode, json.loads(done.stdout)


def test_a_sound_folder(home: Path) -> None:
    code, found = report("photos", "--open", folder=home)
    assert code == 0
    counts = {"photos": 6, "places": 3, "pairs": None, "boxes": 0, "single": 1, "repeated": 0}
    assert found.items() >= counts.items()
    assert (found["least"], found["median"], found["most"]) == (1, 2, 3)
    assert found["by_size"] == {"1": 1, "2": 1, "3": 1}
    assert found["largest"] == {"rome": 3, "oslo": 2, "bath": 1}
    for kind in ("row_errors", "missing", "unreadable"):
        assert found[kind] == {"count": 0, "first": []}
    text = succeed("data", "check", "photos", folder=home)
    assert "1 to 3, median 2" in text and "1: 1, 2: 1, 3-4: 1" in text
    assert "rome (3)" in text and "--open" in text


def test_everything_wrong_is_listed_by_row(home: Path) -> None:
    (home / "photos" / "rome" / "01.png").write_bytes(b"no photo")
    (home / "list.csv").write_text(
        "path,place,box\n"
        "rome/00.png,Rome,\n"
        "rome/01.png,Rome,\n"  # damaged
        "rome/09.png,Rome,\n"  # missing
        "oslo/00.png,Oslo,50 0 60 10\n"  # a box outside the photo
        "../list.csv,Rome,\n"
        "rome/00.png,Rome,\n"
        "rome/00.png\n"
    )
    code, found = report("list.csv", "--photos", "photos", "--open", folder=home)
    assert code == 1
    rows = {
        kind: [problem["row"] for problem in found[kind]["first"]]
        for kind in ("row_errors", "missing", "unreadable")
    }
    assert rows == {"row_errors": [6, 7, 8], "missing": [4], "unreadable": [3, 5]}
    assert found["repeated"] == 1 and found["photos"] == 5 and found["boxes"] == 1
    reasons = [problem["reason"] for problem in found["unreadable"]["first"]]
    assert "01.png" in reasons[0] and "holds no pixel of the photo" in reasons[1]

    code, found = report("list.csv", "--photos", "photos", folder=home)
    assert code == 1 and found["unreadable"] is None

    done = process("data", "check", "list.csv", "--photos", "photos", "--open", folder=home)
    assert done.returncode == 1
    for words in ("row 3: ", "row 4: ", "row 5: ", "row 6: ", "row 7: ", "row 8: "):
        assert f"list.csv: {words}" in done.stderr
    summary = done.stderr.splitlines()[-1]
    assert (
        "rows with errors: 3, missing photos: 1, photos that cannot be used: 2; correct" in summary
    )


def test_a_long_list_of_errors_is_cut_short(home: Path) -> None:
    (home / "list.csv").write_text("path,place\n" + "one field\n" * 50)
    done = solar("data", "check", "list.csv", folder=home)
    assert done.returncode == 1
    assert done.stderr.count("list.csv: row ") == 20 and "30 more" in done.stderr
    _, found = report("list.csv", folder=home)
    assert found["row_errors"]["count"] == len(found["row_errors"]["first"]) == 50
    assert (found["photos"], found["least"], found["largest"]) == (0, 0, {})


def test_boxes_of_google_landmarks(home: Path) -> None:
    scene(0, (60, 40)).save(home / "0123456789abcdef.jpg")
    (home / "train.csv").write_text("id,url,landmark_id\n0123456789abcdef,x,1\n")
    (home / "one.csv").write_text("id,box\n0123456789abcdef,0.1 0.1 0.5 0.5\n")
    (home / "two.csv").write_text("id,box\n")
    options = ("--boxes", "one.csv", "--boxes", "two.csv", "--open")
    code, found = report("train.csv", *options, folder=home)
    assert code == 0 and found["boxes"] == 1


def test_photos_in_another_folder(home: Path) -> None:
    (home / "list.csv").write_text("path,place\nrome/00.png,Rome\nrome/01.png,Rome\n")
    done = solar("data", "check", "list.csv", folder=home)
    assert done.returncode == 1 and "missing photos: 2; is --photos the folder" in done.stderr
    succeed("data", "check", "list.csv", "--photos", "photos", folder=home)


def test_text_of_strangers_is_printed_harmlessly(home: Path) -> None:
    (home / "list.csv").write_text("path,place\nrome/00.png,[red]\x1b[31mRome\n\x1b[2J,[bold]x\n")
    done = solar("data", "check", "list.csv", "--photos", "photos", folder=home)
    assert done.returncode == 1 and "[bold]x (1)" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert r"[red]\x1b[31mRome (1)" in done.stdout and r"\x1b[2J" in done.stderr


def test_a_source_of_no_known_kind_or_without_photos(home: Path) -> None:
    done = solar("data", "check", "gone.csv", folder=home)
    assert done.returncode == 2 and "gone.csv: no such file" in done.stderr
    (home / "list.txt").touch()
    done = solar("data", "check", "list.txt", folder=home)
    assert done.returncode == 2 and "none of the known kinds" in done.stderr
    (home / "empty").mkdir()
    done = solar("data", "check", "empty", folder=home)
    assert done.returncode == 1 and "holds no photos" in done.stderr
    with pytest.raises(SolarError):
        solar("--debug", "data", "check", "empty", folder=home)


def test_the_command_prints_what_the_function_finds(home: Path) -> None:
    (home / "photos" / "rome" / "01.png").write_bytes(b"no photo")
    steps: list[tuple[int, int]] = []
    found = check(home / "photos", decode=True, progress=lambda *step: steps.append(step))
    code, printed = report(home / "photos", "--open", folder=home)
    assert code == 1 and printed == json.loads(json.dumps(found.to_json())) and steps[-1] == (6, 6)
    with pytest.raises(SolarError, match="photos that cannot be used: 1"):
        found.require_sound()
    check(home / "photos").require_sound()  # it is not opened
