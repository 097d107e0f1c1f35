"""An index at an address: found as in its folder, by few bytes; whatever lies gives an error."""

from __future__ import annotations

import pickle
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.kinds import Made
from solar.errors import IndexFolderError, SolarError, UsageError
from solar.extraction import Extraction
from solar.index import Index
from tests.cli.runner import solar
from tests.files.test_stores import s3  # noqa: F401 - a fixture
from tests.index.bytes_extractor import BytesExtractor, describe_bytes
from tests.index.bytes_features import BytesFeatures
from tests.index.range_server import Served, served

MADE = Extraction("generated", "0" * 64, 64, 64, (1.0,))
KINDS = ("exact", "float16", "sq8", "rabitq", "ivf-rabitq", "ivf-pq")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOLAR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


ROWS = Made(12_000, 64).block(0, 12_000)


def vectors_of(count: int) -> Any:
    return ROWS[:count]


class Named:
    """An extractor that is only named."""

    extraction = MADE

    def describe(self, *_: object) -> Iterator[Any]:
        raise AssertionError


def filled(folder: Path, kind: str, rows: Any, extraction: Extraction = MADE) -> Index:
    extractor = Named()
    extractor.extraction = extraction
    index = Index.create(folder, extractor, local=None, kind=kind)
    index.add_descriptors([f"{n:06}.jpg" for n in range(len(rows))], rows, extraction)
    return index


@pytest.fixture(scope="module", params=KINDS)
def copied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Index:
    rows = vectors_of(9000)
    index = filled(tmp_path_factory.mktemp("far") / "my.index", request.param, rows)
    index.remove(list(range(0, 9000, 11)))
    extra = vectors_of(9100)[9000:]
    index.add_descriptors([f"new {n}" for n in range(100)], extra, MADE)  # In no list.
    return index


def answers(index: Index, queries: Any, top: int = 10) -> Any:
    found = index.search_descriptors(queries, MADE, top)
    return [[(hit.id, hit.score, hit.path) for hit in hits] for hits in found]


@pytest.mark.slow
def test_searches_find_what_they_find_in_the_folder(copied: Index) -> None:
    queries = vectors_of(9050)[[3, 4500, 8999, 9020]]
    with served(copied.folder) as server:
        far = Index.open(server.address)
        assert len(far) == len(copied) and far.kind == copied.kind
        assert answers(far, queries) == answers(copied, queries)
        assert answers(far, queries, 300) == answers(copied, queries, 300)
        few = "name ~ '0000'"
        by_id = [hit.id for hit in copied.search(7, where=few, rerank="none")]
        assert [hit.id for hit in far.search(7, where=few, rerank="none")] == by_id
        assert np.array_equal(far.descriptors([7, 12]), copied.descriptors([7, 12]))
        again = pickle.loads(pickle.dumps(far))  # noqa: S301
        assert answers(again, queries) == answers(copied, queries)
        assert far.info().photos == len(copied) and far.info().size > 9000 * 64
        before = server.sent.copy()
        answers(Index.open(server.address), queries)
        assert (server.sent - before)["catalogue-000001.db"] < 1000  # It was kept.


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ivf-rabitq", "ivf-pq"])
def test_one_search_among_a_hundred_thousand_reads_little(kind: str, tmp_path: Path) -> None:
    made = Extraction("generated", "0" * 64, 512, 64, (1.0,))
    rows = Made(100_000, 512).block(0, 100_000)
    index = filled(tmp_path / "my.index", kind, rows, made)
    size = sum(path.stat().st_size for path in index.folder.iterdir())
    catalogue = (index.folder / "catalogue-000001.db").stat().st_size
    with served(index.folder) as server:
        far = Index.open(server.address)
        assert server.sent["catalogue-000001.db"] <= catalogue + 1000  # And two headers.
        before, asked = Counter({"catalogue-000001.db": catalogue}), 0
        for number in (77, 99_000):  # With the first, what was learned, which opening reads.
            (hits,) = far.search_descriptors(rows[number : number + 1], made)
            read, asks = sum((server.sent - before).values()), sum(server.asked.values()) - asked
            before, asked = server.sent.copy(), asked + asks
            assert hits[0].path == f"{number:06}.jpg"
            print(f"{kind}: {read:,} of {size:,} bytes, {asks} asked, without the catalogue")
            assert read < 0.05 * size


