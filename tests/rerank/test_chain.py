"""Ways by name, and what every one of them keeps to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solar.errors import UsageError
from solar.rerank import WAYS, Reranker, parse_rerank, reach, rerank
from tests.evaluation.fakes import unit_rows
from tests.rerank.arrays import ArrayView


@pytest.mark.parametrize(
    ("text", "features", "names"),
    [
        (None, False, ["support"]),
        (None, True, ["geometric", "support"]),
        ("default", False, ["support"]),
        ("default", True, ["geometric", "support"]),
        ("none", True, []),
        ("geometric,expansion", True, ["geometric", "expansion"]),
        (" expansion , geometric ", False, ["expansion", "geometric"]),
    ],
)
def test_ways_are_asked_for_by_name(text: str | None, features: bool, names: list[str]) -> None:
    assert [way.name for way in parse_rerank(text, features=features)] == names


@pytest.mark.parametrize("text", ["magic", "", "geometric,", "none,geometric", "default,none"])
def test_unknown_ways_are_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(
        UsageError, match=r"--rerank '.*default, or some of geometric, support, exp"
    ):
        parse_rerank(text, features=True)


def test_a_way_stands_once() -> None:
    with pytest.raises(UsageError, match="twice"):
        parse_rerank("geometric,geometric", features=True)


def test_every_way_says_what_it_is() -> None:
    chain = parse_rerank(",".join(WAYS), features=True)
    assert [way.name for way in chain] == list(WAYS)
    assert all(way.description.startswith(f"{way.name}:") for way in chain)
    assert reach(chain) == max(way.first for way in chain)
    assert reach(()) == 0


CHAINS = st.permutations(sorted(WAYS)).map(
    lambda names: parse_rerank(",".join(names), features=True)
)


@given(CHAINS, st.integers(0, 40), st.integers(1, 50), st.integers(0, 2**32 - 1))
def test_any_chain_keeps_each_photo_once_and_scores_the_cosines(
    chain: tuple[Reranker, ...], photos: int, top: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = unit_rows(rng, photos, 8)
    view = ArrayView(unit_rows(rng, 1, 8)[0], rows)
    first = view.search(view.descriptor, top)
    found = rerank(first, view, chain)
    assert found.head == len(found) == min(photos, top)  # ids are unique: a Ranking sees to it
    np.testing.assert_allclose(found.scores, rows[found.ids] @ view.descriptor, atol=1e-6)
    assert rerank(first, view, ()) is first
