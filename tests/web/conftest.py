"""An index of scenes, and a service over it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from solar.index import Index
from tests.scenes import album
from tests.web.server import Server, serving

COUNT = 8


@pytest.fixture(scope="session")
def scenes_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `album` of photos."""
    folder = tmp_path_factory.mktemp("served") / "album"
    album(folder, COUNT, (320, 240))
    return folder


@pytest.fixture(scope="session")
def scenes_index(scenes_folder: Path) -> Path:
    """The index of these."""
    path = scenes_folder.parent / "my.index"
    with Index.create(path) as index:
        index.add(scenes_folder)
    return path


@pytest.fixture(scope="session")
def server(scenes_index: Path) -> Iterator[Server]:
    """A service that only answers, without a token."""
    with serving(scenes_index, scenes_index.parent / "server.log") as started:
        yield started
