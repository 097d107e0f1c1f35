"""Filters: what each lets through, what is refused and where; in the index and on the command.

`python -m tests.index.test_where` prints what each of them gave, as a table.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solar.errors import UsageError
from solar.index import Index
from solar.index._functions import metres
from solar.index.where import LONGEST, Where
from tests.index.bytes_extractor import BytesExtractor
from tests.photos.exif import MAKE, MODEL, OFFSET, ORIGINAL, PARIS, photo_with

ROME = {1: "N", 2: (41.0, 53.0, 24.0), 3: "E", 4: (12.0, 29.0, 32.0)}
FIJI = {1: "S", 2: (18.0, 0.0, 0.0), 3: "W", 4: (179.0, 59.0, 0.0)}
OVER_THE_LINE = {1: "S", 2: (18.0, 0.0, 0.0), 3: "E", 4: (179.0, 59.0, 0.0)}
ALL = "abcdefg"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven photos, named by letters."""
    return write_photos(tmp_path_factory.mktemp("where") / "Photos")


def write_photos(root: Path) -> Path:
    """What these photos say of themselves."""
    canon, phone = {MAKE: "Canon", MODEL: "Canon EOS 5D"}, {MAKE: "Apple", MODEL: "iPhone"}
    day = "2020:06:15 10:00:00"
    for number, (name, tags, exif, gps, size) in enumerate(
        [
            ("Paris 2020/a.jpg", canon, {ORIGINAL: day, OFFSET: "+02:00"}, PARIS, (64, 48)),
            ("Paris 2020/b.jpg", phone, {ORIGINAL: "2020:05:31 23:59:59"}, None, (48, 64)),
            ("Rome/c.jpg", canon, {ORIGINAL: day, OFFSET: "-02:00"}, ROME, (200, 100)),
            ("Rome/it's/d.jpg", {}, {ORIGINAL: "1999:12:31 23:00:00"}, None, (64, 48)),
            ("sea/e.jpg", phone, {}, FIJI, (64, 48)),
            ("sea/f.jpg", {}, {}, OVER_THE_LINE, (64, 48)),
            ("MÜNCHEN/g.jpg", {}, {}, None, (64, 48)),
        ]
    ):
        colour = (10 * number, 100, 200)
        photo_with(root / name, tags, exif, gps, colour=colour, size=size)
    return root


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Index:
    """Of these photos."""
    index = Index.create(
        tmp_path_factory.mktemp("index") / "my.index", BytesExtractor(), local=None
    )
    index.add(photos)
    return index


GOOD = {
    "taken >= 2020-06": "ac",
    "taken>=2020-06": "ac",
    "taken > 2020-06": "",
    "taken > 2020-05": "ac",
    "taken <= 2020-06": "abcd",
    "taken < 2020-06": "bd",
    "taken = 2020": "abc",
    "taken != 2020": "d",
    "taken = 2020-06-15": "ac",
    "taken = 2020-06-15T10:00": "ac",
    "taken = 2020-06-15T10:00:00": "ac",
    "taken = 2020-06-15T10:00:01": "",
    "taken < 1999-12-31T23:00:01": "d",
    "taken = 2020-06-15T10:00+02:00": "a",
    "taken = 2020-06-15T08:00Z": "a",
    "taken >= 2020-06-15T12:00:00z": "c",
    "folder ~ 'paris'": "ab",
    'folder ~ "PARIS 2020"': "ab",
    "folder ~ 'münchen'": "g",
    "folder ~ 'Mu\u0308nchen'": "g",
    "folder ~ 'it''s'": "d",
    "folder !~ 'paris'": "cdefg",
    "name = 'A.JPG'": "a",
    "name != 'a.jpg' and name ~ 'jpg'": "bcdefg",
    "path ~ 'rome/c'": "c",
    "camera ~ 'canon'": "ac",
    "camera = 'apple iphone'": "be",
    "camera !~ 'canon'": "be",
    "not camera ~ 'canon'": "bdefg",
    "has camera": "abce",
    "has taken": "abcd",
    "has zone and not has gps": "",
    "not has gps": "bdg",
    "width > 100": "c",
    "width = 48 or height = 48": "abdefg",
    "bytes > 0 and bytes < 1e9": ALL,
    "gps within 5km of 48.85,2.29": "a",
    "gps within 1115km of 41.89, 12.4922": "ac",
    "gps within 4mi of -18,180": "ef",
    "gps within 500m of -18,-179.9833333": "e",
    "NOT (taken >= 2020 OR gps within 10000km of 0,0)": "defg",
    "not not has taken": "abcd",
    "taken >= 2020-06 and folder ~ 'paris' and gps within 5km of 48.85,2.29": "a",
    "has gps and (camera ~ 'apple' or folder ~ 'rome')": "ce",
    "has taken or has gps and width > 100": "abcd",
    "((has taken))": "abcd",
    "name ~ '%' or name ~ '_'": "",
}