@pytest.mark.parametrize("copied", ["exact"], indirect=True)
def test_nothing_is_written_there(copied: Index) -> None:
    with served(copied.folder) as server:
        far = Index.open(server.address)
        calls: list[Any] = [
            lambda: far.add("photos"),
            lambda: far.remove([1]),
            far.compact,
            lambda: far.convert("sq8"),
            lambda: far.add_descriptors(["x"], np.eye(1, 64), MADE),
            far.verify,
            lambda: Index.create(server.address, Named()),
        ]
        for call in calls:
            with pytest.raises(UsageError) as caught:
                call()
            assert server.address in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_folder_without_a_list_is_opened_by_its_catalogue(copied: Index) -> None:
    with served(copied.folder) as server:
        server.lists = False
        with pytest.raises(IndexFolderError, match=r"name the catalogue, as http.*catalogue-0"):
            Index.open(server.address)
        far = Index.open(f"{server.address}/catalogue-000001.db")
        queries = vectors_of(9050)[:1]
        assert answers(far, queries) == answers(copied, queries)
        with pytest.raises(IndexFolderError, match="there is no catalogue-000009"):
            Index.open(f"{server.address}/catalogue-000009.db")
    with pytest.raises(IndexFolderError, match="cannot be read"):
        Index.open(server.address)


def _cut(handler: Any, name: str, body: bytes, headers: dict[str, str]) -> Any:
    return 206, body[:-1], headers


def _more(handler: Any, name: str, body: bytes, headers: dict[str, str]) -> Any:
    return 206, body + b"x", headers


def _elsewhere(handler: Any, name: str, body: bytes, headers: dict[str, str]) -> Any:
    return 302, b"", {"Location": "http://169.254.169.254/latest/meta-data"}


def _other_range(handler: Any, name: str, body: bytes, headers: dict[str, str]) -> Any:
    total = headers.get("Content-Range", "").partition("/")[2]
    return 206, body, {**headers, "Content-Range": f"bytes 1-{len(body)}/{total}"}


def _no_ranges(handler: Any, name: str, body: bytes, headers: dict[str, str]) -> Any:
    content = (handler.server.folder / name).read_bytes()
    return 200, content, {"ETag": headers["ETag"]}


def _other_size(handler: Any, name: str, body: bytes, headers: dict[str, str]) -> Any:
    first, _, _ = headers.get("Content-Range", "bytes 0-0/1").partition("/")
    return 206, body, {**headers, "Content-Range": f"{first}/99999999999"}


def _changed(handler: Any, name: str, body: bytes, headers: dict[str, str]) -> Any:
    return 206, body, {**headers, "ETag": '"another"'}


def _flipped(handler: Any, name: str, body: bytes, headers: dict[str, str]) -> Any:
    return 206, bytes(byte ^ 1 for byte in body), headers


def _gone(handler: Any, name: str, body: bytes, headers: dict[str, str]) -> Any:
    return 404, b"", {}


def _refusing(handler: Any, name: str, body: bytes, headers: dict[str, str]) -> Any:
    return 403, b"no", {}


def _packed(handler: Any, name: str, body: bytes, headers: dict[str, str]) -> Any:
    return 206, body, {**headers, "Content-Encoding": "gzip"}


