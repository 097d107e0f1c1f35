"""Labelled data sets: folders, one's own CSV, and what is said of anything else."""

import csv
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solar.datasets.places.places import Places, open_places, read_places
from solar.errors import UsageError


def write(folder: Path, text: str, name: str = "list.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def labels(places: Places) -> list[tuple[str, str]]:
    """Paths below the photos' folder with the names of their places."""
    return [
        (places.path(number).relative_to(places.photos).as_posix(), places.names[place])
        for number, place in enumerate(places.places.tolist())
    ]


def test_sub_folders_are_places(tmp_path: Path) -> None:
    for name in ("rome/1.jpg", "rome/deep/2.PNG", "oslo/1.jpg", ".git/1.jpg", "rome/.x.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    write(tmp_path, "no photo", "notes.txt")
    places = open_places(tmp_path)
    assert labels(places) == [
        ("oslo/1.jpg", "oslo"),
        ("rome/1.jpg", "rome"),
        ("rome/deep/2.PNG", "rome"),
    ]
    assert places.path(0) == tmp_path / "oslo" / "1.jpg"
    assert places.rows is None and places.pairs is None and places.box(0) is None
    (tmp_path / "lonely.jpg").touch()
    with pytest.raises(UsageError, match=r"lonely\.jpg: in no sub-folder"):
        open_places(tmp_path)


def test_a_linked_place_is_not_dropped_silently(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "1.jpg").touch()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(UsageError, match="link: a linked folder"):
        open_places(tmp_path)


def test_a_list_of_ones_own(tmp_path: Path) -> None:
    text = (
        "\ufeffPath, place ,note,box\r\n"
        "a.jpg,Rome,x,\r\n"
        './b//c.jpg,"Paris, Texas",,1 2.5 30 40\r\n'
        "\r\n"
        'd\\e.jpg,Rome,"said ""no""",\r\n'
        "a.jpg,Oslo,the same photo,5 5 9 9\r\n"
    )
    places = open_places(write(tmp_path, text))
    assert labels(places) == [
        ("a.jpg", "Rome"),
        ("b/c.jpg", "Paris, Texas"),
        ("d/e.jpg", "Rome"),
        ("a.jpg", "Oslo"),
    ]
    assert places.places.tolist() == [0, 1, 0, 2]
    assert [places.box(number) for number in range(4)] == [
        None,
        (1, 2.5, 30, 40),
        None,
        (5, 5, 9, 9),
    ]
    assert places.rows is not None and places.rows.tolist() == [2, 3, 5, 6]
    assert open_places(tmp_path / "list.csv", photos=tmp_path.parent).path(0) == (
        tmp_path.parent / "a.jpg"
    )


def test_places_travel_to_other_processes(tmp_path: Path) -> None:
    places = open_places(write(tmp_path, "path,place,box\na.jpg,x,1 2 3 4\nb.jpg,y,\n"))
    copy = pickle.loads(pickle.dumps(places))  # noqa: S301
    assert labels(copy) == labels(places) and copy.box(0) == (1, 2, 3, 4)
    for number in (-1, 2):
        with pytest.raises(IndexError):
            copy.path(number)
        with pytest.raises(IndexError):
            copy.box(number)


LETTERS = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/\\:")
WORDS = st.text(LETTERS, min_size=1, max_size=12).map(str.strip).filter(lambda t: t.strip("."))
BOXES = st.tuples(*[st.floats(0, 1e4)] * 2, *[st.floats(1e-3, 1e4)] * 2).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
ROWS = st.tuples(st.lists(WORDS, min_size=1, max_size=3).map("/".join), WORDS, st.none() | BOXES)


@given(st.lists(ROWS, min_size=1, max_size=20, unique_by=lambda row: (row[0], row[2])))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str, tuple[float, float, float, float] | None]],
) -> None:
    path = tmp_path_factory.mktemp("round") / "list.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["place", "box", "path"])
        for name, place, box in rows:
            writer.writerow([place, " ".join(map(repr, box or ())), name])
    places = open_places(path)
    assert labels(places) == [(name, place) for name, place, _ in rows]
    assert [places.box(number) for number in range(len(rows))] == [box for *_, box in rows]


HEADERS = (b"path,place,box\n", b"id,url,landmark_id\n", b"landmark_id,images\n", b"")


