"""An index of photos of made places, by colours and RootSIFT, with probabilities."""

from __future__ import annotations

from pathlib import Path

import pytest

from solar.index import Index
from solar.index._models import Models
from tests.collection.colours import CALIBRATION, ColourExtractor
from tests.collection.holidays import holidays
from tests.kept import keep, restored


@pytest.fixture(autouse=True)
def calibrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Indexes are calibrated as if the extractor were a model with a calibration."""
    monkeypatch.setattr(Models, "calibration", lambda self, made: CALIBRATION)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos and an index of them."""
    home = tmp_path_factory.mktemp("collection") / "home"
    photos = holidays(home / "photos")
    Index.create(home / "my.index", ColourExtractor()).add(photos)
    return keep(home)


@pytest.fixture
def photos(home: Path) -> Path:
    """Three views of three places, and two of one without a position."""
    return restored(home) / "photos"


@pytest.fixture
def index(photos: Path) -> Index:
    """An index of them."""
    return Index.open(photos.parent / "my.index", ColourExtractor())
