"""A folder of photos, and an index of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from solar.index import Index
from tests.index.bytes_extractor import BytesExtractor, five_photos


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with five photos, in two folders."""
    return five_photos(tmp_path / "photos")


@pytest.fixture
def index(tmp_path: Path, photos: Path) -> Index:
    """An index of them, made by `BytesExtractor`."""
    index = Index.create(tmp_path / "my.index", BytesExtractor(), local=None)
    index.add(photos)
    return index
