"""The page of a search: whole, escaped, and with lines where the inliers are."""

from __future__ import annotations

import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from solar.index import Hit, Search
from solar.photos import decode
from solar.photos.facts import date_of
from solar.photos.thumbnails import thumbnail
from solar.rerank.geometric import CHANCE
from solar.web.html import write_html
from solar.web.page import LINES, write_page
from tests.evaluation.fakes import paint

LINE = (0.25, 0.5, 0.75, 1.0)


class _Parsed(HTMLParser):
    """Tags in order, and the texts between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(folder: Path, *searches: Search, title: str = "Solar") -> str:
    write_page(folder / "page.html", searches, title)
    return (folder / "page.html").read_text()


def test_a_page_needs_nothing_but_itself(tmp_path: Path) -> None:
    query, found = paint(tmp_path / "q.png", 1), paint(tmp_path / "a b.png", 2)
    hits = [Hit(str(found), 0.98765, 1), Hit(str(tmp_path / "gone.png"), 0.5, 2)]
    text = page_of(tmp_path, Search(query, hits, (4, 4, 20, 20), 0.0123))
    parsed = _Parsed(text)
    assert not parsed.all("script") and not parsed.all("link")
    assert all(
        str(image["src"]).startswith("data:image/jpeg;base64,") for image in parsed.all("img")
    )
    assert [a["href"] for a in parsed.all("a")] == [query.as_uri(), found.as_uri()]
    assert "a%20b.png" in text
    assert str(tmp_path) in parsed.texts and "file of 20" in parsed.texts
    for words in (
        "1. 0.988",
        "in 12 ms",
        "1 search, 2 hits, the most",
        "gone.png",
        "cannot be opened",
    ):
        assert words in parsed.texts
    assert "keypoints" not in parsed.texts and "<svg" not in text
    assert "The index holds no photo." in page_of(tmp_path, Search(query, []))


def test_the_folder_of_all_hits_is_said_once(tmp_path: Path) -> None:
    hits = [Hit(f"{tmp_path}/{name}", 0.9, n) for n, name in enumerate(("a/1.jpg", "2.jpg"))]
    page = page_of(tmp_path, Search("q.png", hits), Search("p.png", hits[:1]))
    parsed = _Parsed(page)
    assert parsed.texts.count(str(tmp_path)) == 1 and f"In {tmp_path}." in parsed.texts
    assert [text.split("<")[0] for text in re.findall(r"<span>(.*?)</span>", page)] == [
        "a",
        "",
        "a",
    ]
    assert [f.get("title") for f in parsed.all("figure")] == [
        *(None, hits[0].path, hits[1].path),
        *(None, hits[0].path),
    ]
    relative = _Parsed(page_of(tmp_path, Search("q.png", [Hit("x/1.jpg", 0.9, 1), hits[0]])))
    assert "In " not in relative.texts and f"{tmp_path}/a" in relative.texts


def test_the_query_may_be_any_photo_and_is_left_as_it_is(tmp_path: Path) -> None:
    path = paint(tmp_path / "q.png", 1)
    decoded = decode(path)
    before = decoded.image.tobytes()
    whole = page_of(tmp_path, Search(decoded, [], (4, 4, 20, 20)))
    assert decoded.image.tobytes() == before
    assert whole == page_of(tmp_path, Search(path, [], (4, 4, 20, 20)))
    nameless = page_of(tmp_path, Search(Image.open(path).convert("RGB"), []))
    assert "<a " not in nameless and "photo" in nameless
    assert page_of(tmp_path, Search(path.read_bytes(), [])) == nameless


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30))
def test_names_cannot_become_markup(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.mktemp("page")
    hit = Hit(f"/photos/<script>{name}</script>&\"'.jpg", 0.5, 1)
    text = page_of(folder, Search("<b>q</b>.png", [hit]), title=f"<i>{name}")
    parsed = _Parsed(text)
    assert {tag for tag, _ in parsed.tags}.isdisjoint({"script", "b>", "i", "img"})
    assert parsed.all("figure")[1]["title"] == hit.path
    assert f"<i>{name}" in parsed.texts


def test_names_that_are_not_utf_8_do_not_stop_it(tmp_path: Path) -> None:
    assert "?" in page_of(tmp_path, Search("q.png", [Hit("/a/\udcff.jpg", 0.5, 1)]))


def test_captions_say_the_day_on_which_a_photo_was_taken(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[306] = "2021:01:02 00:00:00"
    photo = Image.new("RGB", (40, 30))
    photo.save(tmp_path / "changed.jpg", exif=exif)
    exif.get_ifd(0x8769)[36867] = "2019:07:12 14:53:01"
    photo.save(tmp_path / "taken.jpg", exif=exif)
    exif.get_ifd(0x8769)[36867] = "long ago"
    photo.save(tmp_path / "odd.png", exif=exif)
    assert date_of(tmp_path / "changed.jpg") == date_of(tmp_path / "odd.png") == "2021-01-02"
    assert date_of(tmp_path / "taken.jpg") == "2019-07-12"
    os.utime(tmp_path / "odd.png", (2**33, 2**33))
    photo.save(tmp_path / "none.bmp")
    os.utime(tmp_path / "none.bmp", (86400 * 365.5, 86400 * 365.5))
    assert date_of(tmp_path / "none.bmp") == "file of 1971-01-01"
    assert date_of(tmp_path / "missing.png") is None
    hit = Hit(str(tmp_path / "taken.jpg"), 0.5, 1)
    assert "2019-07-12" in page_of(tmp_path, Search(tmp_path / "odd.png", [hit]))


def test_lines_of_inliers_join_their_places(tmp_path: Path) -> None:
    Image.new("RGB", (200, 100)).save(tmp_path / "q.png")
    Image.new("RGB", (50, 100)).save(tmp_path / "hit.png")
    hit = Hit(str(tmp_path / "hit.png"), 0.9, 1, CHANCE + 1, (LINE,))
    few = Hit(str(tmp_path / "hit.png"), 0.8, 2, CHANCE, (LINE,))
    many = Hit(str(tmp_path / "hit.png"), 0.7, 3, 9 * LINES, (LINE,) * 9 * LINES)
    text = page_of(tmp_path, Search(tmp_path / "q.png", [hit, few, many]))
    parsed = _Parsed(text)
    assert len(parsed.all("svg")) == 2
    # Both are 100 high: the query 200 wide, then a gap of 8, then the hit, 50 wide.
    assert parsed.all("svg")[0]["viewbox"] == "0 0 258.0 100"
    assert parsed.all("path")[0]["d"] == "M50.0 50.0L245.5 100.0"
    assert parsed.all("path")[1]["d"] == "M50.0 50.0L245.5 100.0" * LINES
    circles = [(circle["cx"], circle["cy"]) for circle in parsed.all("circle")[:2]]
    assert circles == [("50.0", "50.0"), ("245.5", "100.0")]
    assert (
        f"1. {CHANCE + 1} keypoints agree" in parsed.texts
        and f"more than {CHANCE} keypoints" in text
    )
    none = page_of(tmp_path, Search(tmp_path / "q.png", [few]))
    assert "<svg" not in none and f"No photo has more than {CHANCE} keypoints" in none


def test_thumbnails_are_small_and_show_the_box(tmp_path: Path) -> None:
    photo = Image.new("RGB", (800, 400))
    whole, drawn, part = (
        thumbnail(photo),
        thumbnail(photo, (100, 100, 300, 300)),
        thumbnail(photo, (100, 100, 300, 300), crop=True, side=160),
    )
    assert whole and drawn and part
    assert (whole.width, whole.height) == (drawn.width, drawn.height) == (320, 160)
    assert (part.width, part.height) == (160, 160)
    assert whole.source != drawn.source
    assert photo.getextrema() == ((0, 0),) * 3
    assert thumbnail(tmp_path / "gone.png") is None
    assert thumbnail(photo, (900, 900, 999, 999), crop=True) is None


def test_a_template_without_a_value_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="undefined"):
        write_html(tmp_path / "page.html", "result.html", title="t")
    assert not re.search("page", "".join(path.name for path in tmp_path.iterdir()))
