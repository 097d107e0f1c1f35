"""Kind `milvus` over a real server: all that other kinds do, and what only a server can do wrong.

The whole file is for one server, that it starts: `-m milvus`, and with xdist `--dist loadfile`.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from solar.errors import IndexDamaged, IndexFolderError, SolarError, UsageError
from solar.index import Index
from solar.index.vectors import KINDS, Server, _collection, _remote, _server
from solar.index.vectors._address import Address
from tests.index.bytes_extractor import EXTRACTION, BytesExtractor
from tests.index.listing import found, paths
from tests.index.test_kinds import check
from tests.index.vectors import test_congruence as congruence
from tests.index.vectors.milvus_server import TOKEN, MilvusServer
from tests.index.vectors.milvus_writer import STEP, rows_of
from tests.index.vectors.test_congruence import (
    PATIENT,
    by_sorting,
    cases,
    compare,
    kept,
    search_and_compare,
    unit,
)

REPOSITORY = Path(__file__).resolve().parents[3]

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
    if server.certificate is not None:
        monkeypatch.setenv("SOLAR_MILVUS_CA", str(server.certificate))
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


def holding(folder: Path, count: int) -> Index:
    """An index of photos as `milvus_writer` adds them."""
    index = Index.create(folder, BytesExtractor(), local=None, kind="milvus")
    index.add_descriptors(*rows_of(0, count), EXTRACTION)
    return index


def complete(folder: Path, count: int) -> None:
    """Exactly these photos are there, each once, and found by its own descriptor."""
    index = Index.open(folder)
    names, rows = rows_of(0, count)
    assert sorted(paths(index)) == sorted(names) and len(index) == count
    assert index.verify() == []
    for name, hits in zip(names[::97], found(index, rows[::97], count), strict=True):
        assert hits[0].path == name and len({hit.id for hit in hits}) == count


def writing(folder: Path, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.index.vectors.milvus_writer", str(folder), str(count)]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)


def test_a_client_killed_in_the_middle_loses_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "i"
    Index.create(folder, BytesExtractor(), local=None, kind="milvus")
    committed = 0
    for turn in range(3):
        process = writing(folder, 100_000)
        assert process.stdout is not None
        committed = int(process.stdout.readline())
        time.sleep(0.07 * turn)
        process.kill()
        committed = max([committed, *map(int, process.stdout.read().split())])
        process.wait()
        process.stdout.close()
        held = len(Index.open(folder))
        assert held in (committed, committed + STEP)
        complete(folder, held)


def test_rows_that_no_commit_knows_are_not_seen_and_written_over(tmp_path: Path) -> None:
    """As a writer leaves them that was killed between the server's answer and the commit."""
    index = holding(tmp_path / "i", 30)
    names, rows = rows_of(30, 50)
    writer = KINDS["milvus"].write(index.folder, 1, EXTRACTION.dimensions)
    writer.write(30, rows[::-1])
    writer.close()
    complete(index.folder, 30)
    index.add_descriptors(names[:5], rows[:5], EXTRACTION)
    complete(index.folder, 35)
    index.add_descriptors(names[5:], rows[5:], EXTRACTION)
    complete(index.folder, 50)


def test_a_collection_that_is_half_made_is_finished_by_the_next_writer(tmp_path: Path) -> None:
    index = holding(tmp_path / "i", 20)
    name = Address.read(index.folder / "milvus-000001.json").name
    client = _server._client(Server.named())
    client.release_collection(name)
    client.drop_index(name, "descriptor")
    index.add_descriptors(*rows_of(20, 30), EXTRACTION)
    client.release_collection(name)  # By someone who needed the memory.
    complete(index.folder, 30)


def test_a_collection_that_lost_rows_is_not_searched(tmp_path: Path) -> None:
    index = holding(tmp_path / "i", 20)
    name = Address.read(index.folder / "milvus-000001.json").name
    client = _server._client(Server.named())
    client.delete(name, filter="row in [3, 19]")
    index = Index.open(index.folder)
    with pytest.raises(IndexDamaged, match="holds 18 rows where the catalogue says 20"):
        found(index, rows_of(0, 1)[1], 5)
    client.drop_collection(name)
    index = Index.open(index.folder)
    with pytest.raises(IndexFolderError, match="is not on http"):
        found(index, rows_of(0, 1)[1], 5)
    assert "is not on http" in " ".join(index.verify())


