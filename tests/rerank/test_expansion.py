"""Query expansion: by hand, its limits, its order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from solar.errors import UsageError
from solar.rerank.expansion import expand, rank_expanded


def unit(count: int, dimensions: int, seed: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(count, dimensions))
    unit_rows: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(
        np.float32
    )
    return unit_rows


def test_by_hand() -> None:
    query = np.array([[1.0, 0.0]], np.float32)
    database = np.array([[0.6, 0.8], [0.0, 1.0], [-1.0, 0.0]], np.float32)
    moved = np.array([1 + 0.6**3 * 0.6, 0.6**3 * 0.8])
    np.testing.assert_allclose(
        expand(query, database, neighbours=2, alpha=3)[0], moved / np.linalg.norm(moved), atol=1e-6
    )


@given(st.integers(1, 20), st.integers(1, 30), st.floats(0, 5))
def test_rows_stay_unit_and_near_their_query(count: int, neighbours: int, alpha: float) -> None:
    queries, database = unit(4, 8, 1), unit(count, 8, count)
    moved = expand(queries, database, neighbours, alpha)
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1, atol=1e-5)
    assert ((moved * queries).sum(1) > 0).all()


def test_it_reaches_what_the_query_alone_does_not_see() -> None:
    """The third view resembles the second, the second the query: a chain."""
    angles = np.array([0.0, 0.5, 1.0, -0.9])
    views = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    queries, database = views[:1], views[1:]
    assert np.argsort(-(queries @ database.T))[0].tolist() == [0, 2, 1]
    assert rank_expanded(queries, database)[0].tolist() == [0, 1, 2]


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(UsageError, match="query expansion"):
        expand(unit(1, 4, 0), unit(2, 4, 1), neighbours=0)
