"""Exact search, against sorting everything in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from solar.index.vectors import exact as search
from solar.index.vectors.exact import FaissSearcher

Found = tuple[NDArray[np.float32], NDArray[np.int64]]


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    scaled: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled.astype(np.float32)


def by_sorting(
    queries: NDArray[np.float32],
    descriptors: NDArray[np.float32],
    ids: NDArray[np.int64],
    top: int,
) -> Found:
    alive = ids >= 0
    scores = np.array(
        [(descriptors[alive] * query.astype(np.float64)).sum(axis=1) for query in queries]
    ).astype(np.float32)
    order = np.array([np.lexsort((ids[alive], -row))[:top] for row in scores])
    return np.take_along_axis(scores, order, 1), ids[alive][order]


def compare(found: Found, expected: Found) -> None:
    np.testing.assert_array_equal(found[1], expected[1])
    np.testing.assert_array_equal(found[0], expected[0])


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 400),
    distinct=st.integers(1, 400),
    top=st.integers(1, 500),
    removed=st.floats(0, 0.9),
)
@settings(deadline=None, max_examples=150)
def test_it_is_exact_and_the_lower_id_wins_a_tie(
    seed: int, count: int, distinct: int, top: int, removed: float
) -> None:
    chance = np.random.default_rng(seed)
    pool = unit(chance.standard_normal((distinct, 12)))
    descriptors = pool[chance.integers(0, distinct, count)]
    ids = chance.permutation(10 * count)[:count].astype(np.int64)
    ids[chance.random(count) < removed] = -1
    if not (ids >= 0).any():
        ids[0] = 3
    queries = np.concatenate([pool[:2], unit(chance.standard_normal((3, 12)))])
    found = FaissSearcher().search(queries, descriptors, ids, top)
    compare(found, by_sorting(queries, descriptors, ids, top))


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(1)
    descriptors = unit(chance.standard_normal((5000, 32)))
    descriptors[700:900] = descriptors[4000]
    ids = np.arange(5000)
    ids[1000:2100] = -1
    queries = np.concatenate([unit(chance.standard_normal((30, 32))), descriptors[4000:4001]])
    whole = FaissSearcher().search(queries, descriptors, ids, 50)
    monkeypatch.setattr(search, "_BLOCK_BYTES", 32 * 4 * 333)
    compare(FaissSearcher().search(queries, descriptors, ids, 50), whole)
    compare(whole, by_sorting(queries, descriptors, ids, 50))


def test_long_descriptors_that_hardly_differ_are_ranked_exactly() -> None:
    chance = np.random.default_rng(2)
    centre = chance.standard_normal(2048)
    descriptors = unit(centre + 1e-4 * chance.standard_normal((3000, 2048)))
    queries = unit(centre[None] + 0)
    for top in (1, 10, 200):
        found = FaissSearcher().search(queries, descriptors, np.arange(3000), top)
        compare(found, by_sorting(queries, descriptors, np.arange(3000), top))


def test_an_empty_database_finds_nothing() -> None:
    for ids in (np.full(3, -1), np.zeros(0, np.int64)):
        descriptors = np.ones((len(ids), 4), np.float32)
        scores, found = FaissSearcher().search(np.ones((2, 4), np.float32), descriptors, ids, 5)
        assert scores.shape == found.shape == (2, 0)
