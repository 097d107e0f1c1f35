"""What `solar search` says: of several queries, boxes, copies, files that are gone, no likeness."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from solar.calibration import Calibration, Level, Supported, Weights
from solar.extraction import Described, Failed
from solar.index import Index, Search, search_each
from solar.index.searching import alike
from solar.models.document import read_document, write_calibration
from solar.photos import Box, Photo
from solar.rerank import CHANCE
from tests.cli.runner import Done, solar, succeed
from tests.index.bytes_extractor import BytesExtractor
from tests.scenes import album


class Interrupted(BytesExtractor):
    """Stands for Ctrl-C while photos are described."""

    def describe(
        self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
    ) -> Iterator[Described | Failed]:
        raise KeyboardInterrupt


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """An album with copies of a photo, and an index of it."""
    folder = tmp_path_factory.mktemp("search")
    album(folder / "photos", 5)
    for number in range(3):
        shutil.copy(folder / "photos" / "00.png", folder / "photos" / f"copy{number}.png")
    album(folder / "queries", 3)
    (folder / "queries" / "bad.jpg").write_bytes(b"no photo")
    succeed("index", "photos", "--to", "i", "--model", model_folder, folder=folder)
    return folder


def search(home: Path, *more: object) -> Done:
    return solar("search", "i", *more, folder=home)


def test_a_folder_of_queries_is_searched_photo_by_photo(home: Path) -> None:
    done = search(home, "queries", "photos/04.png", "--top", 2, "--html", "all.html")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.endswith(":")] == [
        *(f"queries/{number:02}.png:" for number in range(3)), "photos/04.png:"
    ]  # fmt: skip
    assert done.stderr.count("skipped queries/bad.jpg") == 1
    assert (home / "all.html").read_text().count('class="query"') == 4
    found = json.loads(search(home, "queries", "--json").stdout)
    assert [each["query"] for each in found["searches"]] == [f"queries/0{n}.png" for n in range(3)]
    assert len(found["failed"]) == 1 and "bad.jpg" in found["failed"][0]
    bad = search(home, "queries/bad.jpg", "queries/bad.jpg")
    assert bad.returncode == 1 and not bad.stdout
    (home / "empty").mkdir()
    assert search(home, "empty").returncode == 2


def test_boxes_are_pixels_or_percent_and_one_beyond_the_photo_is_told(home: Path) -> None:
    pixels = search(home, "photos/01.png", "--box", "16,12,80,60", "--json")
    percent = search(home, "photos/01.png", "--box", "10%, 10%,50%,50%", "--json")
    assert json.loads(pixels.stdout) == json.loads(percent.stdout) and not pixels.stderr
    beyond = search(home, "photos/01.png", "--box", "80,60,900,900")
    assert "reaches beyond photos/01.png: 80,60,160,120 is searched for" in beyond.stderr
    for box in ("1,2,3", "1,2,3,x", "10%,20%,50", "nan,1,2,3", "900,900,999,999", "%,1,1,1"):
        done = search(home, "photos/01.png", "--box", box)
        assert done.returncode == 2 and "box" in done.stderr and done.stderr.count("\n") == 1
    many = search(home, "queries", "--box", "150,110,170,130")
    assert many.returncode == 0 and many.stderr.count("reaches beyond") == 3


def test_copies_and_the_query_are_folded_when_asked(home: Path) -> None:
    def names(*more: object) -> list[str]:
        hits = json.loads(search(home, "photos/00.png", "--json", *more).stdout)["hits"]
        return [Path(hit["path"]).name for hit in hits]

    assert names("--top", 4) == ["00.png", "copy0.png", "copy1.png", "copy2.png"]
    assert sorted(names("--distinct")) == ["01.png", "02.png", "03.png", "04.png"]
    assert len(names("--distinct", "--rerank", "superglobal", "--top", 3)) == 3


def test_files_that_are_gone_are_marked(home: Path) -> None:
    (home / "photos" / "copy1.png").rename(home / "away.png")
    try:
        done = search(home, "queries/00.png")
        found = json.loads(search(home, "queries/00.png", "--json").stdout)
    finally:
        (home / "away.png").rename(home / "photos" / "copy1.png")
    marked = [line for line in done.stdout.splitlines() if " gone " in line]
    assert len(marked) == 1 and marked[0].endswith("copy1.png") and "gone:" in done.stderr
    assert [hit["path"][-9:] for hit in found["hits"] if hit.get("gone")] == ["copy1.png"]


def test_an_index_that_is_empty_or_in_the_making_says_so(
    home: Path, tmp_path: Path, model_folder: Path
) -> None:
    Index.create(tmp_path / "none", model_folder)
    done = solar("search", "none", home / "photos" / "00.png", folder=tmp_path)
    assert done.returncode == 0 and "holds no photo yet" in done.stderr
    shutil.copytree(home / "i", tmp_path / "i")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.jpg").write_text("a")
    index = Index.open(tmp_path / "i", Interrupted(Index.open(home / "i").extraction))
    with pytest.raises(KeyboardInterrupt):
        index.add(tmp_path / "more")
    done = solar("search", "i", home / "photos" / "00.png", folder=tmp_path)
    assert f"not all of {tmp_path / 'more'} is in the index" in done.stderr


def test_no_likeness_is_told_by_the_rule(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name in "abcdef":
        (tmp_path / "photos" / f"{name}.jpg").write_text(name)
    index = Index.create(tmp_path / "i", BytesExtractor(), local=None)
    index.add(tmp_path / "photos")
    first, *others = index.search(b"a", top=6)
    assert first.probability is None
    unlike = [hit for hit in others if hit.score <= 0]
    assert not alike(unlike) and alike([first, *others])
    assert alike([replace(others[-1], inliers=CHANCE + 1)])
    assert alike([replace(others[-1], probability=0.5)])
    assert not alike([replace(first, probability=0.4), *unlike])


def test_photos_together_by_number_and_not_like_others(home: Path) -> None:
    def found(*more: object) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(search(home, *more, "--json").stdout)
        return answer

    both = found("queries/00.png", "queries/01.png", "--together", "--top", 3)
    assert both["query"] == ["queries/00.png", "queries/01.png"] and len(both["hits"]) == 3
    apart = found("queries/00.png", "queries/01.png")
    assert len(apart["searches"]) == 2
    number = both["hits"][0]["id"]
    by_number, by_path = found("--id", number), found("--like", both["hits"][0]["path"])
    assert by_number == by_path and by_number["hits"][0]["id"] == number
    less = found("--id", number, "--not", "photos/02.png")
    names = [Path(hit["path"]).name for hit in less["hits"]]
    assert "02.png" not in names and names
    page = ("queries/00.png", "--id", number, "--together", "--html", "both.html")
    assert search(home, *page, "--overwrite").returncode == 0
    assert (home / "both.html").read_text().count('class="query"') == 2


def test_a_box_for_each_photo(home: Path) -> None:
    pair = ("photos/01.png", "photos/02.png", "--json", "--box", "10%,10%,50%,50%")
    each = json.loads(search(home, *pair, "--box", "all").stdout)["searches"]
    assert [one["box"] for one in each] == [[16, 12, 80, 60], None]
    once = json.loads(search(home, *pair).stdout)["searches"]
    assert [one["box"] for one in once] == [[16, 12, 80, 60]] * 2
    done = search(home, *pair, "--box", "all", "--box", "all")
    assert done.returncode == 2 and "3 boxes for 2 photos" in done.stderr


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ((), "no photo to search with"),
        (("--id", 99), "no photo of id 99"),
        (("--id", "x"), "--id"),
        (("--like", "nowhere.png"), "holds no photo"),
        (("--like", "photos"), "several photos below"),
        (("photos/01.png", "--not", "queries/bad.jpg"), "bad.jpg"),
    ],
)
def test_wrong_photos_are_told(home: Path, call: tuple[object, ...], said: str) -> None:
    done = search(home, *call)
    assert done.returncode in (1, 2) and said in done.stderr and done.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def calibrated(home: Path, model_folder: Path) -> Path:
    """The album again, in an index whose model is calibrated after it was made.

    The copies of 00.png are probable, no other photo is.
    """
    shutil.copytree(model_folder, home / "model")
    to = ("--to", "calibrated", "--model", "model", "--no-local")
    succeed("index", "photos", *to, folder=home)
    model = read_document(home / "model")
    made = Index.open(home / "calibrated").extraction.fingerprint
    rough = Calibration(made, Weights(0, 1), Weights(0, 1), Supported(), Level(0.0, 0.4, 2))
    write_calibration(model, rough, None)
    index = Index.open(home / "calibrated")
    hits = index.search(home / "photos" / "00.png", top=8, rerank="none")
    margins = [math.log(p / (1 - p)) for hit in hits if (p := hit.probability)]
    between = Weights(-100 * (margins[3] + margins[4]), 200)
    write_calibration(model, replace(rough, descriptors=between), None)
    return home


def test_probable_hits_alone_are_shown(calibrated: Path) -> None:
    def ask(*more: object) -> Done:
        query = ("search", "calibrated", "photos/00.png", "--rerank", "none")
        return solar(*query, *more, folder=calibrated)

    everything = json.loads(ask("--json").stdout)["hits"]
    probabilities = [hit["probability"] for hit in everything]
    assert len(everything) == 8 and probabilities == sorted(probabilities, reverse=True)
    assert probabilities[0] > 0.5 > probabilities[-1]
    probable = json.loads(ask("--json", "--min-probability", 0.5).stdout)["hits"]
    assert probable == [hit for hit in everything if hit["probability"] >= 0.5] != everything
    shown = ask("--min-probability", 0.5)
    assert "probability" in shown.stdout and f"{probabilities[0]:.0%}" in shown.stdout
    index = Index.open(calibrated / "calibrated")
    hits = index.search(calibrated / "photos" / "00.png", top=8, rerank="none")
    assert [hit.probability for hit in hits] == probabilities


def test_nothing_probable_is_an_answer(calibrated: Path) -> None:
    model = read_document(calibrated / "model")
    assert model.calibration is not None
    never = replace(model.calibration, descriptors=Weights(-900, 0))
    write_calibration(model, never, None)
    try:
        done = solar("search", "calibrated", "photos/00.png", "--min-probability", 0.5,
                     "--html", "none.html", folder=calibrated)  # fmt: skip
        plain = solar("search", "calibrated", "photos/00.png", folder=calibrated)
        (one,) = search_each(Index.open(calibrated / "calibrated"),
                             [calibrated / "photos" / "00.png"])  # fmt: skip
        (few,) = search_each(Index.open(calibrated / "calibrated"), [calibrated / "photos/00.png"],
                             where="name = '01.png'", min_probability=0.5)  # fmt: skip
    finally:
        write_calibration(model, model.calibration, None)
    nothing = "none of the 8 photos seems to show this place"
    assert done.returncode == 0 and nothing in done.stderr
    assert f"N{nothing[1:]}." in (calibrated / "none.html").read_text()
    assert plain.returncode == 0 and "nothing in the index looks alike" in plain.stderr
    assert isinstance(one, Search) and one.to_json()["alike"] is False
    assert isinstance(few, Search) and few.photos == 1  # Of those that the filter leaves.


def test_a_probability_needs_a_calibrated_model(home: Path) -> None:
    done = search(home, "photos/00.png", "--min-probability", 0.5)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "solar calibrate" in done.stderr
    assert search(home, "photos/00.png", "--min-probability", 1.5).returncode == 2
    found = json.loads(search(home, "photos/00.png", "--json").stdout)
    assert [hit["probability"] for hit in found["hits"]] == [None] * 8


def test_a_calibration_of_another_network_says_nothing(calibrated: Path) -> None:
    model = read_document(calibrated / "model")
    assert model.calibration is not None
    index = Index.open(calibrated / "calibrated")
    assert index.search(1)[0].probability is not None
    write_calibration(model, replace(model.calibration, fingerprint="1" * 64), None)
    try:
        assert index.calibration is None
        assert index.search(1)[0].probability is None
    finally:
        write_calibration(model, model.calibration, None)
