"""Pairs to learn from: of one place, bounded, the same every time, enough to join the place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from solar.datasets.places.places import Places
from solar.whitening.pairs import PAIRS_PER_PLACE, all_pairs, matching_pairs


def places_of(numbers: NDArray[np.int32], pairs: NDArray[np.int64] | None = None) -> Places:
    """Places without photos' paths, which pairs do not depend on."""
    names = [str(number) for number in range(int(numbers.max()) + 1)]
    ends = np.zeros(len(numbers), np.int64)
    return Places(Path(), Path(), numbers, names, pairs, None, b"", ends, None, False)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_each_place_is_gone_round_once(numbers: list[int]) -> None:
    places = np.array(numbers, np.int32)
    pairs = matching_pairs(places_of(places))
    assert (places[pairs[:, 0]] == places[pairs[:, 1]]).all()
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert len({frozenset(pair) for pair in pairs.tolist()}) == len(pairs)
    for place in range(6):
        size = int((places == place).sum())
        of_place = pairs[places[pairs[:, 0]] == place]
        assert len(of_place) == (size if size > 2 else max(size - 1, 0))
        joined = set(of_place[:1].ravel().tolist())
        for _ in range(size):
            joined |= {p for pair in of_place.tolist() if joined & set(pair) for p in pair}
        assert len(joined) == (size if size > 1 else 0)


def test_a_large_place_gives_no_more_than_the_bound() -> None:
    places = np.array([0] * 5000 + [1] * 3, np.int32)
    pairs = matching_pairs(places_of(places))
    assert np.bincount(places[pairs[:, 0]]).tolist() == [PAIRS_PER_PLACE, 3]
    assert pairs.tolist() == matching_pairs(places_of(places)).tolist()
    assert pairs[:, 0].max() > 1000  # from all over the place


def test_pairs_that_the_places_name_are_taken_up_to_the_bound() -> None:
    places = np.array([0] * 40 + [1] * 4, np.int32)
    many = np.array([[a, b] for a in range(40) for b in range(a)])
    few = np.array([[43, 40], [41, 40]])
    pairs = matching_pairs(places_of(places, np.concatenate([many, few])))
    named = set(map(tuple, np.concatenate([many, few]).tolist()))
    assert set(map(tuple, pairs.tolist())) <= named
    assert np.bincount(places[pairs[:, 0]]).tolist() == [PAIRS_PER_PLACE, 2]
    assert len(set(map(tuple, pairs.tolist()))) == len(pairs)


def test_places_of_one_photo_give_none() -> None:
    assert matching_pairs(places_of(np.arange(5, dtype=np.int32))).shape == (0, 2)


def test_all_pairs_are_those_named_or_any_two_of_a_place() -> None:
    places = np.array([0, 1, 0, 0, 2, 1], np.int32)
    pairs = all_pairs(places_of(places))
    assert {frozenset(pair) for pair in pairs.tolist()} == {
        frozenset(pair) for pair in ((0, 2), (0, 3), (2, 3), (1, 5))
    }
    assert len(pairs) == 4
    named = np.array([[0, 2], [0, 2]])
    assert np.array_equal(all_pairs(places_of(places, named)), named)
