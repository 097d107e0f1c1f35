import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solar.datasets.ground_truth import parse, parse_queries
from solar.errors import UsageError
from solar.evaluation import revisited
from solar.evaluation.average_precision import average_precision
from solar.evaluation.retrieval.metrics import (
    precision_at,
    precision_recall,
    score_rankings,
    score_ranks,
)
from solar.ranking import Ranking
from tests.shared import shared

PROTOCOLS = ("easy", "medium", "hard")


def one(easy: list[int], hard: list[int], junk: list[int]) -> list[dict[str, Any]]:
    return [{"bbx": [0, 0, 1, 1], "easy": easy, "hard": hard, "junk": junk}]


def test_golden() -> None:
    arrays = np.load(shared("golden/revisited_map.npz"))
    golden = json.loads(shared("golden/revisited_map.json").read_text())
    ranks = np.argsort(-(arrays["queries"] @ arrays["database"].T), axis=1, kind="stable")
    scores = revisited.evaluate(ranks, golden["gnd"])
    assert tuple(scores) == PROTOCOLS
    for protocol, expected in golden["results"].items():
        score = scores[protocol]
        assert score.map == pytest.approx(expected["map"], abs=1e-9)
        np.testing.assert_allclose(score.ap, np.array(expected["aps"], float), atol=1e-9, rtol=0)
        for k, precision in zip((1, 5, 10), expected["mp_at_1_5_10"], strict=True):
            assert score.mp_at[k] == pytest.approx(precision, abs=1e-9)


def test_by_hand() -> None:
    # The ranking: easy 4, junk 0, nothing 1, hard 2, easy 3.
    scores = revisited.evaluate(np.array([[4, 0, 1, 2, 3]]), one([3, 4], [2], [0]))
    # Easy: places 0 and 2 of (4, 1, 3): ((1 + 1) + (1/2 + 2/3)) / 4
    assert scores["easy"].map == pytest.approx(float(Fraction(19, 24)))
    # Medium: places 0, 2, 3 of (4, 1, 2, 3): ((1 + 1) + (1/2 + 2/3) + (2/3 + 3/4)) / 6
    assert scores["medium"].map == pytest.approx(float(Fraction(55, 72)))
    # Hard: place 1 of (1, 2): (0 + 1/2) / 2
    assert scores["hard"].map == pytest.approx(0.25)
    # Precision at k stops at the last positive: place 3 for easy, 4 for medium, 2 for hard.
    assert scores["easy"].mp_at == pytest.approx({1: 1, 5: 2 / 3, 10: 2 / 3})
    assert scores["medium"].mp_at == pytest.approx({1: 1, 5: 3 / 4, 10: 3 / 4})
    assert scores["hard"].mp_at == pytest.approx({1: 0, 5: 1 / 2, 10: 1 / 2})
    # Plain precision goes on; recall asks for one positive.
    assert scores["easy"].p_at == pytest.approx({1: 1, 5: 2 / 5, 10: 2 / 10})
    assert scores["hard"].p_at == pytest.approx({1: 0, 5: 1 / 5, 10: 1 / 10})
    assert scores["easy"].recall_at == {1: 1, 5: 1, 10: 1}
    assert scores["hard"].recall_at == {1: 0, 5: 1, 10: 1}


def test_a_query_without_positives_is_left_out_of_every_mean() -> None:
    gnd = [*one([0], [], []), *one([], [1], [0, 2])]
    scores = revisited.evaluate(np.array([[0, 1, 2], [1, 0, 2]]), gnd)
    assert np.isnan(scores["easy"].ap).tolist() == [False, True]
    assert np.isnan(scores["hard"].ap).tolist() == [True, False]
    assert scores["easy"].map == scores["hard"].map == scores["medium"].map == 1
    assert scores["easy"].mp_at[1] == 1


def test_junk_only_has_no_map() -> None:
    scores = revisited.evaluate(np.array([[0, 1, 2]]), one([], [], [0, 1]))
    for protocol in PROTOCOLS:
        assert np.isnan(scores[protocol].map)
        assert np.isnan(scores[protocol].mp_at[1])
        assert np.isnan(precision_recall(scores[protocol])).all()