BAD = {
    "": (1, "one of taken"),
    "   ": (1, "one of taken"),
    "taken": (6, "one of = !="),
    "taken >=": (9, "a date"),
    "taken >= june": (10, "a date"),
    "taken >= '2020'": (10, "a date"),
    "taken >= 2020-13": (10, "no calendar"),
    "taken >= 2020-02-30": (10, "no calendar"),
    "taken >= 2020-6": (10, "a date"),
    "taken >= 20": (10, "a date"),
    "taken >= 0000": (10, "no calendar"),
    "taken = 9999": (9, "no calendar"),
    "taken >= 2020-06-15T25:00": (10, "no calendar"),
    "taken >= 2020+02:00": (10, "a date"),
    "taken ~ 2020": (7, "one of = !="),
    "taken == 2020": (8, "a date"),
    "date > 2020": (1, "one of taken"),
    "has date": (5, "one of taken"),
    "has": (4, "one of taken"),
    "folder ~ paris": (10, "text in quotes, as 'paris', should stand here, not paris"),
    "folder ~": (9, "text in quotes"),
    "folder 'paris'": (8, "one of ~ !~"),
    "folder > 'paris'": (8, "one of ~ !~"),
    "folder ~ 'paris": (10, "not closed"),
    "folder ~ ''": (10, "is empty"),
    'name ~ "a': (8, "not closed"),
    "width > 'a'": (9, "a number"),
    "width > 1px": (9, "a number"),
    "width": (6, "one of = !="),
    "bytes > 1.2.3": (9, "a number"),
    "gps": (4, "within"),
    "gps = 48.85,2.29": (5, "within"),
    "gps within 5 of 48.85,2.29": (12, "a distance"),
    "gps within km of 48.85,2.29": (12, "a distance"),
    "gps within -5km of 48.85,2.29": (12, "a distance"),
    "gps within 5km 48.85,2.29": (16, "of"),
    "gps within 5km of 48.85": (24, "a comma"),
    "gps within 5km of 48.85 2.29": (25, "a comma"),
    "gps within 5km of 148.85,2.29": (19, "not on earth"),
    "gps within 5km of 2.29,548.85": (19, "not on earth"),
    "gps within 5km of 1e999,2": (19, "a latitude"),
    "has gps and": (12, "one of taken"),
    "and has gps": (1, "one of taken"),
    "has gps has taken": (9, "and, or, or the end"),
    "(has gps": (9, "and, or, or )"),
    "has gps)": (8, "and, or, or the end"),
    "()": (2, "one of taken"),
    "not": (4, "one of taken"),
    "has gps; DROP TABLE photos": (8, "cannot stand"),
    "has gps -- x": (9, "cannot stand"),
    "1 = 1": (1, "one of taken"),
    "taken >= 2020 & has gps": (15, "cannot stand"),
    "(" * 60 + "has gps" + ")" * 60: (41, "inside one another"),
}


def letters(index: Index, where: str) -> str:
    return "".join(sorted(Path(photo.path).stem for photo in index.photos(where)))


@pytest.mark.parametrize("where", GOOD)
def test_filters_let_through(index: Index, where: str) -> None:
    assert letters(index, where) == GOOD[where]


@pytest.mark.parametrize("where", BAD)
def test_filters_are_refused_at_their_column(where: str) -> None:
    column, what = BAD[where]
    with pytest.raises(UsageError) as refused:
        Where.parse(where)
    message = str(refused.value)
    assert message.startswith(f"--where, column {column}: ") and what in message
    assert "\n" not in message and len(message) < 250


def test_there_are_forty_of_each() -> None:
    assert min(len(GOOD), len(BAD)) >= 40


def test_a_filter_that_is_too_long_is_refused() -> None:
    with pytest.raises(UsageError, match="at most 2000"):
        Where.parse("has gps or " * LONGEST)


@given(st.text(max_size=60))
def test_no_text_makes_another_error(text: str) -> None:
    try:
        Where.parse(text)
    except UsageError as error:
        assert str(error).startswith("--where")


@given(st.text(alphabet="x';)\"%_ -ß", min_size=1, max_size=12))
def test_text_is_a_value_whatever_it_says(index: Index, text: str) -> None:
    quoted = text.replace("'", "''")
    found = letters(index, f"name ~ '{quoted}'")
    assert found == ("" if text.strip("x") or text else found) or text in ".jpg"
    assert len(Where.parse(f"name = '{quoted}'").values) == 1


