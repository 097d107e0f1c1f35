"""The lists of Google Landmarks v1 and v2, as published."""

from pathlib import Path

import pytest
from PIL import Image

from solar.datasets.places.places import open_places, read_places
from solar.errors import PhotoError, UsageError
from tests.scenes import scene

IDS = ("97c0a12e07ae8dd5", "650c989dd3493748", "05e63ca9b2cde1f4")
TRAIN = (
    '"id","url","landmark_id"\n'
    f'"{IDS[0]}","http://lh4.example.com/-f8xYA5l4apw/s1600/","6347"\n'
    f'"{IDS[1]}","https://lh5.example.com/a,b/s1600/","12519"\n'
    f'"{IDS[2]}","None","6347"\n'
)
BOXES = f"id,box\n{IDS[1]},0.1 0.25 0.6 0.75\n{'0' * 16},0 0 1 1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.csv").write_text(TRAIN)
    (tmp_path / "boxes_split1.csv").write_text(BOXES)
    (tmp_path / "boxes_split2.csv").write_text(f"id,box\n{IDS[0]},-0.01 0 0.5 1.01\n")
    return tmp_path


def test_train_csv(folder: Path) -> None:
    places = open_places(folder / "train.csv")
    assert places.names == ("6347", "12519") and places.places.tolist() == [0, 1, 0]
    assert places.path(2) == folder / f"{IDS[2]}.jpg"
    assert places.box(1) is None
    (folder / "images" / "6").mkdir(parents=True)
    nested = open_places(folder / "train.csv", photos=folder / "images")
    assert nested.path(1) == folder / "images" / "6" / "5" / "0" / f"{IDS[1]}.jpg"


def test_rows_without_a_landmark_are_left_out_and_counted(folder: Path) -> None:
    rows = f'"{"1" * 16}","http://x/","None"\n"{"2" * 16}","None","None"\n'
    (folder / "train.csv").write_text(TRAIN + rows)
    places, problems = read_places(folder / "train.csv")
    assert (len(places), problems.count, problems.unlabelled) == (3, 0, 2)
    assert open_places(folder / "train.csv").names == ("6347", "12519")
    (folder / "train.csv").write_text(TRAIN + f'"{"1" * 16}","http://x/","no"\n')
    assert read_places(folder / "train.csv")[1].count == 1


def test_boxes_become_pixels_of_the_upright_photo(folder: Path) -> None:
    boxes = [folder / "boxes_split1.csv", folder / "boxes_split2.csv"]
    places = open_places(folder / "train.csv", boxes=boxes)
    scene(0, (400, 200)).save(folder / f"{IDS[1]}.jpg")
    assert places.box(1) == pytest.approx((100, 20, 300, 120))
    exif = Image.Exif()
    exif[274] = 6  # lies on its side: 200 wide and 400 high when upright
    scene(0, (400, 200)).save(folder / f"{IDS[1]}.jpg", exif=exif)
    assert places.box(1) == pytest.approx((50, 40, 150, 240))
    scene(0, (100, 200)).save(folder / f"{IDS[0]}.jpg")
    assert places.box(0) == pytest.approx((0, -2, 101, 100))
    assert places.box(2) is None


def test_a_box_needs_the_photo_s_size(folder: Path) -> None:
    places = open_places(folder / "train.csv", boxes=[folder / "boxes_split1.csv"])
    with pytest.raises(PhotoError, match=rf"{IDS[1]}\.jpg: its size cannot be read"):
        places.box(1)
    (folder / f"{IDS[1]}.jpg").write_bytes(b"\xff\xd8\xff no photo")
    with pytest.raises(PhotoError, match=rf"{IDS[1]}\.jpg: its size cannot be read") as caught:
        places.box(1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"{IDS[2]},0 0 1", "expected four numbers"),
        (f"{IDS[2]},0 0.5 1 0.5", "holds nothing"),
        (f"{IDS[2]},1 0 2 1", "lies outside the photo"),
        (f"{IDS[2]},10 20 200 300", "lies outside the photo"),
        (f"{IDS[1]},0 0 1 1", f"a second box for '{IDS[1]}'"),
    ],
)
def test_a_wrong_box_is_named_by_its_file_and_row(row: str, reason: str, folder: Path) -> None:
    boxes = folder / "boxes_split1.csv"
    boxes.write_text(f"{BOXES}{row}\n")
    with pytest.raises(UsageError) as caught:
        open_places(folder / "train.csv", boxes=[boxes])
    assert f"{boxes}: row 4: " in str(caught.value) and reason in str(caught.value)


def test_a_list_that_holds_no_boxes(folder: Path) -> None:
    with pytest.raises(UsageError, match="row 1: boxes have the columns id,box"):
        open_places(folder / "train.csv", boxes=[folder / "train.csv"])
    with pytest.raises(UsageError, match=r"gone\.csv: no such file"):
        open_places(folder / "train.csv", boxes=[folder / "gone.csv"])


def test_train_clean_csv(folder: Path) -> None:
    clean = folder / "train_clean.csv"
    clean.write_text(f"landmark_id,images\n1,{IDS[0]} {IDS[1]}\n7,{IDS[2]}\n")
    places = open_places(clean)
    assert places.names == ("1", "7") and places.places.tolist() == [0, 0, 1]
    assert [places.path(n) for n in range(3)] == [folder / f"{name}.jpg" for name in IDS]
    assert places.rows is not None and places.rows.tolist() == [2, 2, 3]
    ids = " ".join(f"{number:016x}" for number in range(12_000))  # more than a CSV field may hold
    clean.write_text(f"landmark_id,images\n1,{ids}\n")
    assert len(open_places(clean)) == 12_000


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("9,", "the landmark has no images"),
        ("nine,0123456789abcdef", "landmark_id 'nine' is not a whole number"),
        ("9,0123456789abcdef ../../etc/passwd", "is not the id of a photo"),
        (f"9,{IDS[0]}", "the same photo and box as in row 2"),
    ],
)
def test_a_wrong_landmark(row: str, reason: str, folder: Path) -> None:
    clean = folder / "train_clean.csv"
    clean.write_text(f"landmark_id,images\n1,{IDS[0]} {IDS[1]}\n{row}\n")
    places, problems = read_places(clean)
    (problem,) = problems.kept
    assert (problem.file, problem.row) == (clean, 3) and reason in problem.reason
    assert problems.repeated == ("same" in reason)
    assert not any("passwd" in str(places.path(number)) for number in range(len(places)))


def test_a_wrong_row_of_train_csv(folder: Path) -> None:
    (folder / "train.csv").write_text(f"{TRAIN}a/../b,url,5\n{IDS[2]},url,5\n")
    _, problems = read_places(folder / "train.csv")
    assert [problem.row for problem in problems.kept] == [5, 6]
    assert problems.repeated == 1
