"""Pairs as lines of JSON, and the places that follow from them."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solar.datasets.places.places import open_places, read_places
from solar.errors import UsageError


def write(folder: Path, pairs: list[tuple[str, str]]) -> Path:
    path = folder / "pairs.jsonl"
    lines = (json.dumps({"query": query, "positive": positive}) for query, positive in pairs)
    path.write_text("\n".join(lines))
    return path


def test_joined_photos_show_one_place(tmp_path: Path) -> None:
    pairs = [("a.jpg", "b.jpg"), ("x/c.jpg", "d.jpg"), ("e.jpg", "b.jpg"), ("f.jpg", "g.jpg")]
    places = open_places(write(tmp_path, [*pairs, ("g.jpg", "x/c.jpg")]))
    assert [places.path(n).name for n in range(len(places))] == [f"{x}.jpg" for x in "abcdefg"]
    assert places.path(2) == tmp_path / "x" / "c.jpg"
    assert places.places.tolist() == [0, 0, 1, 1, 0, 1, 1]
    assert places.names == ("a.jpg", "x/c.jpg")
    assert places.pairs is not None
    assert places.pairs.tolist() == [[0, 1], [2, 3], [4, 1], [5, 6], [6, 2]]
    assert places.rows is not None and places.rows.tolist() == [1, 1, 2, 2, 3, 4, 4]


EDGES = st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), min_size=1, max_size=20)


@given(EDGES)
def test_places_are_the_connected_components(
    tmp_path_factory: pytest.TempPathFactory, edges: list[tuple[int, int]]
) -> None:
    once = list({tuple(sorted(edge)): edge for edge in edges if edge[0] != edge[1]}.values())
    source = write(tmp_path_factory.mktemp("graph"), [(f"{a}.jpg", f"{b}.jpg") for a, b in once])
    places, problems = read_places(source)
    assert problems.count == 0
    reached = np.eye(16, dtype=bool)
    for a, b in once:
        reached[a, b] = reached[b, a] = True
    for _ in range(4):  # paths of up to 16 steps
        reached = reached @ reached
    photos = [int(places.path(number).stem) for number in range(len(places))]
    assert sorted(photos) == sorted({photo for edge in once for photo in edge})
    same = places.places[:, None] == places.places[None]
    assert np.array_equal(same, reached[np.ix_(photos, photos)])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a.jpg,b.jpg", "not a line of JSON"),
        ("[" * 100_000, "not a line of JSON"),
        ('["a.jpg", "b.jpg"]', "not an object"),
        ('{"query": "a.jpg"}', "no text 'positive'"),
        ('{"query": 7, "positive": "b.jpg"}', "no text 'query'"),
        ('{"query": "a.jpg", "positive": "../b.jpg"}', "leads out of the photos' folder"),
        ('{"query": "/a.jpg", "positive": "b.jpg"}', "absolute path"),
        ('{"query": "a.jpg", "positive": "./a.jpg"}', "a pair of a photo with itself"),
        ('{"query": "b.jpg", "positive": "a.jpg"}', "the same pair as in row 1"),
        (r'{"query": "a\u0000.jpg", "positive": "b.jpg"}', "not the path of a photo"),
        (r'{"query": "a\ud800.jpg", "positive": "b.jpg"}', "surrogates not allowed"),
    ],
)
def test_a_wrong_line_is_named(line: str, reason: str, tmp_path: Path) -> None:
    source = write(tmp_path, [("a.jpg", "b.jpg")])
    source.write_text(f"{source.read_text()}\n\n{line}\n")
    with pytest.raises(UsageError) as caught:
        open_places(source)
    assert f"{source}: row 3: " in str(caught.value) and reason in str(caught.value)
    assert "\n" not in str(caught.value)
