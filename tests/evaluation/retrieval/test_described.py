import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from solar.datasets.folder import open_folder
from solar.datasets.ground_truth import parse
from solar.datasets.photos import LabelledSet
from solar.errors import PhotoError, SolarError
from solar.evaluation import revisited
from solar.evaluation.retrieval.described import describe_set
from solar.evaluation.retrieval.distractors import extract_distractors
from solar.evaluation.retrieval.metrics import score_ranks
from solar.evaluation.retrieval.run import score, search
from solar.extraction import Failed, collect
from solar.extraction.shard import on_grid
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


def test_the_box_is_cropped_unless_told_otherwise(made: LabelledSet) -> None:
    seen = list[Any]()
    cropped = describe_set(cheap_extractor(), made)
    whole = describe_set(cheap_extractor(seen.append), made, crop=False)
    assert sorted(seen) == sorted(made.queries)  # the database is there
    assert np.array_equal(cropped.database, whole.database)
    boxes = [query.box for query in made.ground_truth.queries]
    for found, used in ((cropped, boxes), (whole, [None, None])):
        expected = collect(cheap_extractor(), made.queries, used).descriptors
        assert np.abs(found.queries - expected).max() <= 2**-27
        assert np.array_equal(found.queries, on_grid(found.queries))


def test_an_extraction_is_done_once_whatever_the_folder(made: LabelledSet) -> None:
    seen = list[Any]()
    first = describe_set(cheap_extractor(seen.append), made)
    again = describe_set(cheap_extractor(seen.append, model="by another name"), made)
    assert len(seen) == 8 and np.array_equal(again.database, first.database)
    describe_set(cheap_extractor(seen.append, image_size=512), made)
    assert len(seen) == 16
    os.utime(made.queries[0], (1, 1))  # a photo that may have changed
    describe_set(cheap_extractor(seen.append), made)
    assert len(seen) == 18


def test_bad_photos_stop_it_before_the_work_or_are_left_out(made: LabelledSet) -> None:
    good = {n: made.database[n].read_bytes() for n in (1, 4)}
    seen = list[Any]()
    for n in good:
        made.database[n].write_bytes(b"no photo")
    with pytest.raises(SolarError, match=r"2 of 8 photos cannot be used .*d1.*d4.*--bad-photos"):
        describe_set(cheap_extractor(seen.append), made)
    assert seen == []
    described = describe_set(cheap_extractor(), made, skip=True)
    assert len(described.skipped) == 2 and "d1.png" in described.skipped[0]
    truth = described.ground_truth
    assert truth.database == ("d0", "d2", "d3", "d5")
    labels = [{k: v.tolist() for k, v in query.labels.items()} for query in truth.queries]
    assert labels[0] == {"easy": [0], "hard": [1], "junk": []}
    assert labels[1] == {"easy": [2], "hard": [], "junk": [3]}
    assert score(search(described)).protocol["unusable"] == 2
    made.queries[0].write_bytes(b"no photo either")
    described = describe_set(cheap_extractor(), made, skip=True)
    assert [query.name for query in described.ground_truth.queries] == ["q1"]
    assert described.queries.shape == (1, 48)
    for n, content in good.items():
        made.database[n].write_bytes(content)
    made.queries[0].write_bytes(good[1])
    assert len(describe_set(cheap_extractor(), made).database) == 6


def test_a_photo_that_could_not_be_decoded_is_tried_again(made: LabelledSet) -> None:
    """As one is whose decoder was not installed: the file is the same, the outcome is not."""

    class Forgetful:
        extraction = cheap_extractor().extraction

        def describe(self, photos: Any, boxes: Any = None) -> Any:
            for result in cheap_extractor().describe(photos, boxes):
                position = result.position
                if photos[position] == made.database[2]:
                    result = Failed(position, PhotoError("d2.png: no decoder"))
                yield result

    assert len(describe_set(Forgetful(), made, skip=True).database) == 5
    whole = describe_set(cheap_extractor(), made, skip=True)
    assert whole.skipped == ()
    expected = collect(cheap_extractor(), made.database).descriptors
    assert np.abs(whole.database - expected).max() <= 2**-27


def test_where_no_query_is_left_it_ends(made: LabelledSet) -> None:
    for query in made.queries:
        query.write_bytes(b"no photo")
    with pytest.raises(SolarError, match="toy: no query can be used"):
        describe_set(cheap_extractor(), made, skip=True)


def test_scores_are_those_of_a_full_sort(made: LabelledSet) -> None:
    described = describe_set(cheap_extractor(), made)
    report = score(search(described, dimensions=(3, 12)))
    products = on_grid(described.queries) @ on_grid(described.database).T
    expected = revisited.evaluate(np.argsort(-products, axis=1, kind="stable"), made.ground_truth)
    for protocol, value in expected.items():
        assert report.results[protocol].map == value.map
        assert report.results[protocol].mp_at == value.mp_at
        by_size = report.by_dimension[12][protocol]
        assert len(by_size.ap) == 2 and by_size.recall_at.keys() == {1, 5, 10}
    assert report.results["hard"].ap[1] is None
    assert report.results["easy"].map == 1.0  # blue finds blue and red finds red
    assert list(report.by_dimension) == [3, 12]
    assert [hit.label for hit in report.ranks[1]].count("easy") == 2
    assert {hit.photo for hit in report.ranks[0]} == set(made.ground_truth.database)
    for name in ("fingerprint", "image_size", "scales", "precision", "crop", "ground_truth"):
        assert report.protocol[name] is not None


def test_distractors_lower_the_figures_and_are_recorded(made: LabelledSet, tmp_path: Path) -> None:
    described = describe_set(cheap_extractor(), made)
    extra = [paint(tmp_path / "far" / f"{n}.png", 90 + n, (40, 40, 220)) for n in range(9)]
    extra[5].write_bytes(b"")
    extract_distractors(cheap_extractor(), extra, tmp_path / "shards", shard_size=2)
    report = score(search(described, distractors=tmp_path / "shards"))
    assert report.protocol["distractors"] == 8
    assert report.protocol["distractors_failed"] == 1
    plain = score(search(described))
    assert report.results["medium"].map < plain.results["medium"].map  # type: ignore[operator]
    assert "distractor" in {hit.label for hit in report.ranks[0]}


def test_a_folder_of_places_describes_each_photo_once(tmp_path: Path) -> None:
    root, seen = tmp_path / "photos", list[Any]()
    for n in range(6):
        paint(root / ("red" if n % 2 else "blue") / f"{n}.png", n, (220, 40, 40 + 180 * (n % 2)))
    photos, steps = open_folder(root), list[tuple[int, int]]()
    described = describe_set(
        cheap_extractor(seen.append), photos, progress=lambda *step: steps.append(step)
    )
    assert sorted(seen) == sorted(photos.database)
    assert steps[-1] == (6, 6)
    report = score(search(described))
    assert report.results["classic"].map == 1
    assert report.ranks[0][0].label == "junk"  # the query finds itself, which does not count
    products = on_grid(described.queries) @ on_grid(described.database).T
    ranks = np.argsort(-products, axis=1, kind="stable")
    assert score_ranks(ranks, photos.ground_truth.queries)["classic"].map == 1
