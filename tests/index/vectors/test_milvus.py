"""Kind `milvus` over a real server: all that other kinds do, and what only a server can do wrong.

The whole file is for one server, that it starts: `-m milvus`, and with xdist `--dist loadfile`.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from solar.index import Index
from solar.index.vectors import Server, _server
from tests.index.bytes_extractor import BytesExtractor
from tests.index.test_kinds import check
from tests.index.vectors import test_congruence as congruence
from tests.index.vectors.milvus_server import TOKEN, MilvusServer
from tests.index.vectors.test_congruence import (
    PATIENT,
    cases,
    search_and_compare,
)

pytestmark = [
    pytest.mark.milvus,
    pytest.mark.skipif(
        not importlib.util.find_spec("milvus") or not importlib.util.find_spec("pymilvus"),
        reason="no server: the package milvus is for Linux on x86-64",
    ),
]

test_long_descriptors_that_hardly_differ_are_ranked = (
    congruence.test_long_descriptors_that_hardly_differ_are_ranked
)
test_rows_come_back_as_the_kind_keeps_them = congruence.test_rows_come_back_as_the_kind_keeps_them
test_nothing_is_found_among_nothing = congruence.test_nothing_is_found_among_nothing
test_what_is_appended_later_is_not_seen = congruence.test_what_is_appended_later_is_not_seen
test_threads_and_runs_agree_to_the_bit = congruence.test_threads_and_runs_agree_to_the_bit
test_what_is_kept_of_what_is_kept_is_the_same = (
    congruence.test_what_is_kept_of_what_is_kept_is_the_same
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusServer]:
    """One for all tests here."""
    started = MilvusServer(tmp_path_factory.mktemp("server"))
    started.start()
    yield started
    started.kill()


@pytest.fixture(autouse=True)
def there(server: MilvusServer, monkeypatch: pytest.MonkeyPatch) -> MilvusServer:
    """The server, where the environment says that one is."""
    for name in [name for name in os.environ if name.startswith("SOLAR_MILVUS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SOLAR_MILVUS_URI", server.uri)
    monkeypatch.setenv("SOLAR_MILVUS_TOKEN", TOKEN)
    return server


@pytest.fixture
def kind() -> str:
    """For the tests that all kinds pass."""
    return "milvus"


@cases
@settings(PATIENT, max_examples=8)
def test_search_is_exact_and_the_lower_id_wins_a_tie(
    kind: str, tmp_path: Path, seed: int, count: int, distinct: int, top: int, removed: float
) -> None:
    search_and_compare(kind, tmp_path, seed, count, distinct, top, removed)


def test_an_index_lives_on(tmp_path: Path, photos: Path) -> None:
    index = Index.create(tmp_path / "i", BytesExtractor(), local=None, kind="milvus")
    index.add(photos)
    index = Index.open(tmp_path / "i", BytesExtractor())
    assert index.kind == index.info().kind == "milvus"
    check(index, photos)
    (photos / "new.jpg").write_text("new")
    (photos / "a.jpg").write_text("changed")
    assert len(index.add(photos).added) == 1
    index.remove(photos / "b.jpg")
    check(index, photos)
    before = index.info()
    index.compact()
    after = index.info()
    assert after.reclaimable < before.reclaimable and after.server != before.server
    check(index, photos)
    index.convert("exact")
    check(index, photos)
    assert not list(index.folder.glob("milvus-*"))
    index.convert("milvus")
    check(index, photos)
    assert collections(after.server) == []


def collections(of: str | None) -> list[str]:
    """Those on the server that a word of `IndexInfo.server` names."""
    assert of is not None
    client = _server._client(Server.named())
    return [name for name in client.list_collections() if name in of]
