"""The demo, run as users run it: real photos, a real index, no network."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import solar.demo
from solar.demo import demo
from solar.errors import SolarError, UsageError
from solar.files import sha256
from solar.index import Hit, Index, Indexed, index_photos
from solar.models.checkpoints import load, save
from solar.models.config import GlobalConfig
from solar.models.global_descriptor import GlobalDescriptor

# Ends the process at the first attempt to reach another machine, even if that would be caught.
OFFLINE = """
import os, sys
def refuse(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        os._exit(99)
    if event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        os._exit(99)  # Not a path: other processes of this machine may be talked to.
sys.addaudithook(refuse)
"""
# Three of the demo's places.
FEW = """
import solar.demo
from solar.demo import demo
names = "building2-3.png", "campus/holdout/P1070511.png", "eiffel-2.png"
solar.demo._VISITS = {name: solar.demo._VISITS[name] for name in names}
solar.demo._DISTRACTORS = "flowers[12].png road.png"
"""
PLACES, PHOTOS = 3, 8
SUMMARY = re.compile(r"^(\d+) of (\d+) queries found .* first, among (\d+) photos$", re.MULTILINE)


def offline(code: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", OFFLINE + code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)


def run_main(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    code = "import runpy; runpy.run_module('solar.demo', run_name='__main__', alter_sys=True)"
    return offline(code, *arguments)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights: enough to tell photos of different colours apart."""
    torch.manual_seed(0)
    config = GlobalConfig(backbone="resnet18", attention=(), image_size=160, scales=(1.0,))
    folder = tmp_path_factory.mktemp("models") / "random"
    save(GlobalDescriptor(config), folder)
    return folder


@dataclass
class Run:
    folder: Path
    output: str


@pytest.fixture(scope="module")
def samples(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    to = tmp_path_factory.mktemp("demo")
    done = offline(FEW + "demo(sys.argv[1], model=sys.argv[2])", to, model)
    assert done.returncode == 0, done.stderr
    return Run(to / "samples", done.stdout)


def summary(output: str) -> tuple[int, int, int]:
    line = SUMMARY.search(output)
    assert line, output
    found, queries, photos = map(int, line.groups())
    return found, queries, photos


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('192.0.2.1', 80), 0.1)",
        "import urllib.request; urllib.request.urlopen('http://example.org')",
    ],
)
def test_the_guard_against_the_network_works(code: str) -> None:
    assert offline(f"try:\n    {code}\nexcept OSError:\n    pass").returncode == 99


@pytest.mark.slow
def test_samples_are_indexed_where_they_are_and_found(samples: Run) -> None:
    found, queries, photos = summary(samples.output)
    assert (queries, photos) == (PLACES, PHOTOS)
    assert found > 0
    assert not list(samples.folder.rglob("*.png"))


def test_what_is_right_is_in_the_package_and_no_query_is_indexed() -> None:
    database, trials = solar.demo._samples()
    indexed = set(map(sha256, database))
    assert len(indexed) == len(database)
    for trial in trials:
        assert trial.answers <= indexed
        assert sha256(trial.query) not in indexed


@pytest.mark.slow
def test_the_summary_and_the_table_say_what_the_index_says(samples: Run) -> None:
    (folder,) = samples.folder.glob("index-*")
    index = Index.open(folder)
    first = 0
    _, trials = solar.demo._samples()
    for trial in trials:
        rows = [line for line in samples.output.splitlines() if line.startswith(trial.query.stem)]
        if not rows:
            continue
        hits = index.search(trial.query, top=8)
        ranks = [str(rank) for rank, hit in enumerate(hits, 1) if sha256(hit.path) in trial.answers]
        first += "1" in ranks
        assert trial.name in rows[0] and ", ".join(ranks) in rows[0]
    assert summary(samples.output)[0] == first


