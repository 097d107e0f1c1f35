from pathlib import Path

import pytest

from solar.datasets.folder import open_folder
from solar.datasets.places.places import open_places
from solar.errors import SolarError, UsageError
from tests.evaluation.fakes import paint


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in ("b/1.png", "b/2.png", "b/deep/3.png", "a/1.png", "a/2.png", "c/1.png"):
        paint(folder / name, 0)
    (folder / "b" / "notes.txt").write_text("no photo")
    return folder


def test_each_photo_of_a_place_is_a_query_for_the_others(root: Path) -> None:
    found = open_folder(root)
    truth = found.ground_truth
    assert [*found.database, *found.queries] == [
        root / name for name in (*truth.database, *(query.name for query in truth.queries))
    ]
    assert truth.dataset == "photos"
    assert truth.database == (
        "a/1.png", "a/2.png", "b/1.png", "b/2.png", "b/deep/3.png", "c/1.png",
    )  # fmt: skip
    asked = {query.name: query for query in truth.queries}
    assert list(asked) == ["a/1.png", "a/2.png", "b/1.png", "b/2.png", "b/deep/3.png"]
    assert asked["b/2.png"].labels["ok"].tolist() == [2, 4]
    assert asked["b/2.png"].labels["junk"].tolist() == [3]
    assert asked["b/2.png"].box is None


def test_a_photo_in_no_sub_folder_is_named_as_in_training(root: Path) -> None:
    paint(root / "0.png", 0)
    with pytest.raises(UsageError, match=r"0\.png: in no sub-folder, .*: move it"):
        open_folder(root)
    with pytest.raises(UsageError, match=r"0\.png: in no sub-folder, .*: move it"):
        open_places(root)


def test_a_folder_without_places_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        open_folder(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SolarError, match="empty: holds no photos"):
        open_folder(tmp_path / "empty")
    for name in ("x/1.png", "y/1.png"):
        paint(tmp_path / "single" / name, 0)
    with pytest.raises(SolarError, match="single: no sub-folder holds two photos"):
        open_folder(tmp_path / "single")


def test_pairs_of_a_csv(root: Path, tmp_path: Path) -> None:
    paint(root / "0.png", 0)
    table = tmp_path / "mine.csv"
    table.write_text(
        "\ufeffpositive,query,note\na/2.png,b/1.png,x\n./c/1.png,b/1.png,\nb\\1.png,0.png,y\n",
        encoding="utf-8",
    )
    truth = open_folder(root, table).ground_truth
    assert truth.dataset == "mine"
    assert [query.name for query in truth.queries] == ["b/1.png", "0.png"]
    assert truth.queries[0].labels["ok"].tolist() == [2, 6]
    assert truth.queries[0].labels["junk"].tolist() == [3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("query,good\na/1.png,a/2.png\n", "row 1: no column positive"),
        ("", "row 1: no (column query and positive|header)"),
        ("query,positive\n", "holds no pairs"),
        ("query,positive\na/1.png,a/2.png\na/1.png,gone.png\n", "row 3: no photo 'gone.png'"),
        ("query,positive\n../a/1.png,a/2.png\n", r"row 2: '\.\./a/1\.png' leads out"),
        ("query,positive\na/1.png\n", "row 2: 1 field, but the header has 2"),
        ("query,positive\na/1.png,a/1.png\n", "row 2: 'a/1.png' is a pair with itself"),
        ("query,positive\na/1.png,b/1.png\n\na/1.png,b/1.png\n", "row 4: this pair stands twice"),
        ("query,positive\na/1.png,\n", "row 2: the path is empty"),
        ('query,positive\na/1.png,"b\n', "row 2: not a row of a CSV"),
        (f"query,positive\na/1.png,{'x' * 2_000_000}\n", "row 2: longer than 1 MiB"),
    ],
)
def test_a_wrong_row_is_named_by_its_number(
    text: str, message: str, root: Path, tmp_path: Path
) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text(text)
    with pytest.raises(SolarError, match=message) as caught:
        open_folder(root, table)
    assert str(table) in str(caught.value)


def test_a_csv_that_cannot_be_read(root: Path, tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    with pytest.raises(SolarError, match=r"pairs\.csv: no such file"):
        open_folder(root, table)
    table.write_bytes(b"query,positive\n\xff\xfe,a\n")
    with pytest.raises(SolarError, match=r"pairs\.csv: row 2: not UTF-8"):
        open_folder(root, table)
