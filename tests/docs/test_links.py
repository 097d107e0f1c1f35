"""Links between the documents lead to files and headings that are there; no network is asked."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import solar

ROOT = Path(__file__).resolve().parents[2]
MADE_BY_THE_SITE = {ROOT / "docs" / "commands.md"}
_FENCE = re.compile(r"^ *```.*?^ *```", re.M | re.S)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.M)


def documents() -> list[Path]:
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("recipes/**/*.md")]
    return sorted([*found, *ROOT.glob("benchmarks/**/*.md"), *ROOT.glob("page/*.md")])


def links(file: Path) -> Iterator[tuple[Path, str, str]]:
    """Of every link to a file: where it leads, the heading, and how it is written."""
    text = _FENCE.sub("", file.read_text("utf-8"))
    for written in _LINK.findall(_CODE.sub("`code`", text)):
        if "://" in written or written.startswith("mailto:"):
            continue
        path, _, anchor = written.partition("#")
        yield ((file.parent / path).resolve() if path else file), anchor, written


@cache
def anchors(file: Path) -> frozenset[str]:
    """Of all headings, as both GitHub and the site name them: any other is not relied on."""
    headings = [
        re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        for heading in _HEADING.findall(_FENCE.sub("", file.read_text("utf-8")))
    ]
    return frozenset(map(of_github, headings)) & frozenset(map(of_site, headings))


def of_github(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def of_site(heading: str) -> str:
    ascii_only = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", ascii_only).strip().lower())


@pytest.mark.parametrize("file", documents(), ids=lambda file: str(file.relative_to(ROOT)))
def test_links_lead_somewhere(file: Path) -> None:
    for target, anchor, written in links(file):
        if target in MADE_BY_THE_SITE:
            continue
        assert target.exists(), f"{written}: no such file"
        assert target.is_relative_to(ROOT), f"{written}: leaves the repository"
        if anchor and target.suffix == ".md" and "solar." not in anchor:
            assert anchor in anchors(target), f"{written}: {target.name} has no such heading"


def test_what_is_broken_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A heading, here\n[a](gone.md) [b](#a-heading-here) `[c](code.md)`\n")
    assert [written for _, _, written in links(page)] == ["gone.md", "#a-heading-here"]
    assert not next(links(page))[0].exists()
    assert anchors(page) == {"a-heading-here"}


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8")
    pages = [file.relative_to(ROOT / "docs").as_posix() for file in ROOT.glob("docs/**/*.md")]
    missing = [page for page in pages if page not in navigation]
    assert not missing, f"put {missing} into nav of mkdocs.yml, where a reader would look"


def test_every_room_has_a_page_with_its_reference() -> None:
    pages = "\n".join(file.read_text("utf-8") for file in ROOT.glob("docs/rooms/*.md"))
    rooms = {file.stem for file in (ROOT / "solar").iterdir() if file.stem.islower()}
    missing = {
        room
        for room in rooms - {"weights", "demo", "py"} - {"__init__", "__main__", "__pycache__"}
        if f"::: solar.{room}" not in pages
    }
    assert not missing, f"write docs/rooms/ROOM.md of {sorted(missing)}, and its row in index.md"


def test_the_public_api_is_on_its_page() -> None:
    page = (ROOT / "docs" / "api.md").read_text("utf-8").splitlines()
    missing = [name for name in solar.__all__ if f"::: solar.{name}" not in page]
    assert not missing, f"put {missing} into docs/api.md"
