"""Query expansion: by hand, its limits, its order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solar.calibration import Calibration, Level, Supported, Weights
from solar.errors import UsageError
from solar.ranking import Evidence, Ranking
from solar.rerank import judged
from solar.rerank.expansion import Expansion, moved
from solar.rerank.geometric import CHANCE, SURE
from tests.evaluation.fakes import unit_rows
from tests.rerank.arrays import ArrayView


def test_by_hand() -> None:
    query = np.array([1.0, 0.0], np.float32)
    neighbours = np.array([[0.6, 0.8], [0.0, 1.0], [-1.0, 0.0]], np.float32)
    expected = np.array([1 + 0.6**3 * 0.6, 0.6**3 * 0.8])
    np.testing.assert_allclose(
        moved(query, neighbours, 3), expected / np.linalg.norm(expected), atol=1e-6
    )


@given(st.integers(0, 20), st.integers(0, 2**32 - 1), st.floats(0, 5))
def test_it_stays_unit_and_near_the_query(count: int, seed: int, alpha: float) -> None:
    rng = np.random.default_rng(seed)
    query = unit_rows(rng, 1, 8)[0]
    found = moved(query, unit_rows(rng, count, 8), alpha)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)
    assert found @ query > 0


def test_it_reaches_what_the_query_alone_does_not_see() -> None:
    """The third view resembles the second, the second the query: a chain."""
    angles = np.array([0.0, 0.5, 1.0, -0.9])
    views = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    view = ArrayView(views[0], views[1:])
    first = view.search(view.descriptor, 2)
    assert first.ids.tolist() == [0, 2]
    found = Expansion(verified=False)(first, view)
    assert found.ids.tolist() == [0, 1]
    np.testing.assert_allclose(found.scores, np.cos(angles[1:3]), atol=1e-6)


def test_it_moves_towards_the_first_hits_in_the_order_it_is_given() -> None:
    rng = np.random.default_rng(0)
    view = ArrayView(unit_rows(rng, 1, 8)[0], unit_rows(rng, 30, 8))
    first = view.search(view.descriptor, 30)
    turned = first.reordered(np.arange(30)[::-1])
    sought = moved(view.descriptor, view.rows[first.ids[-3:]], 1.0)
    expected = view.search(sought, 30).ids
    assert (
        Expansion(first=3, alpha=1.0, verified=False)(turned, view).ids.tolist()
        == expected.tolist()
    )


def test_only_verified_hits_join() -> None:
    rng = np.random.default_rng(3)
    view = ArrayView(unit_rows(rng, 1, 8)[0], unit_rows(rng, 30, 8))
    plain = view.search(view.descriptor, 30)
    assert Expansion()(plain, view) is plain
    good, chance, far = plain.ids[[2, 4, 20]].tolist()
    seen = {good: Evidence(CHANCE + 1), chance: Evidence(CHANCE), far: Evidence(99)}
    first = Ranking.of(plain.ids, plain.scores, seen)
    sought = moved(view.descriptor, view.rows[[good]], 3.0)
    assert Expansion()(first, view).ids.tolist() == view.search(sought, 30).ids.tolist()


def test_where_probability_is_known_it_decides() -> None:
    rows = unit_rows(np.random.default_rng(3), 30, 8)
    weights = Weights(-2.0, 4.0)
    made = Calibration("0" * 64, weights, weights, Supported(), Level(0.0, 0.3, 100))
    view = ArrayView(rows[0], rows[1:], calibration=made)
    plain = view.search(view.descriptor, 30)
    likely = [
        number
        for number, seen in judged(plain.top(10), view).evidence.items()
        if (seen.probability or 0) >= SURE
    ]
    assert 0 < len(likely) < 10
    sought = moved(view.descriptor, view.rows[likely], 3.0)
    assert Expansion()(plain, view).ids.tolist() == view.search(sought, 30).ids.tolist()


def test_evidence_stays_with_its_photo() -> None:
    view = ArrayView(np.array([1.0, 0.0], np.float32), np.eye(2, dtype=np.float32))
    first = Ranking.of(np.array([0, 1]), np.array([1.0, 0.0]), {1: Evidence(9), 7: Evidence(1)})
    assert Expansion(verified=False)(first, view).evidence == {1: Evidence(9)}


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(UsageError, match="expansion: 0 hits"):
        Expansion(first=0)
    with pytest.raises(UsageError, match="alpha -1"):
        Expansion(alpha=-1)
