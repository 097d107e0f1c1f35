"""Communities: what one false link does not join."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from solar.collection._communities import components, vouched
from solar.typing import Ids


def graph(*pairs: tuple[int, int]) -> Ids:
    return np.array(pairs, np.int64).reshape(-1, 2)


NONE = np.empty(0, np.int64)


def clique(*photos: int) -> list[tuple[int, int]]:
    return list(combinations(photos, 2))


def test_one_false_link_does_not_join_two_places() -> None:
    two = [*clique(0, 1, 2), *clique(3, 4, 5, 6)]
    for false in ([(2, 3)], [(2, 3), (1, 5)], [(0, 3), (1, 4), (2, 5)]):
        pairs = graph(*two, *false)
        every = np.arange(len(pairs))
        assert vouched(7, pairs, every) == [[3, 4, 5, 6], [0, 1, 2]]
        assert components(7, pairs) == [[0, 1, 2, 3, 4, 5, 6]]
    # where a third photo says the same, it is the same
    assert vouched(7, graph(*two, (2, 3), (2, 4)), NONE) == [[0, 1, 2, 3, 4, 5, 6]]


def test_a_lone_link_counts_if_it_is_sure() -> None:
    pairs = graph(*clique(0, 1, 2), (2, 3), (4, 5))
    assert vouched(6, pairs, NONE) == [[0, 1, 2], [3], [4], [5]]
    assert vouched(6, pairs, np.array([3, 4])) == [[0, 1, 2, 3], [4, 5]]
    # one that has another link is not alone: a chain of sure links joins no farther
    chain = graph((0, 1), (1, 2), (2, 3))
    assert vouched(4, chain, np.arange(3)) == [[0, 1], [2, 3]]


@given(st.integers(1, 12), st.data())
def test_communities_part_the_photos_and_refine_components(count: int, data: st.DataObject) -> None:
    every = list(combinations(range(count), 2))
    chosen = data.draw(st.lists(st.sampled_from(every), unique=True)) if every else []
    pairs = graph(*chosen)
    found = vouched(count, pairs, np.arange(len(pairs)))
    assert sorted(photo for group in found for photo in group) == list(range(count))
    assert [len(group) for group in found] == sorted(map(len, found), reverse=True)
    whole = components(count, pairs)
    assert all(any(set(group) <= set(other) for other in whole) for group in found)
    assert vouched(count, pairs[::-1, ::-1], np.arange(len(pairs))) == found