def test_indexes_on_one_server_know_nothing_of_each_other(tmp_path: Path, photos: Path) -> None:
    first = holding(tmp_path / "first", 20)
    second = Index.create(tmp_path / "second", BytesExtractor(), local=None, kind="milvus")
    second.add(photos)
    check(second, photos)
    first.compact()
    first.convert("exact")
    check(second, photos)


def test_a_copy_searches_and_writes_nothing_until_it_has_rows_of_its_own(tmp_path: Path) -> None:
    index = holding(tmp_path / "i", 20)
    shutil.copytree(index.folder, tmp_path / "copy")
    complete(tmp_path / "copy", 20)
    copy = Index.open(tmp_path / "copy")
    with pytest.raises(SolarError, match="is a copy of a folder"):
        copy.add_descriptors(*rows_of(20, 25), EXTRACTION)
    copy.compact()
    copy.add_descriptors(*rows_of(20, 25), EXTRACTION)
    complete(tmp_path / "copy", 25)
    complete(index.folder, 20)


def test_filters_are_pushed_down_in_each_of_their_forms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = np.random.default_rng(1)
    descriptors = unit(chance.standard_normal((900, 12)))
    vectors = kept(tmp_path, "milvus", descriptors)
    queries = descriptors[:3]
    forms = set()
    for most in (16_384, 300, 60):
        monkeypatch.setattr(_remote, "MOST", most)
        for part in (0.02, 0.3, 0.5, 0.97, 1):
            owners = np.where(chance.random(900) < part, chance.permutation(900), -1)
            for top in (1, 20, 250):
                alive = np.flatnonzero(owners >= 0)
                filters, _, whole = _remote.filters_of(alive, 900, min(top + 42, len(alive)))
                forms.add((filters[0].split("[")[0], len(filters) > 1, whole))
                answer = vectors.search(queries, owners, top)
                compare(answer, by_sorting("milvus", queries, descriptors, owners, top))
    assert {form[0] for form in forms} == {"row in ", "row < 900", "row < 900 and row not in "}
    assert {form[1] for form in forms} == {form[2] for form in forms} == {True, False}


def test_where_is_answered_among_some_photos(tmp_path: Path, photos: Path) -> None:
    index = Index.create(tmp_path / "i", BytesExtractor(), local=None, kind="milvus")
    index.add(photos)
    hits = index.search(photos / "a.jpg", 10, where="folder ~ 'more'", rerank="none")
    assert {Path(hit.path).name for hit in hits} == {"d.jpg", "e.jpg"}


def test_a_large_collection_gets_a_graph_once_it_is_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = holding(tmp_path / "i", 2000)
    monkeypatch.setattr(_collection, "LARGE", 1500)
    index.compact()
    name = Address.read(next(index.folder.glob("milvus-*.json"))).name
    assert _collection.index_of(_server._client(Server.named()), name) == "HNSW"
    names, rows = rows_of(0, 2000)
    best = found(Index.open(index.folder), rows[::100], 5)
    assert sum(hits[0].path == name for hits, name in zip(best, names[::100], strict=True)) >= 19
    before = index.info().server
    index.compact()
    assert index.info().server == before  # Nothing is to be gained.


