"""Tables as people write them: any case, spaces, separators, absolute paths, boxes with commas."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solar.datasets import open_folder
from solar.datasets.places.places import open_places
from solar.datasets.places.rows import photo_path, read_box, split_row
from solar.errors import SolarError
from tests.scenes import scene


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "the photos"
    (folder / "sub").mkdir(parents=True)
    for name in ("1.png", "2.png", "sub/3.png"):
        scene(1).save(folder / name)
    (tmp_path / "link").symlink_to(folder)
    return folder


PAIRS = [
    "Query,Positive\n1.png,sub/3.png\n",
    " query , positive \n 1.png , sub/3.png \n",
    "query;positive\n1.png;sub/3.png\n",
    "\ufeffQUERY\tnote\tPOSITIVE\r\n1.png\ta, b; c\tsub/3.png\r\n",
    '"query"; "positive"\n"1.png"; "sub/3.png"\n',
    "query,positive\n{photos}/1.png,{photos}/sub/3.png\n",
    "query,positive\n{photos}/./1.png,{link}/sub//3.png\n",
    "query,positive\n.\\1.png,sub\\3.png\n",
]


@pytest.mark.parametrize("text", PAIRS)
def test_pairs_in_every_spelling(photos: Path, text: str) -> None:
    table = photos.parent / "pairs.csv"
    link = (photos.parent / "link").resolve()
    table.write_text(text.format(photos=photos, link=link), encoding="utf-8")
    truth = open_folder(photos, table).ground_truth
    assert [query.name for query in truth.queries] == ["1.png"]
    assert truth.queries[0].labels["ok"].tolist() == [truth.database.index("sub/3.png")]


@pytest.mark.parametrize(
    "text",
    [
        "Path,PLACE,Box\n1.png,a,10 20 30 40\n2.png,a,\n",
        "path;place;box\n1.png;a;10,20,30,40\n2.png;a;\n",
        "path,place,box\n1.png,a,10,20,30,40\n2.png,a,\n",
        'path,place,box\n1.png,a,"10, 20, 30, 40"\n2.png,a,\n',
        'path\tbox\tplace\n{photos}/1.png\t[10, 20; 30 40]\ta\n2.png\t""\ta\n',
        "box,path,place\n10,20,30,40,1.png,a\n,2.png,a\n",
        "path,X1,Y1,X2,Y2,place\n1.png,10,20,30,40,a\n2.png,,,,,a\n",
    ],
)
def test_labels_in_every_spelling(photos: Path, text: str) -> None:
    table = photos.parent / "labels.csv"
    table.write_text(text.format(photos=photos), encoding="utf-8")
    places = open_places(table, photos=photos)
    assert [places.path(n) for n in range(2)] == [photos / "1.png", photos / "2.png"]
    assert places.box(0) == (10, 20, 30, 40) and places.box(1) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("query,positive\n/etc/passwd,1.png\n", r"row 2: '/etc/passwd' is an absolute path"),
        ("query,positive\n../x.png,1.png\n", r"row 2: .* leads out of the photos' folder"),
        ("query,positive\n1.png\n", "row 2: 1 field, but the header has 2"),
        ("query,query\n1.png,2.png\n", "row 1: two columns 'query'"),
        ("first,second\n1.png,2.png\n", "row 1: no column query and positive"),
        ("query,positive\n1.png,\n", "row 2: the path is empty"),
        ("query,positive\n" + "x" * 5000 + ",1.png\n", "row 2: no photo 'x{20,60}"),
        ("", "row 1: no header in UTF-8"),
    ],
)
def test_what_is_wrong_names_the_row(photos: Path, text: str, reason: str) -> None:
    table = photos.parent / "pairs.csv"
    table.write_text(text)
    with pytest.raises(SolarError, match=rf"pairs\.csv: {reason}") as caught:
        open_folder(photos, table)
    assert len(str(caught.value)) < 3 * len(str(photos)) + 200


def test_an_absolute_path_through_a_link_leads_to_the_photos(photos: Path) -> None:
    link = photos.parent / "another way"
    link.symlink_to(photos)
    assert photo_path(f"{link}/sub/3.png", photos) == "sub/3.png"
    assert photo_path(f"{photos}/sub/3.png", link) == "sub/3.png"
    with pytest.raises(ValueError, match="not below the photos' folder"):
        photo_path(f"{link.parent}/1.png", photos)


def test_a_folder_with_the_same_beginning_is_another(photos: Path) -> None:
    with pytest.raises(ValueError, match="not below the photos' folder"):
        photo_path(f"{photos}2/1.png", photos)
    assert photo_path(f"{photos}/1.png", photos) == "1.png"
    with pytest.raises(SolarError, match="not a regular file"):
        open_folder(photos, photos)


numbers = st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4, unique=True).map(sorted)


@settings(max_examples=50, deadline=None)
@given(numbers, st.sampled_from([" ", ",", ", ", ";", "\t", " , "]))
def test_boxes_with_anything_between(box: list[float], between: str) -> None:
    assert read_box(between.join(map(repr, box))) == tuple(box)


fields = st.lists(st.text(st.characters(exclude_characters='"\r\n\0', exclude_categories=["Cs"])))


@settings(max_examples=100, deadline=None)
@given(fields, st.sampled_from(",;\t"))
def test_quoted_fields_come_back(row: list[str], separator: str) -> None:
    line = separator.join(f'"{field}"' for field in row) or '""'
    assert split_row(line, separator) == ([field.strip() for field in row] or [""])