LIES = {
    _cut: "bytes came instead|IncompleteRead",
    _more: "bytes came instead",
    _elsewhere: "redirected to http://169.254.169.254/latest/meta-data: name that address",
    _other_range: "other bytes than those asked for",
    _no_ranges: "whole files only",
    _other_size: "has changed since it was opened",
    _changed: "has changed since it was opened",
    _flipped: "damaged|not what was written|instead of 1",
    _gone: "has changed since it was opened|gone",
    _refusing: "answers 403",
    _packed: "packs what it sends",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an index with lists."""
    to = tmp_path_factory.mktemp("listed") / "my.index"
    return filled(to, "ivf-rabitq", vectors_of(6000)).folder


@pytest.fixture
def listed(made: Path, tmp_path: Path) -> Index:
    """A copy of it, for a test to change."""
    return Index.open(shutil.copytree(made, tmp_path / "my.index"), Named())


@pytest.fixture(scope="module")
def honest(made: Path) -> Iterator[tuple[Served, Any]]:
    """It as it was made, served, and what it answers."""
    with served(made) as server:
        yield server, answers(Index.open(made, Named()), vectors_of(6000)[:1])


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__.strip("_"))
@pytest.mark.parametrize("file", ["sq8-", "lengths-", "lists-", "trained-"])
def test_lies_are_told_in_one_line(lie: Any, file: str, honest: tuple[Served, Any]) -> None:
    if (lie, file) == (_no_ranges, "trained-"):
        pytest.skip("it is read whole")
    server, right = honest
    queries = vectors_of(6000)[:1]
    server.lie = lambda handler, name, *rest: (
        lie(handler, name, *rest) if name.startswith(file) and handler.command == "GET" else None
    )
    try:
        with pytest.raises(SolarError, match=LIES[lie]) as caught:
            answers(Index.open(server.address), queries)
    finally:
        server.lie = None
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    assert answers(Index.open(server.address), queries) == right


def test_an_index_that_changes_while_it_is_read(listed: Index, tmp_path: Path) -> None:
    index = listed
    queries = vectors_of(6000)[:1]
    with served(index.folder) as server:
        far = Index.open(server.address)
        index.add_descriptors(["another"], -queries, MADE)
        with pytest.raises(SolarError, match="has changed since it was opened: open the index"):
            answers(far, vectors_of(6000)[5:6])
        assert far.refresh() and len(far) == 6001
        assert answers(far, queries) == answers(index, queries)
        index.compact()
        far.refresh()
        assert answers(far, queries) == answers(index, queries)

        other = filled(tmp_path / "other.index", "ivf-rabitq", vectors_of(12_000)[6000:])
        far = Index.open(server.address)
        for path in other.folder.iterdir():  # Its data arrive before its catalogue.
            if not path.name.startswith("catalogue"):
                shutil.copyfile(path, index.folder / path.name)
        with pytest.raises(SolarError):
            answers(Index.open(server.address), queries)


def test_a_catalogue_that_is_being_written_is_not_taken(
    listed: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("solar.index._far._PAUSE", 0.01)
    index = listed
    with served(index.folder) as server:
        (index.folder / "catalogue-000001.db-journal").write_bytes(b"hot")
        with pytest.raises(IndexFolderError, match="is being written, or a writer was killed"):
            Index.open(server.address)
        (index.folder / "catalogue-000001.db-journal").unlink()

        def written_meanwhile(handler: Any, name: str, body: bytes, headers: Any) -> Any:
            if name == "catalogue-000001.db" and handler.command == "GET" and len(body) > 100:
                server.lie = None
                with (index.folder / name).open("rb+") as file:  # As a commit that ended.
                    file.seek(24)
                    file.write(b"\0\0\xff\xff")
            return None

        server.lie = written_meanwhile
        assert len(Index.open(server.address)) == 6000
        assert server.asked["catalogue-000001.db"] > 6


def test_photos_are_verified_at_an_address(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / "photos").mkdir(exist_ok=True)
        (tmp_path / "photos" / f"{number}.jpg").write_bytes(f"photo {number}".encode())
    index = Index.create(tmp_path / "my.index", BytesExtractor(), local=BytesFeatures())
    index.add(tmp_path / "photos")
    with served(index.folder) as server:
        far = Index.open(server.address, BytesExtractor())
        ids = [photo.id for photo in index.photos()]
        for one, other in zip(far.features(ids), index.features(ids), strict=True):
            assert one is not None and other is not None
            assert np.array_equal(one.descriptors, other.descriptors)
        hit = far.search(tmp_path / "photos" / "3.jpg", top=1, rerank="none")[0]
        assert hit.path.endswith("3.jpg") and hit.score > 0.999
        assert np.allclose(far.descriptors([hit.id])[0], describe_bytes(b"photo 3"))


@pytest.mark.slow
def test_an_index_on_s3(s3: str, listed: Index, tmp_path: Path) -> None:  # noqa: F811
    import s3fs

    index = listed
    s3fs.S3FileSystem().put(str(index.folder), f"{s3}/{tmp_path.name}/my.index", recursive=True)
    far = Index.open(f"{s3}/{tmp_path.name}/my.index")
    queries = vectors_of(6000)[[9, 99]]
    assert answers(far, queries) == answers(index, queries)


@pytest.mark.parametrize("copied", ["ivf-rabitq"], indirect=True)
def test_the_command_line_reads_there(copied: Index, tmp_path: Path) -> None:
    with served(copied.folder) as server:
        told = solar("info", server.address, folder=tmp_path)
        assert told.returncode == 0 and f"{len(copied):,}" in told.stdout
        found = solar("search", server.address, "--id", "5", "--rerank", "none", folder=tmp_path)
        assert found.returncode == 0 and "000005.jpg" in found.stdout, found.stderr
        for call in (("remove", server.address, "x"), ("index", "photos", "--to", server.address)):
            done = solar(*call, folder=tmp_path)
            assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
        assert not list(tmp_path.glob("http*"))


def test_wrong_addresses(tmp_path: Path) -> None:
    for address in ("https://user:secret@host/my.index", "http://host/i?x=1", "http:///x"):
        with pytest.raises(UsageError, match="give an address without"):
            Index.open(address)
    with served(tmp_path) as server, pytest.raises(IndexFolderError, match="there is no index"):
        Index.open(server.address)