def test_what_is_wrong_with_a_server_is_told_in_one_line(
    tmp_path: Path, photos: Path, there: MilvusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = Index.create(tmp_path / "i", BytesExtractor(), local=None, kind="milvus")
    index.add(photos)
    file = (index.folder / "milvus-000001.json").read_text()
    assert TOKEN not in file and "Milvus" not in file
    monkeypatch.setenv("SOLAR_MILVUS_TOKEN", "root:guess")
    with pytest.raises(IndexFolderError, match="refuses: put name:password") as refused:
        index.search(photos / "a.jpg", rerank="none")
    assert "guess" not in str(refused.value)
    with pytest.raises(IndexFolderError, match="refuses"):
        Index.create(tmp_path / "j", BytesExtractor(), local=None, kind="milvus")
    if there.certificate is not None:
        monkeypatch.setenv("SOLAR_MILVUS_TOKEN", TOKEN)
        monkeypatch.delenv("SOLAR_MILVUS_CA")
        with pytest.raises(IndexFolderError, match="certificate that is not trusted"):
            index.search(photos / "a.jpg", rerank="none")
        monkeypatch.setenv("SOLAR_MILVUS_CA", str(tmp_path / "none.pem"))
        with pytest.raises(UsageError, match=r"no such file .*none\.pem"):
            index.search(photos / "a.jpg", rerank="none")
        monkeypatch.setenv("SOLAR_MILVUS_CA", str(there.certificate))
    monkeypatch.setenv("SOLAR_MILVUS_URI", "http://127.0.0.1:9")
    monkeypatch.setattr(_server, "_CONNECTING", 1.0)
    with pytest.raises(IndexFolderError, match=r"no answer from the Milvus server at .*:9"):
        Index.open(index.folder, BytesExtractor()).search(photos / "a.jpg", rerank="none")
    with pytest.raises(IndexFolderError, match="no answer"):
        Index.create(tmp_path / "j", BytesExtractor(), local=None, kind="milvus")
    assert not (tmp_path / "j").exists()
    assert (
        len(list(index.photos())) == 5 and index.info().photos == 5
    )  # The catalogue needs no server.
    monkeypatch.setenv("SOLAR_MILVUS_URI", there.uri)
    monkeypatch.setenv("SOLAR_MILVUS_TOKEN", TOKEN)
    check(index, photos)


def test_the_command_line_says_where_and_tells_no_secret(tmp_path: Path, photos: Path) -> None:
    index = holding(tmp_path / "i", 20)
    index.convert("exact")
    environment = {k: v for k, v in os.environ.items() if k != "SOLAR_MILVUS_URI"}

    def solar(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "solar", *words], env=environment, capture_output=True, text=True
        )

    uri, folder = os.environ["SOLAR_MILVUS_URI"], str(index.folder)
    lacking = solar("index", "--to", folder, "--kind", "milvus")
    assert lacking.returncode == 2 and "--milvus-uri http://host:19530" in lacking.stderr
    secret = uri.replace("://", "://root:hidden@")
    refused = solar("index", "--to", folder, "--kind", "milvus", "--milvus-uri", secret)
    assert refused.returncode == 2 and "SOLAR_MILVUS_TOKEN" in refused.stderr
    assert "hidden" not in refused.stderr
    given = ("--milvus-uri", uri, "--milvus-collection", "holiday")
    misplaced = solar("index", "--to", folder, "--kind", "sq8", *given)
    assert misplaced.returncode == 2 and "--milvus-uri: add --kind milvus" in misplaced.stderr
    done = solar("index", "--to", folder, "--kind", "milvus", *given)
    assert done.returncode == 0, done.stderr
    told = solar("info", folder)
    assert f"{uri}, collection holiday_" in " ".join(told.stdout.split())
    again = solar("index", "--to", folder, "--kind", "milvus", *given)
    assert again.returncode == 0 and solar("info", folder).stdout == told.stdout
    complete(index.folder, 20)
    for file in index.folder.iterdir():
        assert TOKEN.encode() not in file.read_bytes()


def test_an_address_of_a_stranger_is_refused(tmp_path: Path) -> None:
    index = holding(tmp_path / "i", 5)
    file = index.folder / "milvus-000001.json"
    whole = file.read_text()
    for wrong in ("", "[]", "{}", whole.replace('"http', '"ftp'), whole[:50], "[" * 9999,
                  whole.replace('"name": "solar', '"name": "so-lar')):  # fmt: skip
        file.write_text(wrong)
        with pytest.raises(IndexDamaged, match="does not say where descriptors are"):
            Index.open(index.folder)
    file.unlink()
    with pytest.raises(IndexDamaged, match=r"milvus-000001\.json is missing"):
        Index.open(index.folder)


def test_milvus_lite_serves_for_trying_out(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("milvus_lite", reason="milvus-lite is not installed")
    monkeypatch.setenv("SOLAR_MILVUS_URI", str(tmp_path / "photos.db"))
    monkeypatch.delenv("SOLAR_MILVUS_TOKEN")
    index = Index.create(tmp_path / "i", BytesExtractor(), local=None, kind="milvus")
    index.add(photos)
    check(index, photos)
    index.remove(photos / "b.jpg")
    index.compact()
    check(index, photos)
    index.convert("exact")
    check(index, photos)


def test_a_server_killed_in_the_middle_of_an_add_is_waited_for(
    tmp_path: Path, there: MilvusServer
) -> None:
    """The last of all, since it ends the server that the others use."""
    folder, count = tmp_path / "i", 4000
    Index.create(folder, BytesExtractor(), local=None, kind="milvus")
    process = writing(folder, count)
    assert process.stdout is not None
    told = [int(process.stdout.readline()) for _ in range(3)]
    there.kill()
    time.sleep(2)
    assert process.poll() is None, "it gave up"
    assert len(Index.open(folder)) >= told[-1]  # The catalogue answers.
    there.start()
    process.stdout.read()
    assert process.wait() == 0
    process.stdout.close()
    complete(folder, count)
