"""The one value that search, re-ranking, metrics and pages pass on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solar.errors import UsageError
from solar.ranking import Evidence, Ranking
from solar.typing import Ids


def ids(*numbers: int) -> Ids:
    return np.array(numbers, np.int64)


def scores(count: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.linspace(1, 0, count, dtype=np.float32)


@st.composite
def rankings(draw: st.DrawFn) -> tuple[Ranking, list[int]]:
    """What is known of a full ranking: its first photos, and labelled ones further down."""
    full = draw(st.permutations(range(draw(st.integers(0, 30)))))
    head = draw(st.integers(0, len(full)))
    kept = [place for place in range(len(full)) if place < head or draw(st.booleans())]
    known = Ranking(ids(*(full[place] for place in kept)), scores(len(full))[kept], ids(*kept))
    return known, full


@given(rankings(), st.data())
def test_any_order_keeps_each_photo_once_and_all_beyond_in_place(
    drawn: tuple[Ranking, list[int]], data: st.DataObject
) -> None:
    ranking, full = drawn
    first = data.draw(st.integers(0, ranking.head))
    order = data.draw(st.permutations(range(first)))
    chosen = {full[0]: Evidence(3)} if first else {}
    moved = ranking.reordered(order, chosen)
    assert moved.ids[:first].tolist() == [full[position] for position in order]
    assert moved.ids[first:].tolist() == ranking.ids[first:].tolist()
    assert sorted(moved.ids.tolist()) == sorted(ranking.ids.tolist())
    assert moved.places.tolist() == ranking.places.tolist()
    assert dict(moved.evidence) == chosen
    by_id = dict(zip(ranking.ids.tolist(), ranking.scores.tolist(), strict=True))
    assert [by_id[number] for number in moved.ids.tolist()] == moved.scores.tolist()
    # Back in the old order, nothing has changed.
    back = moved.reordered(np.argsort(order))
    assert back.ids.tolist() == ranking.ids.tolist()
    assert back.scores.tolist() == ranking.scores.tolist()


@given(rankings(), st.sets(st.integers(0, 35)), st.integers(0, 40))
def test_places_are_those_in_the_full_ranking(
    drawn: tuple[Ranking, list[int]], wanted: set[int], count: int
) -> None:
    ranking, full = drawn
    known = set(ranking.ids.tolist())
    expected = [place for place, number in enumerate(full) if number in wanted & known]
    assert ranking.places_of(ids(*wanted)).tolist() == expected
    top = ranking.top(count)
    assert top.ids.tolist() == full[: min(count, ranking.head)]
    assert top.head == len(top)


def test_the_top_keeps_the_evidence_of_its_own_photos() -> None:
    found = Ranking.of(ids(7, 3, 5), scores(3), {3: Evidence(4, ((0, 0, 1, 1),)), 5: Evidence(9)})
    assert dict(found.top(2).evidence) == {3: Evidence(4, ((0, 0, 1, 1),))}


@pytest.mark.parametrize(
    ("numbers", "values", "places", "message"),
    [
        (ids(1, 1), scores(2), ids(0, 1), "each once"),
        (np.array([0.5]), scores(1), ids(0), "whole numbers"),
        (ids(1)[None], scores(1), ids(0), "whole numbers"),
        (ids(1, 2), scores(1), ids(0, 1), "as many scores and places"),
        (ids(1, 2), scores(2), ids(0), "as many scores and places"),
        (ids(1, 2), scores(2), ids(1, 1), "rise from 0"),
        (ids(1, 2), scores(2), ids(-1, 1), "rise from 0"),
    ],
)
def test_what_is_no_ranking_is_refused(
    numbers: Ids, values: np.ndarray[tuple[int], np.dtype[np.float32]], places: Ids, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        Ranking(numbers, values, places)


@pytest.mark.parametrize("order", [[0, 0], [1], [0, 1, 2], [-1, 0]])
def test_an_order_of_other_photos_is_refused(order: list[int]) -> None:
    gap = Ranking(ids(4, 5, 6), scores(3), ids(0, 1, 9))
    with pytest.raises(UsageError, match="each of the first photos once"):
        gap.reordered(order)


PARTS = st.floats(0, 1, exclude_max=True)


@given(st.lists(st.tuples(PARTS, PARTS, PARTS, PARTS), max_size=30))
def test_inliers_count_as_apart_once_a_cell(lines: list[tuple[float, ...]]) -> None:
    drawn = [(a, b, c, d) for a, b, c, d in lines]
    apart = Evidence(len(drawn), tuple(drawn)).apart
    ends = [{(int(8 * x), int(8 * y)) for x, y in each} for each in (
        [(a, b) for a, b, _, _ in drawn], [(c, d) for _, _, c, d in drawn])]  # fmt: skip
    assert apart == min(map(len, ends))


def test_a_strip_counts_less_than_a_wall_and_nothing_is_not_none() -> None:
    strip = tuple((n / 24, 0.95, n / 24, 0.95) for n in range(24))
    wall = tuple((n % 5 / 5, n // 5 / 5, n % 5 / 5, n // 5 / 5) for n in range(24))
    assert (Evidence(24, strip).apart, Evidence(24, wall).apart) == (8, 24)
    assert (Evidence().apart, Evidence(0).apart) == (None, 0)
