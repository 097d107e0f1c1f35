"""Stores: a folder, fsspec's memory, and a server that speaks S3, all alike."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from solar.errors import MissingPackage, SolarError, UsageError
from solar.extraction.shards import open_shards
from solar.extraction.work import open_work
from solar.extraction.workers import describe_together
from solar.files.stores import Store, open_store
from solar.index import Index
from tests.index.bytes_extractor import BytesExtractor

KINDS = ("folder", "file", "memory", "s3")


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of a bucket on a server of this process."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()  # One of an earlier server, in the same process.
        s3fs.S3FileSystem().makedirs("photos-of-tests", exist_ok=True)
        yield "s3://photos-of-tests"
    server.stop()


@pytest.fixture(params=KINDS)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    kind = request.param
    if kind == "s3":
        return f"{request.getfixturevalue('s3')}/{tmp_path.name}"
    places = {"folder": tmp_path / "x", "file": (tmp_path / "x").as_uri()}
    return str(places.get(kind, f"memory://{tmp_path.name}/x"))


def test_objects_come_and_go(address: str) -> None:
    store: Store = open_store(address)
    assert list(store.list()) == [] and store.stat("a.bin") is None
    with pytest.raises(FileNotFoundError):
        store.read("a.bin")
    store.write("a.bin", b"0123456789")
    assert store.read("a.bin") == b"0123456789" and store.read("a.bin", 2, 5) == b"234"
    assert store.read("a.bin", 7) == b"789" and store.read("a.bin", 0, 99) == b"0123456789"
    first = store.stat("a.bin")
    assert first is not None and first.size == 10 and first.version
    assert not store.create("a.bin", b"another") and store.create("b.bin", b"")
    store.write("a.bin", b"changed")
    second = store.stat("a.bin")
    assert second is not None and (second.size, second.version) != (10, first.version)
    assert {each.name: each.size for each in store.list()} == {"a.bin": 7, "b.bin": 0}
    assert store.read("b.bin") == b""
    store.remove("a.bin")
    store.remove("a.bin")
    assert [each.name for each in store.list()] == ["b.bin"]


def test_one_of_many_creates(address: str) -> None:
    store = open_store(address)
    if not address.startswith("memory"):  # Which cannot tell, and does not cross processes.
        won = list[int]()

        def create(number: int) -> None:
            if store.create("lease", str(number).encode()):
                won.append(number)

        threads = [threading.Thread(target=create, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [store.read("lease")] == [str(n).encode() for n in won]


def test_photos_and_shards_may_lie_there(address: str, tmp_path: Path) -> None:
    photos, shards = open_store(f"{address}/photos"), f"{address}/shards"
    contents = {f"{n:02}.jpg": f"photo {n}".encode() for n in range(10)}
    for name, content in contents.items():
        photos.write(name, content)
    photos.write("notes.txt", b"no photo by its name")
    photos.write(".hidden.jpg", b"left out")
    report = describe_together(BytesExtractor(), [photos.address], shards, shard_size=4)
    assert report.photos == report.described == 10 and not report.failed
    assert any("notes.txt" in note or ".txt" in note for note in report.left_out)

    (tmp_path / "copy").mkdir()
    for name, content in contents.items():
        (tmp_path / "copy" / name).write_bytes(content)
    describe_together(BytesExtractor(), [tmp_path / "copy"], tmp_path / "here", shard_size=4)
    assert np.array_equal(open_shards(shards).load(), open_shards(tmp_path / "here").load())

    index = Index.create(tmp_path / "my.index", BytesExtractor(), local=None)
    assert len(index.add_shards(shards).added) == len(index) == 10
    names = [photo.path for photo in index.photos()]
    assert names == open_work(shards).names
    assert names == [f"{photos.address}/{name}" for name in sorted(contents)]


def test_addresses_that_nothing_reaches() -> None:
    with pytest.raises(UsageError, match="nonsense"):
        open_store("nonsense://x/y")
    with pytest.raises((MissingPackage, SolarError), match=r"solar-retrieval\[cloud\]"):
        open_store("oci://bucket/x")