@given(*[st.floats(-90, 90), st.floats(-180, 180)] * 2)
def test_distances_are_those_on_a_sphere(a: float, b: float, c: float, d: float) -> None:
    def point(latitude: float, longitude: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        north, east = math.radians(latitude), math.radians(longitude)
        return np.array(
            [math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)]
        )

    one, two = point(a, b), point(c, d)
    angle = math.atan2(float(np.linalg.norm(np.cross(one, two))), float(one @ two))
    assert metres(a, b, c, d) == pytest.approx(6_371_008.8 * angle, rel=1e-6, abs=0.1)


def test_a_search_finds_only_what_is_let_through(index: Index, photos: Path) -> None:
    query = photos / "Paris 2020" / "a.jpg"
    whole = index.search(query, top=9)
    for where in ("has taken", "not has gps", "folder ~ 'rome' or name = 'g.jpg'", "width > 5000"):
        hits = index.search(query, top=9, where=where)
        kept = {photo.id for photo in index.photos(where)}
        assert [hit.id for hit in hits] == [hit.id for hit in whole if hit.id in kept]
        chained = index.search(query, top=2, where=where, rerank="superglobal", distinct=True)
        assert {hit.id for hit in chained} <= kept
    with pytest.raises(UsageError, match="column 1"):
        index.search(query, where="nothing")
    rows = index.descriptors_file("folder ~ 'rome'")
    assert [Path(path).stem for path in rows.paths] == ["c", "d"]


def test_facts_stay_with_photos_that_move_and_change(tmp_path: Path, photos: Path) -> None:
    shutil.copytree(photos, tmp_path / "p")
    index = Index.create(tmp_path / "i", BytesExtractor(), local=None)
    index.add(tmp_path / "p")
    shutil.copy(tmp_path / "p/Rome/c.jpg", tmp_path / "p/copy.jpg")
    (tmp_path / "p/Rome/c.jpg").rename(tmp_path / "p/moved.jpg")
    exif = {ORIGINAL: "2001:01:01 00:00:00"}
    photo_with(tmp_path / "p/sea/e.jpg", exif=exif, colour=(1, 2, 3))
    index.add(tmp_path / "p")
    assert sorted(letters(index, "width = 200")) == sorted("copymoved")
    assert letters(index, "taken = 2001") == "e" and letters(index, "camera ~ 'apple'") == "b"
    index.compact()
    assert letters(index, "taken = 2001") == "e" and not index.verify()
    (tmp_path / "p").rename(tmp_path / "q")
    index.add(tmp_path / "q")
    assert letters(index, f"folder ~ '{tmp_path.name}/q/paris'") == "ab"
    (found,) = (photo for photo in index.photos("name = 'a.jpg'"))
    assert (found.taken, found.camera) == ("2020-06-15T10:00:00+02:00", "Canon EOS 5D")
    assert found.gps == pytest.approx((48.85, 2.29)) and (found.width, found.height) == (64, 48)


def test_the_commands_filter_too(index: Index, photos: Path) -> None:
    from tests.cli.runner import solar, succeed

    folder = index.folder.parent
    listed = succeed("list", index.folder, "--where", "folder ~ 'rome'", folder=folder)
    assert [line.rpartition("/")[2] for line in listed.splitlines()] == ["c.jpg", "d.jpg"]
    found = json.loads(succeed("list", index.folder, "--where", "has gps", "--json", folder=folder))
    assert found["photos"][0]["gps"] == pytest.approx([48.85, 2.29])
    done = solar("list", index.folder, "--where", "taken >= june", folder=folder)
    assert done.returncode == 2 and "column 10" in done.stderr and done.stderr.count("\n") == 1
    done = solar("search", index.folder, photos / "sea/e.jpg", "--where", "a", folder=folder)
    assert done.returncode == 2 and "column 1" in done.stderr


def table(index: Index) -> str:
    """Markdown: each filter, and the photos that it let through or why it was refused."""

    def said(where: str) -> str:
        try:
            return letters(index, where) or "none"
        except UsageError as error:
            return f"refused: {error}"

    rows = [f"| `{where}` | {said(where)} |" for where in (*GOOD, *BAD)]
    return "\n".join(["| filter | photos |", "| --- | --- |", *rows]).replace("\u0308", "\\u0308")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        shown = Index.create(Path(home) / "my.index", BytesExtractor(), local=None)
        shown.add(write_photos(Path(home) / "Photos"))
        print(table(shown))
