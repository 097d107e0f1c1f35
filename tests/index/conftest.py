"""A folder of photos, and an index of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from solar.index import Index
from tests.index.bytes_extractor import BytesExtractor


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with five photos, in two folders."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for name in ("a.jpg", "b.jpg", "c.jpg", "more/d.jpg", "more/e.jpg"):
        (folder / name).write_text(f"photo {name}")
    return folder


@pytest.fixture
def index(tmp_path: Path, photos: Path) -> Index:
    """An index of them, made by `BytesExtractor`."""
    index = Index.create(tmp_path / "my.index", BytesExtractor(), local=None)
    index.add(photos)
    return index
