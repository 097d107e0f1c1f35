"""An index of photos of made places, by colours and RootSIFT, with probabilities."""

from __future__ import annotations

from pathlib import Path

import pytest

from solar.index import Index
from solar.index._models import Models
from tests.collection.colours import CALIBRATION, ColourExtractor
from tests.collection.holidays import holidays


@pytest.fixture(autouse=True)
def calibrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Indexes are calibrated as if the extractor were a model with a calibration."""
    monkeypatch.setattr(Models, "calibration", lambda self, made: CALIBRATION)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three views of three places, and two of one without a position."""
    return holidays(tmp_path / "photos")


@pytest.fixture
def index(tmp_path: Path, photos: Path) -> Index:
    """An index of them."""
    index = Index.create(tmp_path / "my.index", ColourExtractor())
    index.add(photos)
    return index
