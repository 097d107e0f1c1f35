"""The site: built without a warning, searchable, and nothing in it asks another machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="the extra docs is not installed")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class _Asked(HTMLParser):
    """What a browser fetches by itself when it shows a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        names = ["src", "srcset", "data", "poster"] + ["href"] * (tag in ("link", "use", "image"))
        self.addresses += [address for name in names if (address := given.get(name))]


def elsewhere(address: str) -> bool:
    return bool(re.match(r"\s*(\w+:)?//", address))


def test_pages_ask_no_other_machine(site: Path) -> None:
    pages, sheets = list(site.rglob("*.html")), list(site.rglob("*.css"))
    assert len(pages) > 40 and sheets
    for page in pages:
        asked = _Asked()
        asked.feed(page.read_text("utf-8"))
        assert asked.addresses
        assert not list(filter(elsewhere, asked.addresses)), page
        assert not re.search(r"@import|url\(\s*['\"]?(https?:)?//", page.read_text("utf-8")), page
    for sheet in sheets:
        assert not re.search(r"@import|url\(\s*['\"]?(https?:)?//", sheet.read_text("utf-8")), sheet


def test_what_is_looked_for_is_found(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text("utf-8"))
    by_page = {entry["location"]: entry["text"] for entry in index["docs"]}
    assert any("k-reciprocal" in text for text in by_page.values())
    assert "api.html#solar.Index.search" in by_page  # made of the docstring
    assert any(page.startswith("commands.html#search") for page in by_page)
