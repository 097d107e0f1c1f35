"""Drawing an epoch: pairs of one place, each once, a pool without repeats; wrong input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from solar.errors import UsageError
from solar.training.retrieval.sampling import draw_epoch


def places_of(*numbers: int) -> NDArray[np.int32]:
    return np.array(numbers, np.int32)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(-3, 6), min_size=8, max_size=40),
    st.integers(1, 50),
    st.integers(1, 50),
    st.integers(0, 2**32 - 1),
)
def test_queries_and_positives_share_places_and_nothing_repeats(
    numbers: list[int], queries: int, pool: int, seed: int
) -> None:
    places = places_of(*numbers, 3, 3)
    partnered = sum(np.count_nonzero(places == place) > 1 for place in places)
    draw = draw_epoch(places, None, queries, pool, np.random.default_rng(seed))
    assert len(draw.queries) == len(draw.positives) == min(queries, partnered)
    assert len(set(draw.queries.tolist())) == len(draw.queries)
    assert (draw.queries != draw.positives).all()
    assert (places[draw.queries] == places[draw.positives]).all()
    assert len(set(draw.pool.tolist())) == len(draw.pool) == min(pool, len(places))
    assert {values.dtype for values in (draw.queries, draw.positives, draw.pool)} == {
        np.dtype(np.int64)
    }


def test_every_partnered_photo_and_every_partner_is_equally_likely() -> None:
    places = places_of(5, 8, 5, 9, 5, 8)  # photo 3 is alone
    random = np.random.default_rng(0)
    counts = np.zeros((6, 6), np.int64)
    pooled = np.zeros(6, np.int64)
    for _ in range(6000):
        draw = draw_epoch(places, None, 1, 2, random)
        counts[draw.queries, draw.positives] += 1
        pooled[draw.pool] += 1
    expected = np.zeros((6, 6))
    for query, positives in {0: (2, 4), 2: (0, 4), 4: (0, 2), 1: (5,), 5: (1,)}.items():
        expected[query, list(positives)] = 1200 / len(positives)
    np.testing.assert_allclose(counts, expected, atol=120)
    np.testing.assert_allclose(pooled, 2000, atol=150)


def test_given_pairs_are_drawn_once_each_in_their_direction() -> None:
    places = places_of(0, 0, 0, 1, 1, 2)
    pairs = np.array([[0, 1], [2, 0], [4, 3]])
    draw = draw_epoch(places, pairs, 10, 10, np.random.default_rng(0))
    drawn = np.stack([draw.queries, draw.positives], 1).tolist()
    assert sorted(drawn) == sorted(pairs.tolist())
    assert sorted(draw.pool.tolist()) == [0, 1, 2, 3, 4, 5]
    firsts = [
        int(draw_epoch(places, pairs, 1, 1, np.random.default_rng(seed)).queries[0])
        for seed in range(300)
    ]
    assert min(firsts.count(query) for query in (0, 2, 4)) > 60


def test_a_seed_draws_the_same_and_another_seed_another() -> None:
    places = np.arange(100, dtype=np.int32) // 4
    first, again, other = (
        draw_epoch(places, None, 20, 30, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert first.queries.tolist() == again.queries.tolist() != other.queries.tolist()
    assert first.positives.tolist() == again.positives.tolist()
    assert first.pool.tolist() == again.pool.tolist() != other.pool.tolist()


@pytest.mark.parametrize(
    ("pairs", "queries", "message"),
    [
        (None, 5, "none of the 3 photos shares its place"),
        (np.empty((0, 2), np.int64), 5, "pairs"),
        (np.array([[0, 1, 2]]), 5, "pairs"),
        (np.array([[0, 3]]), 5, "photos 0 to 3 of 3"),
        (np.array([[-1, 0]]), 5, "photos -1 to 0 of 3"),
        (np.array([[1, 1], [0, 1]]), 5, r"pair 1: \[0, 1\] show two"),
        (None, 0, "0 queries"),
    ],
)
def test_wrong_input_is_named(pairs: NDArray[np.int64] | None, queries: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        draw_epoch(places_of(0, 1, 2), pairs, queries, 2, np.random.default_rng(0))