def test_a_positive_that_is_not_ranked_counts_as_never_found() -> None:
    score = revisited.evaluate(np.array([[5, 0]]), one([0, 1], [], []))["easy"]
    assert score.map == pytest.approx((0 + 1 / 2) / 4)
    nothing = revisited.evaluate(np.array([[5, 6]]), one([0, 1], [], []))["easy"]
    assert nothing.map == 0
    assert nothing.mp_at == {1: 0, 5: 0, 10: 0}


def test_distractors_may_stand_after_the_database() -> None:
    ranks = np.array([[7, 0, 9, 1, 8]])
    assert revisited.evaluate(ranks, one([0], [1], []))["hard"].ap[0] == pytest.approx(1 / 6)


@pytest.mark.parametrize(
    ("ranks", "message"),
    [
        (np.zeros((2, 3), np.int64), r"Q = 1 queries as rows, not int64 \(2, 3\)"),
        (np.zeros(3, np.int64), r"not int64 \(3,\)"),
        (np.zeros((1, 3)), "not float64"),
        (np.array([[0, -1]]), "query 0: -1 is not a database position"),
        (np.array([[0, 1, 0]]), "query 0: a database position stands twice"),
    ],
)
def test_wrong_ranks_are_refused(ranks: np.ndarray[Any, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        revisited.evaluate(ranks, one([0], [], []))


def test_the_old_protocol_and_the_new_are_not_mixed_up(tmp_path: Path) -> None:
    names = {"imlist": ["a", "b", "c"], "qimlist": ["a"]}
    old = parse({**names, "gnd": [{"ok": [0, 2], "junk": [1]}]}, "oxford5k", "old")
    new = parse({**names, "gnd": one([0], [2], [1])}, "roxford5k", "new")
    ranks = np.array([[0, 1, 2]])
    assert list(score_ranks(ranks, old.queries)) == ["classic"]
    assert score_ranks(ranks, old.queries)["classic"].map == 1
    assert list(score_ranks(ranks, new.queries)) == list(PROTOCOLS)
    with pytest.raises(UsageError, match=r"use solar\.evaluation\.retrieval\.metrics\.score_ranks"):
        revisited.evaluate(ranks, old)


@given(st.permutations(range(12)), st.integers(0, 12))
def test_the_places_of_labelled_photos_are_all_that_counts(order: list[int], head: int) -> None:
    truth = parse_queries(one([1, 7], [2, 9], [4]), "here")
    ids = np.array(order)
    known = np.flatnonzero((np.arange(12) < head) | np.isin(ids, truth[0].labelled))
    part = Ranking(ids[known], np.zeros(len(known), np.float32), known)
    whole = revisited.evaluate(ids[None], one([1, 7], [2, 9], [4]))
    for protocol, score in score_rankings([part], truth).items():
        assert score.map == whole[protocol].map and score.mp_at == whole[protocol].mp_at


@given(st.sets(st.integers(0, 40), min_size=1), st.integers(0, 3), st.integers(1, 12))
def test_average_precision_and_precision_at_k_as_defined(
    places: set[int], lost: int, k: int
) -> None:
    rising = np.array(sorted(places))
    wanted = len(places) + lost
    expected = Fraction(0)
    for found, place in enumerate(rising.tolist()):
        before = Fraction(found, place) if place else Fraction(1)
        expected += (before + Fraction(found + 1, place + 1)) / (2 * wanted)
    assert average_precision(rising, wanted) == pytest.approx(float(expected), abs=1e-12)
    reach = min(int(rising[-1]) + 1, k)
    assert precision_at(rising, k) == sum(place < reach for place in places) / reach


def test_precision_recall_by_hand() -> None:
    # Easy stands at places 0 and 3: recall 0.5 with precision 1, recall 1 with precision 1/2.
    score = revisited.evaluate(np.array([[0, 2, 3, 1]]), one([0, 1], [], []))["easy"]
    curve = precision_recall(score)
    assert curve[:51].tolist() == [1.0] * 51
    assert curve[51:].tolist() == [0.5] * 50
    rising = revisited.evaluate(np.array([[2, 0, 1]]), one([0, 1], [], []))["easy"]
    assert precision_recall(rising) == pytest.approx(np.full(101, 2 / 3))
    half = revisited.evaluate(np.array([[0, 2, 3]]), one([0, 1], [], []))["easy"]
    assert precision_recall(half)[[50, 51]].tolist() == [1, 0]
