"""The site: built without a warning, searched in Chromium; nothing in it asks another machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from tests.chromium import PHONE, assert_fits, chromium, watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

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


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def served(site: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=site)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def look_for(page: Page, words: str, found: str) -> None:
    """Paste words into the box, and go where the first result leads: to a page with this text."""
    from playwright.sync_api import expect

    page.keyboard.press("/")
    expect(page.locator(".md-search__input")).to_be_focused()
    page.keyboard.insert_text(words)
    first = page.locator(".md-search-result__item a").first
    expect(first).to_be_visible()
    where = first.get_attribute("href")
    assert where
    first.click()
    page.wait_for_url(where)
    expect(page.locator("article")).to_contain_text(found, ignore_case=True)


@pytest.mark.browser
def test_the_search_box_finds(browser: Browser, site: Path, served: str) -> None:
    faults: list[str] = []
    for home in (served, site.as_uri()):  # the latter: opened from a disk
        with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
            page = watched(context, home, faults)
            page.goto(f"{home}/index.html")
            if home == served:
                look_for(page, "solar", "solar")
                look_for(page, "--rerank", "rerank")
            look_for(page, "install", "pip install .")
            assert page.url.startswith(f"{home}/start.html"), page.url
    assert not faults


@pytest.mark.browser
def test_pages_fit_a_phone_by_day_and_night(browser: Browser, served: str) -> None:
    from playwright.sync_api import expect

    faults: list[str] = []
    with browser.new_context(**PHONE) as context:
        page = watched(context, served, faults)
        for name in ("index", "evaluate", "commands", "rooms/training", "repository/index"):
            page.goto(f"{served}/{name}.html")
            assert_fits(page)
        dark = page.locator("body[data-md-color-scheme=slate]")
        expect(dark).to_be_attached()
        page.locator("label[title=Light]").click()
        expect(dark).not_to_be_attached()
    assert not faults
