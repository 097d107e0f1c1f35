from pathlib import Path
from typing import Any

import numpy as np
import pytest

from solar.datasets.folder import open_folder
from solar.datasets.ground_truth import parse
from solar.datasets.photos import LabelledSet
from solar.errors import SolarError, UsageError
from solar.evaluation import revisited
from solar.evaluation.retrieval.described import describe_set, load
from solar.evaluation.retrieval.distractors import extract_distractors
from solar.evaluation.retrieval.metrics import score_ranks
from solar.evaluation.retrieval.run import score
from solar.extraction import collect
from solar.extraction.shards import on_grid
from tests.evaluation.fakes import cheap_extractor, paint


@pytest.fixture
def made(tmp_path: Path) -> LabelledSet:
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
    return LabelledSet(parse(raw, "toy", "toy"), database, queries)


def test_a_described_folder_holds_everything(made: LabelledSet, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    described = describe_set(cheap_extractor(), made, folder)
    again = load(folder)
    assert np.array_equal(again.queries, described.queries)
    assert np.array_equal(again.database, described.database)
    assert described.queries.shape == (2, 48)
    assert again.ground_truth.sha256 == made.ground_truth.sha256
    assert again.extraction == cheap_extractor().extraction
    assert again.settings["ground_truth"] == made.ground_truth.sha256
    assert [again.settings[name] for name in ("crop", "dataset", "solar")] == [True, "toy", "0.1.0"]


def test_the_box_is_cropped_unless_told_otherwise(made: LabelledSet, tmp_path: Path) -> None:
    cropped = describe_set(cheap_extractor(), made, tmp_path / "cropped")
    whole = describe_set(cheap_extractor(), made, tmp_path / "whole", crop=False)
    assert np.array_equal(cropped.database, whole.database)
    boxes = [query.box for query in made.ground_truth.queries]
    for folder, used in ((cropped, boxes), (whole, [None, None])):
        expected = collect(cheap_extractor(), made.queries, used).descriptors
        assert np.abs(folder.queries - expected).max() <= 2**-27
        assert np.array_equal(folder.queries, on_grid(folder.queries))


def test_what_is_there_is_kept_and_other_settings_need_overwrite(
    made: LabelledSet, tmp_path: Path
) -> None:
    folder, seen = tmp_path / "out", list[Any]()
    describe_set(cheap_extractor(), made, folder)
    describe_set(cheap_extractor(seen.append), made, folder)
    assert seen == []
    with pytest.raises(
        UsageError, match=r"out: .*image_size 64, not 512.*another folder, or say --overwrite"
    ):
        describe_set(cheap_extractor(image_size=512), made, folder)
    with pytest.raises(UsageError, match="crop True, not False"):
        describe_set(cheap_extractor(), made, folder, crop=False)
    assert load(folder).extraction.image_size == 64
    describe_set(cheap_extractor(seen.append, image_size=512), made, folder, overwrite=True)
    assert len(seen) == 8
    assert load(folder).extraction.image_size == 512


def test_a_folder_that_holds_something_else_is_left_alone(
    made: LabelledSet, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "notes.txt").write_text("precious")
    for overwrite in (False, True):
        with pytest.raises(UsageError, match="mine: holds something else"):
            describe_set(cheap_extractor(), made, folder, overwrite=overwrite)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_photos_that_cannot_be_described_are_all_named(made: LabelledSet, tmp_path: Path) -> None:
    good = {n: made.database[n].read_bytes() for n in (1, 4)}
    for n in good:
        made.database[n].write_bytes(b"no photo")
    with pytest.raises(SolarError, match=r"2 of 6 photos cannot be described .*d1.*d4"):
        describe_set(cheap_extractor(), made, tmp_path / "out")
    with pytest.raises(SolarError, match="shards are missing"):
        load(tmp_path / "out")
    for n, content in good.items():
        made.database[n].write_bytes(content)
    assert len(describe_set(cheap_extractor(), made, tmp_path / "out").database) == 6


def test_damaged_folders_are_named(made: LabelledSet, tmp_path: Path) -> None:
    with pytest.raises(SolarError, match=r"nothing.settings\.json: no such file"):
        load(tmp_path / "nothing")
    folder = tmp_path / "out"
    describe_set(cheap_extractor(), made, folder)
    truth = folder / "ground_truth.json"
    truth.write_text(truth.read_text().replace('"easy": [0]', '"easy": [5]'))
    with pytest.raises(SolarError, match=r"ground_truth\.json: not the ground truth of settings"):
        load(folder)
    truth.write_text("{")
    with pytest.raises(SolarError, match=r"ground_truth\.json: not JSON"):
        load(folder)
    for text, message in (("[]", "holds no settings"), ("{", "not JSON"), ("{}", "'model' of")):
        (folder / "settings.json").write_text(text)
        with pytest.raises(SolarError, match=rf"settings\.json: {message}"):
            load(folder)


def test_scores_are_those_of_a_full_sort(made: LabelledSet, tmp_path: Path) -> None:
    described = describe_set(cheap_extractor(), made, tmp_path / "out")
    report = score(described, dimensions=(3, 12))
    products = on_grid(described.queries) @ on_grid(described.database).T
    expected = revisited.evaluate(np.argsort(-products, axis=1, kind="stable"), made.ground_truth)
    for protocol, value in expected.items():
        assert report.results[protocol].map == value.map
        assert report.results[protocol].mp_at == value.mp_at
    assert report.results["hard"].ap[1] is None
    assert report.results["easy"].map == 1.0  # blue finds blue and red finds red
    assert list(report.by_dimension) == [3, 12]
    assert [hit.label for hit in report.ranks[1]].count("easy") == 2
    assert {hit.photo for hit in report.ranks[0]} == set(made.ground_truth.database)
    for name in ("fingerprint", "image_size", "scales", "precision", "crop", "ground_truth"):
        assert report.protocol[name] is not None


def test_distractors_lower_the_figures_and_are_recorded(made: LabelledSet, tmp_path: Path) -> None:
    described = describe_set(cheap_extractor(), made, tmp_path / "out")
    extra = [paint(tmp_path / "far" / f"{n}.png", 90 + n, (40, 40, 220)) for n in range(9)]
    extra[5].write_bytes(b"")
    extract_distractors(cheap_extractor(), extra, tmp_path / "shards", shard_size=2)
    report = score(described, distractors=tmp_path / "shards")
    assert report.protocol["distractors"] == 8
    assert report.protocol["distractors_failed"] == 1
    plain = score(described)
    assert report.results["medium"].map < plain.results["medium"].map  # type: ignore[operator]
    assert "distractor" in {hit.label for hit in report.ranks[0]}


def test_a_folder_of_places_describes_each_photo_once(tmp_path: Path) -> None:
    root, seen = tmp_path / "photos", list[Any]()
    for n in range(6):
        paint(root / ("red" if n % 2 else "blue") / f"{n}.png", n, (220, 40, 40 + 180 * (n % 2)))
    photos, steps = open_folder(root), list[tuple[int, int]]()
    described = describe_set(
        cheap_extractor(seen.append), photos, tmp_path / "out",
        progress=lambda *step: steps.append(step),
    )  # fmt: skip
    assert sorted(seen) == sorted(photos.database)
    assert steps[-1] == (6, 6)
    report = score(described)
    assert report.results["classic"].map == 1
    assert report.ranks[0][0].label == "junk"  # the query finds itself, which does not count
    products = on_grid(described.queries) @ on_grid(described.database).T
    ranks = np.argsort(-products, axis=1, kind="stable")
    assert score_ranks(ranks, photos.ground_truth.queries)["classic"].map == 1
