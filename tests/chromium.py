"""Debian's Chromium by Playwright: what looks at pages as people do, and sees all that they ask."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Request

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PHONE: Any = {
    "viewport": {"width": 390, "height": 780},
    "has_touch": True,
    "is_mobile": True,
    "color_scheme": "dark",
}
PATIENCE = 30_000  # milliseconds, on a machine that does other things too
# As a browser that is used by a test alone: nothing of its own goes over the network.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update"]  # fmt: skip


@contextmanager
def chromium() -> Iterator[Browser]:
    """A started one; skips the test where it or Playwright is missing."""
    if CHROMIUM is None:
        pytest.skip("needs Debian's chromium")
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="needs Playwright: pip install playwright"
    )
    playwright.expect.set_options(timeout=PATIENCE)
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


def assert_fits(page: Page) -> None:
    """Nothing of a page is beside a `PHONE`."""
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, page.url


def watched(context: BrowserContext, home: str, faults: list[str]) -> Page:
    """A page of which every error and every request to elsewhere than `home` is kept."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE)

    def asked(request: Request) -> None:
        if not request.url.startswith((home, "blob:", "data:")):
            faults.append(f"asked {request.url}")

    page.on("request", asked)
    page.on("pageerror", lambda error: faults.append(f"error {error}"))
    page.on(
        "console",
        lambda said: faults.append(f"console {said.text}") if said.type == "error" else None,
    )
    return page
