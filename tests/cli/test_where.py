"""solar where: a position with its radius, or a clear line; JSON; a page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from solar.index import Index
from solar.index._models import Models
from tests.cli.runner import solar, succeed
from tests.collection.colours import CALIBRATION, ColourExtractor
from tests.collection.holidays import holidays, save, view


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With an index `i`."""
    monkeypatch.setattr(Models, "calibration", lambda self, made: CALIBRATION)
    monkeypatch.setattr(Models, "extractor", lambda self, made: ColourExtractor())
    Index.create(tmp_path / "i", ColourExtractor()).add(holidays(tmp_path / "photos"))
    save(tmp_path / "q.jpg", view("tower", 9))
    save(tmp_path / "elsewhere.jpg", view("museum", 9))
    return tmp_path


def test_a_position_is_printed_with_its_proofs(folder: Path) -> None:
    told = succeed("where", "i", "q.jpg", "--html", "w.html", folder=folder)
    assert told.startswith("q.jpg: 40.410") and " m\n" in told
    assert told.count("proves") == 3 and "tower/0.jpg" in told
    page = (folder / "w.html").read_text()
    assert page.count("<img") == 4 and "keypoints agree" in page and "<script" not in page
    found = json.loads(succeed("where", "i", "q.jpg", "--json", folder=folder))
    assert abs(found["location"]["latitude"] - 40.4105) < 1e-3
    assert len(found["location"]["photos"]) == 3
    part = succeed("where", "i", "q.jpg", "--box", "10%,10%,90%,90%", "--json", folder=folder)
    assert json.loads(part)["location"] is not None


def test_nothing_proven_is_no_failure(folder: Path) -> None:
    told = succeed("where", "i", "elsewhere.jpg", "--html", "w.html", folder=folder)
    assert told == (
        "elsewhere.jpg: nowhere proven: no photo of the index surely shows this place\n"
    )
    assert "Nowhere proven" in (folder / "w.html").read_text()
    found = json.loads(succeed("where", "i", "elsewhere.jpg", "--json", folder=folder))
    assert found["location"] is None and found["reason"]


def test_wrong_calls_are_refused_and_no_photo_is_replaced(folder: Path) -> None:
    before = (folder / "q.jpg").read_bytes()
    for arguments in (
        ("i", "q.jpg", "--html", "q.jpg"),
        ("i", "q.jpg", "--html", "photos/tower/0.html.txt"),
        ("i", "q.jpg", "--box", "1,2,3"),
        ("i", "q.jpg", "--box", "900,900,950,950"),
        ("i",),
    ):
        done = solar("where", *arguments, folder=folder)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, arguments
    assert solar("where", "i", "none.jpg", folder=folder).returncode == 1
    assert (folder / "q.jpg").read_bytes() == before
