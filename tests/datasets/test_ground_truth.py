import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from solar.datasets.ground_truth import parse, read
from solar.errors import SolarError
from tests.shared import shared

GOOD: dict[str, Any] = {
    "imlist": ["a", "b", "c", "d"],
    "qimlist": ["q0", "q1"],
    "gnd": [
        {"bbx": [1.5, 2, 30, 40], "easy": [2, 0], "hard": [], "junk": [3]},
        {"bbx": [0, 0, 9, 9], "easy": [], "hard": [1], "junk": []},
    ],
}


def changed(query: int, field: str, value: object) -> dict[str, Any]:
    raw = copy.deepcopy(GOOD)
    raw["gnd"][query][field] = value
    return raw


def test_json_and_pickle_of_the_same_lists_are_the_same(tmp_path: Path) -> None:
    as_json, as_pickle = tmp_path / "gnd_mine.json", tmp_path / "gnd_mine.pkl"
    as_json.write_text(json.dumps(GOOD))
    arrays = changed(0, "easy", np.array([2, 0], np.int32))
    arrays["gnd"][1]["bbx"] = np.array([0, 0, 9, 9], np.float32)
    as_pickle.write_bytes(pickle.dumps(arrays, 2))
    one, other = read(as_json), read(as_pickle)
    assert one.dataset == other.dataset == "mine"
    assert one.sha256 == other.sha256
    assert one.queries[0].box == (1.5, 2.0, 30.0, 40.0)
    assert one.queries[0].labels["easy"].tolist() == [0, 2]
    assert one.queries[0].labelled.tolist() == [0, 2, 3]
    again = parse(json.loads(one.to_json()), "mine", "again")
    assert again.sha256 == one.sha256


@pytest.mark.parametrize("name", ["easy", "junk"])
def test_the_digest_depends_on_every_label(name: str) -> None:
    raw = changed(1, name, [2])
    assert parse(raw, "mine", "a").sha256 != parse(GOOD, "mine", "a").sha256


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (changed(0, "junk", [4]), r"query 0 \(q0\): junk: 4 is outside the database of 4"),
        (changed(0, "junk", [-1]), r"query 0 \(q0\): junk: -1 is outside"),
        (changed(1, "junk", [1]), r"query 1 \(q1\): position 1 stands twice \(hard and junk\)"),
        (changed(1, "hard", [1, 1]), r"position 1 stands twice \(hard\)"),
        (changed(1, "hard", [1.0]), r"hard: 1\.0 is not a position"),
        (changed(1, "hard", [True]), r"hard: True is not a position"),
        (changed(1, "hard", "12"), "hard: is not a list"),
        (changed(1, "hard", 3), "hard: is not a list"),
        (changed(0, "bbx", [1, 2, 3]), "bbx: 3 numbers, not four"),
        (changed(0, "bbx", [1, 2, 3, float("nan")]), "NaN is no number of JSON"),
        (changed(0, "bbx", [1, 2, 3, "4"]), "bbx: .* not four finite numbers"),
        (changed(0, "bbx", 7), "bbx: 7 is not four finite numbers"),
        (changed(0, "bbx", [5, 0, 5, 9]), "bbx: .* is not x1 < x2"),
        ({**GOOD, "imlist": ["a", "b", "c", "a"]}, "imlist: 'a' stands twice"),
        ({**GOOD, "imlist": ["a", "b", "c", 4]}, "imlist: 4 is not a name"),
        ({**GOOD, "imlist": []}, "imlist is not a list of names"),
        ({**GOOD, "qimlist": ["q0"]}, "1 names in qimlist, 2 queries in gnd"),
        ({**GOOD, "gnd": []}, "gnd is not a list of queries"),
        ({**GOOD, "gnd": [{"easy": []}, {}]}, r"query 0 \(q0\): has no hard, junk"),
        ({**GOOD, "gnd": [GOOD["gnd"][0], 5]}, r"query 1 \(q1\): is not a dict"),
        ([GOOD], "holds no dict"),
    ],
)
def test_a_wrong_ground_truth_is_refused_by_file_query_and_field(
    raw: object, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "gnd_bad.json"
    path.write_text(json.dumps(raw))
    with pytest.raises(SolarError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_one_photo_may_be_two_queries_with_other_boxes() -> None:
    truth = parse({**GOOD, "qimlist": ["q", "q"]}, "mine", "here")
    assert [query.box for query in truth.queries] == [(1.5, 2, 30, 40), (0, 0, 9, 9)]


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "\x00"])
def test_what_is_not_json_says_so(text: str, tmp_path: Path) -> None:
    path = tmp_path / "gnd_bad.json"
    path.write_text(text)
    with pytest.raises(SolarError, match=r"gnd_bad\.json: not JSON"):
        read(path)


@pytest.mark.parametrize(
    ("name", "database", "easy"),
    [("roxford5k", 4993, 68), ("rparis6k", 6322, 70)],
)
def test_the_published_pickles(name: str, database: int, easy: int) -> None:
    truth = read(shared(f"data/revisited/gnd_{name}.pkl"))
    assert (truth.dataset, len(truth.database), len(truth.queries)) == (name, database, 70)
    assert sum(len(query.labels["easy"]) > 0 for query in truth.queries) == easy
    assert all(query.box is not None for query in truth.queries)


def test_rparis_mini() -> None:
    truth = read(shared("data/rparis-mini/gnd_rparis_mini.json"))
    assert (truth.dataset, len(truth.database), len(truth.queries)) == ("rparis_mini", 238, 12)
    assert truth.queries[0].box == (122.66, 36.72, 610.16, 497.66)