@given(
    st.sampled_from(["list.csv", "list.jsonl", "list.pkl"]),
    st.sampled_from(HEADERS),
    st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "ignore")),
)
def test_any_bytes_are_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, name: str, header: bytes, rest: bytes
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / name
    path.write_bytes(header + rest)
    try:
        places, problems = read_places(path)
    except UsageError as error:
        lines = [str(error)]
    else:
        lines = [str(problem) for problem in problems.kept]
        for number in range(len(places)):
            assert ".." not in places.path(number).relative_to(path.parent).parts
    assert not any("\n" in line or len(line) > 1000 for line in lines)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a.jpg", "1 field, but the header has 3"),
        ("a.jpg,x,,", "4 fields, but the header has 3"),
        (",x,", "the path is empty"),
        ("a.jpg,,", "the place is empty"),
        ("../a.jpg,x,", "leads out of the photos' folder"),
        ("b/..\\..\\a.jpg,x,", "leads out of the photos' folder"),
        ("/etc/passwd,x,", "absolute path"),
        ("C:\\a.jpg,x,", "absolute path"),
        ("./.,x,", "not the path of a photo"),
        ("a.jpg,x,1 2 3", "expected four numbers"),
        ("a.jpg,x,1 2 3 four", "expected four numbers"),
        ("a.jpg,x,1 2 3 inf", "holds nothing"),
        ("a.jpg,x,nan 2 3 4", "holds nothing"),
        ("a.jpg,x,10 2 3 4", "holds nothing"),
        ('a.jpg,"x,', "a quote that this line does not close"),
        ('a.jpg,"x"y,', "not a row of a CSV"),
        ("good.jpg,y,", "the same photo and box as in row 2"),
        ("a.jpg,\0,", "NUL byte"),
        ("a.jpg,x,\rb.jpg,x,", "carriage return"),
        ("a.jpg," + "x" * (1 << 21) + ",", "longer than 1 MiB"),
        ('a.jpg,"' + "x" * 200_000 + '",', "field larger than field limit"),
    ],
)
def test_a_wrong_row_is_named_and_the_others_are_read(
    row: str, reason: str, tmp_path: Path
) -> None:
    path = write(tmp_path, f"path,place,box\ngood.jpg,x,\n{row}\nlast.jpg,x,\n{row}\n")
    with pytest.raises(UsageError) as caught:
        open_places(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: row 3: ") and reason in message
    assert "2 rows in all" in message and "solar data check" in message
    assert "\n" not in message and len(message) < 500
    places, problems = read_places(path)
    assert [problem.row for problem in problems.kept] == [3, 5]
    read = [name for name, _ in labels(places)]
    assert read[0] == "good.jpg" and "last.jpg" in read


def test_text_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes("path,place\na.jpg,Málaga\nb.jpg,Rome\n".encode("latin1"))
    with pytest.raises(UsageError, match="row 2: not UTF-8"):
        open_places(path)
    path.write_bytes("path,place\na.jpg,Rome\n".encode("utf-16"))
    with pytest.raises(UsageError, match="row 1: no header in UTF-8"):
        open_places(path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "row 1: no header"),
        ("path,position\na.jpg,x\n", "row 1: 'path,position' are columns of no list known here"),
        ("path,place,path\na.jpg,x,b.jpg\n", "row 1: two columns 'path'"),
        ('path,"place\na.jpg,x\n', "row 1: not a row of a CSV"),
        ("path,place\n", "holds no photos"),
    ],
)
def test_a_wrong_header(text: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"list\.csv") as caught:
        open_places(write(tmp_path, text))
    assert reason in str(caught.value) and "\n" not in str(caught.value)


def test_sources_of_no_known_kind(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.csv: no such file or folder"):
        open_places(tmp_path / "gone.csv")
    with pytest.raises(UsageError, match=r"list\.txt: none of the known kinds: .*path,place"):
        open_places(write(tmp_path, "path,place\n", "list.txt"))
    with pytest.raises(UsageError, match="holds no photos"):
        (tmp_path / "empty").mkdir()
        open_places(tmp_path / "empty")
    own = write(tmp_path, "path,place\na.jpg,x\n")
    with pytest.raises(UsageError, match=r"photos' folder .*nowhere: no such folder"):
        open_places(own, photos=tmp_path / "nowhere")
    with pytest.raises(UsageError, match="the source is one itself"):
        open_places(tmp_path, photos=tmp_path)
    for boxed in (own, tmp_path):
        with pytest.raises(UsageError, match="boxes belong to Google's"):
            open_places(boxed, boxes=[own])
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(UsageError, match=r"pipe\.csv: not a regular file"):
        open_places(tmp_path / "pipe.csv")
    with pytest.raises(UsageError, match="has no part 'val'"):
        open_places(own, part="val")
