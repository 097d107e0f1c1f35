from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from solar.datasets.ground_truth import parse_queries
from solar.errors import SolarError
from solar.evaluation import revisited
from solar.evaluation.retrieval import exact
from solar.evaluation.retrieval.exact import cut, rank
from solar.evaluation.retrieval.metrics import score_rankings
from solar.extraction.shard import on_grid
from solar.ranking import Ranking
from solar.typing import Ids
from tests.evaluation.fakes import unit_rows


def sorted_places(
    queries: NDArray[np.floating], everything: NDArray[np.floating], labelled: Sequence[Ids]
) -> tuple[list[list[int]], NDArray[np.int64]]:
    """What a full stable sort of float64 products says."""
    products = on_grid(queries) @ on_grid(everything).T
    order = np.argsort(-products, axis=1, kind="stable")
    inverse = np.argsort(order, axis=1)
    return [inverse[i][positions].tolist() for i, positions in enumerate(labelled)], order


def places(found: Sequence[Ranking], labelled: Sequence[Ids]) -> list[list[int]]:
    """Of the labelled photos, in their order."""
    by_id = [dict(zip(each.ids.tolist(), each.places.tolist(), strict=True)) for each in found]
    return [[known[i] for i in rows.tolist()] for known, rows in zip(by_id, labelled, strict=True)]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 60),
    st.integers(0, 60),
    st.integers(1, 4),
    st.integers(0, 80),
)
def test_the_places_are_those_of_a_full_stable_sort_with_ties(
    seed: int, size: int, extra: int, queries: int, top: int
) -> None:
    rng = np.random.default_rng(seed)
    # Few different rows, so that most scores are tied, in the database and with distractors.
    rows = unit_rows(rng, 5, 8).astype(np.float16)
    database, distractors = rows[rng.integers(0, 5, size)], rows[rng.integers(0, 5, extra)]
    asked = unit_rows(rng, queries, 8)
    labelled = [
        np.sort(rng.choice(size, rng.integers(0, size + 1), replace=False)) for _ in range(queries)
    ]
    cuts = np.array_split(distractors, 3)
    found = rank(asked, database, labelled, cuts, top=top)
    everything = np.concatenate([database, distractors])
    expected, order = sorted_places(asked, everything, labelled)
    assert places(found, labelled) == expected
    for query, ranking in enumerate(found):
        assert ranking.ids.tolist() == order[query][ranking.places].tolist()
        assert ranking.head >= min(top, size + extra)
        assert set(ranking.ids[ranking.places >= top].tolist()) <= set(labelled[query].tolist())
        np.testing.assert_allclose(
            ranking.scores, (asked[query] @ everything.T)[ranking.ids], atol=1e-3
        )


