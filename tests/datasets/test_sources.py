import gzip
import hashlib
import io
import json
import tarfile
import threading
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from solar.datasets._unpack import unpack
from solar.datasets.ground_truth import read
from solar.datasets.sources import DATASETS, Dataset, Source, get
from solar.errors import SolarError, UsageError
from tests.evaluation.fakes import paint
from tests.shared import shared

LISTS = {
    "imlist": ["a", "b"],
    "qimlist": ["q"],
    "gnd": [{"bbx": [0, 0, 5, 5], "easy": [0], "hard": [], "junk": []}],
}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address that serves it."""
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def tar(path: Path, members: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return path


def toy(served: tuple[Path, str], tmp_path: Path) -> dict[str, Dataset]:
    folder, address = served
    photo = paint(tmp_path / "photo.png", 0).read_bytes()
    (folder / "gnd_toy.json").write_text(json.dumps(LISTS))
    tar(folder / "one.tgz", {"photos/sub/a.png": photo, "readme.txt": b"no"})
    tar(folder / "two.tgz", {"b.png": photo, "q.png": photo})
    digest = hashlib.sha256((folder / "gnd_toy.json").read_bytes()).hexdigest()

    def source(name: str, sha256: str | None = None) -> Source:
        return Source(name, [f"{address}/gone/{name}", f"{address}/{name}"], sha256)

    archives = [[source("one.tgz")], [source("two.tgz")]]
    return {"toy": Dataset([source("gnd_toy.json", digest)], archives)}


def test_a_data_set_comes_from_the_second_mirror(served: tuple[Path, str], tmp_path: Path) -> None:
    datasets, root, told = toy(served, tmp_path), tmp_path / "root", set[str]()
    truth = get("toy", root, datasets=datasets, progress=lambda name, *_: told.add(name))
    assert truth is not None and truth.database == ("a", "b")
    assert told == {"gnd_toy.json", "one.tgz", "two.tgz"}
    assert sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()) == [
        "gnd_toy.json", "jpg/a.png", "jpg/b.png", "jpg/q.png",
    ]  # fmt: skip


def test_files_that_one_has_are_used_and_nothing_is_fetched(
    served: tuple[Path, str], tmp_path: Path
) -> None:
    datasets, root = toy(served, tmp_path), tmp_path / "root"
    for name in ("a", "b", "q"):
        paint(root / f"{name}.png", 0)
    (root / "gnd_toy.json").write_text(json.dumps(LISTS))
    told: list[str] = []
    get("toy", root, datasets=datasets, progress=lambda name, *_: told.append(name))
    assert told == []
    assert not (root / "jpg").exists()


def test_without_a_network_the_message_says_which_file_to_put_where(tmp_path: Path) -> None:
    nowhere = ["http://127.0.0.1:9/gnd_toy.pkl"]
    datasets = {"toy": Dataset([Source("gnd_toy.pkl", nowhere)], [])}
    with pytest.raises(SolarError, match=rf"Put it at {tmp_path / 'gnd_toy.pkl'}") as caught:
        get("toy", tmp_path, datasets=datasets)
    assert nowhere[0] in str(caught.value)
    with pytest.raises(UsageError, match=r"nothing: no such data set: roxford5k, rparis6k"):
        get("nothing", tmp_path)


def test_a_ground_truth_of_another_checksum_is_not_taken(
    served: tuple[Path, str], tmp_path: Path
) -> None:
    datasets, root = toy(served, tmp_path), tmp_path / "root"
    (served[0] / "gnd_toy.json").write_text(json.dumps(LISTS) + " ")
    with pytest.raises(SolarError, match="another checksum"):
        get("toy", root, datasets=datasets)
    assert list(root.iterdir()) == []


def test_photos_that_the_archives_lack_are_named_and_the_archives_stay(
    served: tuple[Path, str], tmp_path: Path
) -> None:
    datasets, root = toy(served, tmp_path), tmp_path / "root"
    tar(served[0] / "two.tgz", {"q.png": b"photo"})
    with pytest.raises(SolarError, match=r"1 of 3 photos are missing \(b\)"):
        get("toy", root, datasets=datasets)
    assert (root / "two.tgz").exists()


def test_sets_without_ground_truth_come_archive_by_archive(
    served: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = served
    cid = "0123456789abcdef0123456789abcdef"
    whole = tar(
        folder / "ims.tar.gz",
        {f"x/{cid}": b"1", "a/b/p.jpg": b"2", "../q.jpg": b"3", "/r/s.JPG": b"4", "no.txt": b"5"},
    ).read_bytes()
    for number, part in enumerate((whole[:100], whole[100:150], whole[150:])):
        (folder / f"ims.part{number}").write_bytes(part)
    (folder / "list.txt").write_text("photos")

    def source(name: str) -> Source:
        return Source(name, [f"{address}/{name}"])

    parts = [[source(f"ims.part{number}") for number in range(3)]]
    for layout, photos in (
        ("ids", [f"ef/cd/ab/{cid}"]),
        ("tree", ["a/b/p.jpg", "q.jpg", "r/s.JPG"]),
        ("flat", ["p.jpg", "q.jpg", "s.JPG"]),
    ):
        toy = Dataset([source("list.txt")], parts, measured=False, layout=layout)
        root = tmp_path / layout
        assert get("toy", root, datasets={"toy": toy}) is None
        found = sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
        assert found == ["ims.part0.unpacked", *(f"jpg/{photo}" for photo in photos), "list.txt"]
        get("toy", root, datasets={"toy": replace(toy, archives=[[source("ims.part0")]])})
    assert toy.unchecked == ["list.txt", "ims.part0", "ims.part1", "ims.part2"]


def test_the_addresses_are_those_that_the_published_code_names() -> None:
    for name, files in (("revisitop1m", 101), ("retrieval-SfM-120k", 3), ("gl18", 25)):
        sources = DATASETS[name]
        assert len(sources.unchecked) == files == len(set(sources.unchecked))
    parts = [part.name for part in DATASETS["gl18"].archives[0]]
    assert (parts[0], parts[-1]) == ("GL18_TRAIN.partaa", "GL18_TRAIN.partav")
    assert not DATASETS["roxford5k"].unchecked[0].startswith("gnd")


def test_nothing_is_unpacked_outside_the_folder(tmp_path: Path) -> None:
    archive = tar(
        tmp_path / "evil.tgz",
        {
            "../up.png": b"1",
            f"{tmp_path}/absolute.png": b"2",
            "x/..\\back.png": b"3",
            "run.sh": b"4",
        },
        {"link.png": "/etc/passwd", "jpg": str(tmp_path)},
    )
    folder = tmp_path / "jpg"
    unpack(archive, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["absolute.png", "back.png", "up.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.tgz", "jpg"]
    assert not any(path.is_symlink() for path in folder.iterdir())


def test_a_photo_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "jpg").mkdir()
    (tmp_path / "jpg" / "a.png").write_bytes(b"mine")
    unpack(tar(tmp_path / "t.tgz", {"a.png": b"theirs"}), tmp_path / "jpg")
    assert (tmp_path / "jpg" / "a.png").read_bytes() == b"mine"


def test_damaged_archives_are_named(tmp_path: Path) -> None:
    archive = tar(tmp_path / "t.tgz", {f"{n}.png": bytes(range(256)) * 99 for n in range(9)})
    for content in (archive.read_bytes()[:-200], b"no archive", b""):
        archive.write_bytes(content)
        with pytest.raises(SolarError, match=r"t\.tgz: damaged .*delete it and run"):
            unpack(archive, tmp_path / "jpg")


def header(kind: bytes, size: int, name: str = "a.png") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


HURTING = {
    "a long name of 90 MB": header(tarfile.GNUTYPE_LONGNAME, 90 << 20) + bytes(90 << 20),
    "extended attributes of 90 MB": header(tarfile.XHDTYPE, 90 << 20) + bytes(90 << 20),
    "names of names": header(tarfile.GNUTYPE_LONGNAME, 512) * 20_000,
    "a photo of a terabyte": header(tarfile.REGTYPE, 1 << 40),
    "more than 500 files": header(tarfile.REGTYPE, 0) * 502,
}


@pytest.mark.parametrize("name", HURTING)
def test_archives_made_to_hurt_are_refused_in_little_memory(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("solar.datasets._unpack._MAX_MEMBERS", 500)
    archive = tmp_path / "t.tgz"
    archive.write_bytes(gzip.compress(HURTING[name], 1))
    tracemalloc.start()
    with pytest.raises(SolarError, match=r"t\.tgz: (damaged|unpacks to more|holds more)") as caught:
        unpack(archive, tmp_path / "jpg")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 30 << 20 and str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["roxford5k", "rparis6k"])
def test_the_known_checksums_are_those_of_the_published_files(name: str) -> None:
    path = shared(f"data/revisited/gnd_{name}.pkl")
    source = DATASETS[name].lists[0]
    assert source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert source.name == path.name
    assert read(path).dataset == name
