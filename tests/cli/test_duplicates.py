"""solar duplicates: groups, JSON, a page; no photo is touched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from solar.index import Index
from solar.index._models import Models
from tests.cli.runner import solar, succeed
from tests.collection.colours import CALIBRATION, ColourExtractor
from tests.collection.holidays import holidays


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With an index `i`, in which one photo is there three times."""
    monkeypatch.setattr(Models, "calibration", lambda self, made: CALIBRATION)
    photos = holidays(tmp_path / "photos", 2)
    shutil.copy(photos / "tower" / "0.jpg", photos / "copy.jpg")
    ImageOps.mirror(Image.open(photos / "tower" / "0.jpg")).save(photos / "mirrored.png")
    Index.create(tmp_path / "i", ColourExtractor()).add(photos)
    return tmp_path


def test_groups_are_told_and_drawn(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("photos/*.*")}
    told = succeed("duplicates", "i", "--html", "d.html", folder=folder)
    assert "same picture: keep the first: as many pixels" in told
    assert "picture: mirrored" in told and "bytes: the same bytes" in told
    assert "1 group, 2 photos beside those to keep" in told
    page = (folder / "d.html").read_text()
    assert page.count("<img") == 3 and 'class="right"' in page and "Nothing was deleted" in page
    found = json.loads(succeed("duplicates", "i", "--json", folder=folder))
    assert [len(group["photos"]) for group in found["groups"]] == [3]
    none = json.loads(succeed("duplicates", "i", "--same", "bytes", "--json", folder=folder))
    assert none["least"] == "bytes" and len(none["groups"][0]["photos"]) == 2
    assert {path: path.read_bytes() for path in folder.rglob("photos/*.*")} == before


def test_wrong_calls_are_refused(folder: Path) -> None:
    done = solar("duplicates", "i", "--same", "smell", folder=folder)
    assert done.returncode == 2 and "bytes, picture, moment, view, place" in done.stderr
    photo = folder / "photos" / "copy.html"
    photo.write_text("mine")
    assert solar("duplicates", "i", "--html", photo, folder=folder).returncode == 2
    assert photo.read_text() == "mine"