@pytest.mark.parametrize("block", [64, 100, 8192])
def test_scores_and_places_do_not_depend_on_the_size_of_blocks(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    database, asked = unit_rows(rng, 700, 96), unit_rows(rng, 5, 96)
    database[300:600] = database[:300]
    labelled = [np.arange(0, 700, 7)] * 5
    expected, _ = sorted_places(asked, database, labelled)
    monkeypatch.setattr(exact, "_MAX_BLOCK", block)
    assert places(rank(asked, database, labelled), labelled) == expected


def test_equal_rows_are_ranked_by_where_they_stand() -> None:
    rng = np.random.default_rng(1)
    row, asked = unit_rows(rng, 1, 2048), unit_rows(rng, 70, 2048)
    for ranking in rank(asked, np.repeat(row, 1001, axis=0), [np.empty(0, int)] * 70, top=1001):
        assert ranking.ids.tolist() == list(range(1001))


def test_float32_holds_what_the_grid_holds() -> None:
    rng = np.random.default_rng(6)
    rows = on_grid(unit_rows(rng, 100, 5))
    assert np.array_equal(rows.astype(np.float32), rows)
    half = rows.astype(np.float16)
    assert np.array_equal(on_grid(half), half)
    least = np.array([2**-24, -(2**-24)], np.float16)
    assert np.array_equal(on_grid(least), [2**-24, -(2**-24)])


def test_scores_are_as_close_to_the_product_as_float32_is() -> None:
    rng = np.random.default_rng(2)
    database, asked = unit_rows(rng, 500, 2048), unit_rows(rng, 20, 2048)
    product = asked.astype(np.float64) @ database.astype(np.float64).T
    for ranking, row in zip(rank(asked, database, [np.arange(500)] * 20), product, strict=True):
        assert np.abs(ranking.scores - row[ranking.ids]).max() < 1e-7


def test_fewer_dimensions_are_cut_and_normalised() -> None:
    rng = np.random.default_rng(3)
    database, asked = unit_rows(rng, 300, 64), unit_rows(rng, 4, 64)
    distractors = unit_rows(rng, 50, 64).astype(np.float16)

    def first(rows: NDArray[np.floating]) -> NDArray[np.float64]:
        part = on_grid(rows[:, :10])
        unit: NDArray[np.float64] = part / np.linalg.norm(part, axis=1, keepdims=True)
        return unit

    labelled = [np.arange(0, 300, 3)] * 4
    found = rank(cut(asked, 10), cut(database, 10), labelled, [cut(distractors, 10)])
    everything = np.vstack([first(database), first(distractors)])
    expected, _ = sorted_places(first(asked), everything, labelled)
    assert places(found, labelled) == expected
    assert cut(database, None) is database and cut(database, 64) is database
    with pytest.raises(SolarError, match="no 65 dimensions"):
        cut(database, 65)


@pytest.mark.slow
def test_one_hundred_thousand_distractors_give_the_map_of_a_full_sort() -> None:
    rng = np.random.default_rng(4)
    database, asked = unit_rows(rng, 1000, 32), unit_rows(rng, 20, 32)
    gnd = []
    for query in range(20):
        easy, hard, junk = np.split(rng.choice(1000, 45, replace=False), [15, 30])
        # Easy ones among the first of the ranking, hard ones further down, junk anywhere.
        database[easy] = unit_rows(rng, 15, 32) + asked[query] * rng.uniform(0.5, 6, (15, 1))
        database[hard] = unit_rows(rng, 15, 32) + asked[query] * rng.uniform(0, 1, (15, 1))
        gnd.append({"easy": easy.tolist(), "hard": hard.tolist(), "junk": junk.tolist()})
    database /= np.linalg.norm(database, axis=1, keepdims=True)
    distractors = unit_rows(rng, 100_000, 32).astype(np.float16)
    distractors[500:700] = database[:200]  # near ties
    distractors[700:900] = distractors[500:700]
    truth = parse_queries(gnd, "here")
    blocks = np.array_split(distractors, 25)
    found = rank(asked, database, [query.labelled for query in truth], blocks)
    streamed = score_rankings(found, truth)

    everything = np.concatenate([database, distractors.astype(np.float32)])
    products = on_grid(asked) @ on_grid(everything).T
    whole = revisited.evaluate(np.argsort(-products, axis=1, kind="stable"), gnd)
    for protocol in ("easy", "medium", "hard"):
        assert streamed[protocol].map == pytest.approx(whole[protocol].map, abs=1e-9)
        np.testing.assert_allclose(streamed[protocol].ap, whole[protocol].ap, atol=1e-9)
        assert streamed[protocol].mp_at == pytest.approx(whole[protocol].mp_at, abs=1e-9)
        assert 0.01 < streamed[protocol].map < 0.9


def test_rows_that_are_no_descriptors_are_refused() -> None:
    rng = np.random.default_rng(5)
    asked, database = unit_rows(rng, 2, 8), unit_rows(rng, 9, 8)
    labelled = [np.array([0])] * 2
    for bad in (np.nan, np.inf, 3.0):
        wrong = database.copy()
        wrong[4, 1] = bad
        with pytest.raises(SolarError, match=r"database: row 4 has length .*, descriptors have 1"):
            rank(asked, wrong, labelled)
        with pytest.raises(SolarError, match="distractors, block 1: row 4"):
            rank(asked, database, labelled, [database, wrong])
    with pytest.raises(SolarError, match="the database has 8 dimensions"):
        rank(asked, database, labelled, [unit_rows(rng, 3, 7)])
