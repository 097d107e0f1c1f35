import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from solar.datasets.folder import places
from solar.datasets.ground_truth import GroundTruth, parse
from solar.errors import SolarError, UsageError
from solar.evaluation import revisited
from solar.evaluation.retrieval import classic
from solar.evaluation.retrieval.distractors import extract_distractors
from solar.evaluation.retrieval.exact import scores
from solar.evaluation.retrieval.export import export, load
from solar.evaluation.retrieval.score import Reranking, score
from solar.extraction import collect
from solar.extraction.shards import on_grid
from tests.evaluation.fakes import cheap_extractor, paint

Made = tuple[GroundTruth, list[Path], list[Path]]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Six database photos of two places, two queries with boxes; place 1 is red, place 2 blue."""
    red, blue = (220, 40, 40), (40, 40, 220)
    database = [paint(tmp_path / f"d{n}.png", n, red if n % 2 else blue) for n in range(6)]
    queries = [paint(tmp_path / f"q{n}.png", 10 + n, red if n else blue) for n in range(2)]
    names = [f"d{n}" for n in range(6)]
    gnd = [
        {"bbx": [0, 0, 16, 16], "easy": [0], "hard": [2], "junk": [4]},
        {"bbx": [4, 4, 30, 30], "easy": [1, 3], "hard": [], "junk": [5]},
    ]
    raw = {"imlist": names, "qimlist": ["q0", "q1"], "gnd": gnd}
    return parse(raw, "toy", "toy"), database, queries


def test_an_exported_folder_holds_everything(made: Made, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    exported = export(cheap_extractor(), *made, folder)
    again = load(folder)
    assert np.array_equal(again.queries, exported.queries)
    assert np.array_equal(again.database, exported.database)
    assert exported.queries.shape == (2, 48)
    assert again.ground_truth.sha256 == made[0].sha256
    config = json.loads((folder / "config.json").read_text())
    assert config["extraction"] == cheap_extractor().extraction.to_json()
    assert config["ground_truth"] == made[0].sha256
    assert (config["crop"], config["dataset"], config["solar"]) == (True, "toy", "0.1.0")


def test_the_box_is_cropped_unless_told_otherwise(made: Made, tmp_path: Path) -> None:
    cropped = export(cheap_extractor(), *made, tmp_path / "cropped")
    whole = export(cheap_extractor(), *made, tmp_path / "whole", crop=False)
    assert np.array_equal(cropped.database, whole.database)
    boxes = [query.box for query in made[0].queries]
    for folder, used in ((cropped, boxes), (whole, [None, None])):
        expected = collect(cheap_extractor(), made[2], used).descriptors
        assert np.abs(folder.queries - expected).max() <= 2**-27
        assert np.array_equal(folder.queries, on_grid(folder.queries))


def test_what_is_there_is_kept_and_other_settings_need_overwrite(
    made: Made, tmp_path: Path
) -> None:
    folder, seen = tmp_path / "out", list[Any]()
    export(cheap_extractor(), *made, folder)
    export(cheap_extractor(seen.append), *made, folder)
    assert seen == []
    with pytest.raises(
        UsageError, match=r"out: .*image_size 64, not 512.*another folder, or say --overwrite"
    ):
        export(cheap_extractor(image_size=512), *made, folder)
    with pytest.raises(UsageError, match="crop False and True"):
        export(cheap_extractor(), *made, folder, crop=False)
    assert load(folder).extraction.image_size == 64
    export(cheap_extractor(seen.append, image_size=512), *made, folder, overwrite=True)
    assert len(seen) == 8
    assert load(folder).extraction.image_size == 512


def test_a_folder_that_holds_something_else_is_left_alone(made: Made, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "notes.txt").write_text("precious")
    for overwrite in (False, True):
        with pytest.raises(UsageError, match="mine: holds something else"):
            export(cheap_extractor(), *made, folder, overwrite=overwrite)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_photos_that_cannot_be_described_are_all_named(made: Made, tmp_path: Path) -> None:
    good = {n: made[1][n].read_bytes() for n in (1, 4)}
    for n in good:
        made[1][n].write_bytes(b"no photo")
    with pytest.raises(SolarError, match=r"2 of 6 photos cannot be described .*d1.*d4"):
        export(cheap_extractor(), *made, tmp_path / "out")
    with pytest.raises(SolarError, match="shards are missing"):
        load(tmp_path / "out")
    for n, content in good.items():
        made[1][n].write_bytes(content)
    assert len(export(cheap_extractor(), *made, tmp_path / "out").database) == 6


def test_damaged_folders_are_named(made: Made, tmp_path: Path) -> None:
    with pytest.raises(SolarError, match=r"nothing: no config\.json: export"):
        load(tmp_path / "nothing")
    folder = tmp_path / "out"
    export(cheap_extractor(), *made, folder)
    truth = folder / "ground_truth.json"
    truth.write_text(truth.read_text().replace('"easy": [0]', '"easy": [5]'))
    with pytest.raises(SolarError, match=r"ground_truth\.json: not the ground truth of config"):
        load(folder)
    truth.write_text("{")
    with pytest.raises(SolarError, match=r"ground_truth\.json: cannot be read"):
        load(folder)
    (folder / "config.json").write_text("[]")
    with pytest.raises(SolarError, match=r"config\.json: cannot be read"):
        load(folder)


def test_scores_are_those_of_a_full_sort(made: Made, tmp_path: Path) -> None:
    exported = export(cheap_extractor(), *made, tmp_path / "out")
    report = score(exported, dimensions=(3, 12))
    products = scores(exported.queries, exported.database)
    expected = revisited.evaluate(np.argsort(-products, axis=1, kind="stable"), made[0])
    for protocol, value in expected.items():
        assert report.results[protocol].map == value.map
        assert report.results[protocol].mp_at == value.mp_at
    assert report.results["hard"].ap[1] is None
    assert report.results["easy"].map == 1.0  # blue finds blue and red finds red
    assert list(report.by_dimension) == [3, 12]
    assert [hit.label for hit in report.ranks[1]].count("easy") == 2
    assert {hit.photo for hit in report.ranks[0]} == set(made[0].database)
    for name in ("fingerprint", "image_size", "scales", "precision", "crop", "ground_truth"):
        assert report.protocol[name] is not None


def test_distractors_lower_the_figures_and_are_recorded(made: Made, tmp_path: Path) -> None:
    exported = export(cheap_extractor(), *made, tmp_path / "out")
    extra = [paint(tmp_path / "far" / f"{n}.png", 90 + n, (40, 40, 220)) for n in range(9)]
    extra[5].write_bytes(b"")
    extract_distractors(cheap_extractor(), extra, tmp_path / "shards", shard_size=2)
    report = score(exported, distractors=tmp_path / "shards")
    assert report.protocol["distractors"] == 8
    assert report.protocol["distractors_failed"] == 1
    plain = score(exported)
    assert report.results["medium"].map < plain.results["medium"].map  # type: ignore[operator]
    assert "distractor" in {hit.label for hit in report.ranks[0]}


def test_reranking_replaces_the_order_and_is_recorded(made: Made, tmp_path: Path) -> None:
    exported = export(cheap_extractor(), *made, tmp_path / "out")
    worst = Reranking("backwards", lambda q, d: np.argsort(q @ d.T, axis=1))
    report = score(exported, reranking=worst, dimensions=(48,))
    assert report.protocol["rerank"] == "backwards"
    assert report.results["easy"].map < 1  # type: ignore[operator]
    assert report.by_dimension[48]["easy"] == report.results["easy"].map
    with pytest.raises(UsageError, match="cannot be re-ranked"):
        score(exported, reranking=worst, distractors=tmp_path)


def test_a_folder_of_places_describes_each_photo_once(tmp_path: Path) -> None:
    root, seen = tmp_path / "photos", list[Any]()
    for n in range(6):
        paint(root / ("red" if n % 2 else "blue") / f"{n}.png", n, (220, 40, 40 + 180 * (n % 2)))
    truth = places(root)
    paths = [root / name for name in truth.database]
    asked = [root / query.name for query in truth.queries]
    exported = export(cheap_extractor(seen.append), truth, paths, asked, tmp_path / "out")
    assert sorted(seen) == sorted(paths)
    report = score(exported)
    assert report.results["classic"].map == 1
    assert report.ranks[0][0].label == "junk"  # the query finds itself, which does not count
    products = scores(exported.queries, exported.database)
    ranks = np.argsort(-products, axis=1, kind="stable")
    assert classic.evaluate(ranks, truth)["classic"].map == 1