@pytest.mark.slow
def test_the_page_shows_every_query_and_lines_between_keypoints(samples: Run) -> None:
    page = samples.folder / "result.html"
    assert str(page) in samples.output
    text = page.read_text()
    assert text.count("<section>") == PLACES
    assert "eiffel-2.png" in text and "keypoints agree" in text and "<svg" in text


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Ten photos in two folders, a copy of one, and a file that is no photo."""
    folder = tmp_path / "my [photos]"
    for number in range(10):
        coarse = np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8)
        photo = Image.fromarray(coarse).resize((320, 240), Image.Resampling.BICUBIC)
        path = folder / ("deep" if number % 2 else "") / f"photo{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        photo.save(path)
    (folder / "copy.png").write_bytes((folder / "photo0.png").read_bytes())
    (folder / "broken.jpg").write_bytes(b"no photo")
    return folder


@pytest.mark.slow
def test_own_photos_are_indexed_where_they_are_and_found(
    own: Path, tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in own.rglob("*.*")}
    page = demo(tmp_path / "demo", own, model)
    said = capsys.readouterr()
    found, queries, photos = summary(said.out)
    assert (queries, photos) == (11, 11)
    assert found > 3  # One would be chance.
    assert "deep/photo1.png" in said.out
    assert "broken.jpg" in said.err
    assert "1 skipped" in said.err
    assert {path: path.read_bytes() for path in own.rglob("*.*")} == before
    text = page.read_text()
    for query in (page.parent / "queries").iterdir():
        assert query.name in text
    # Another folder works elsewhere, another model with an index of its own: they never mix.
    other = demo(tmp_path / "demo", own / "deep", model)
    assert other.parent != page.parent
    assert summary(capsys.readouterr().out)[1:] == (5, 5)
    torch.manual_seed(1)
    save(GlobalDescriptor(load(model).config), tmp_path / "another")
    (index,) = page.parent.glob("index-*")
    kept = {path: path.read_bytes() for path in index.iterdir()}
    demo(tmp_path / "demo", own, tmp_path / "another")
    said = capsys.readouterr()
    assert summary(said.out)[1:] == (11, 11)
    (new,) = set(page.parent.glob("index-*")) - {index}
    assert f"solar search {new}" in said.out.replace("'", "")
    assert {path: path.read_bytes() for path in index.iterdir()} == kept


@pytest.mark.slow
def test_a_second_run_does_only_what_is_new(
    own: Path,
    tmp_path: Path,
    model: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    described: list[int] = []

    def watched(*given: Any, **options: Any) -> Indexed:
        done = index_photos(*given, **options)
        described.append(len(done.report.added) + len(done.report.changed))
        return done

    monkeypatch.setattr("solar.index.index_photos", watched)
    demo(tmp_path / "demo", own, model)
    first = capsys.readouterr().out
    demo(tmp_path / "demo", own, model)
    assert capsys.readouterr().out == first
    (own / "photo2.png").unlink()
    demo(tmp_path / "demo", own, model)
    assert summary(capsys.readouterr().out)[1:] == (10, 10)
    assert described == [11, 0, 0]


def test_finding_nothing_is_a_failure(
    own: Path, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def search(index: Index, photo: Path, top: int) -> list[Hit]:
        return []

    monkeypatch.setattr(Index, "search", search)
    with pytest.raises(SolarError, match="no query found"):
        demo(tmp_path / "demo", own, model)


def test_the_work_folder_must_not_lie_inside_the_photos(own: Path, model: Path) -> None:
    with pytest.raises(UsageError, match="inside"):
        demo(own / "demo", own, model)
    assert not (own / "demo").exists()


def test_a_folder_without_photos_is_refused(tmp_path: Path, model: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no photo"):
        demo(tmp_path / "demo", tmp_path / "empty", model)


def test_without_the_packages_the_message_says_what_to_install(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solar.demo, "find_spec", lambda package: None)
    with pytest.raises(UsageError, match=r"solar-retrieval\[demo\]"):
        demo(tmp_path / "demo", model=model)


def test_a_wrong_call_ends_in_one_line_and_exit_code_2(tmp_path: Path) -> None:
    done = run_main("--photos", tmp_path / "nowhere", "--to", tmp_path / "demo")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"demo: --photos {tmp_path / 'nowhere'}: no such folder\n"


@pytest.mark.slow
def test_the_whole_demo_with_the_bundled_model(tmp_path: Path) -> None:
    done = run_main("--to", tmp_path)
    assert done.returncode == 0, done.stderr
    found, queries, _ = summary(done.stdout)
    assert found == queries == 8
    assert "make demo PHOTOS=~/Pictures" in done.stdout
