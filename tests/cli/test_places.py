"""solar places: a table, JSON, a contact sheet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from solar.collection import links as links_module
from solar.index import Index
from solar.index._models import Models
from tests.cli.runner import solar, succeed
from tests.collection.colours import CALIBRATION, ColourExtractor
from tests.collection.holidays import holidays


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With an index `i`."""
    monkeypatch.setattr(Models, "calibration", lambda self, made: CALIBRATION)
    Index.create(tmp_path / "i", ColourExtractor()).add(holidays(tmp_path / "photos"))
    return tmp_path


def test_places_are_listed_and_drawn(folder: Path) -> None:
    told = succeed("places", "i", "--html", "p.html", folder=folder)
    assert "4 places of several photos, 0 photos alone; 11 compared now" in told
    assert told.count("2024-05-01  2024-05-03") == 3 and "48.8505,2.2900" in told
    page = (folder / "p.html").read_text()
    assert page.count("<img") == 11 and page.count('class="query"') == 4
    assert "2024-05-01 to 2024-05-03; 48.85050,2.29000, within 56 m (3 photos say so)" in page
    found = json.loads(succeed("places", "i", "--json", folder=folder))
    assert [len(place["photos"]) for place in found["places"]] == [3, 3, 3, 2]
    assert found["alone"] == [] and found["compared"] == 0


def test_an_interruption_says_what_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(links_module, "verify", stop)
        done = solar("places", "i", folder=folder)
    assert done.returncode == 130 and "goes on from there" in done.stderr
    assert "11 compared now" in succeed("places", "i", folder=folder)


def test_wrong_calls_are_refused(folder: Path) -> None:
    for arguments in (("i", "--html", "p.txt"), ("i", "--html", "photos")):
        assert solar("places", *arguments, folder=folder).returncode == 2
    assert solar("places", "none", folder=folder).returncode == 1
