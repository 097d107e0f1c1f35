"""Candidates from float16 rows: that none is missed, and what a search reads and calls."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from solar.index.vectors import KINDS, _ranking, _scan, exact
from solar.index.vectors._best import Best
from solar.index.vectors._rows import SCALE, UNSCALED, Unpacked, halves_of
from solar.index.vectors.exact import ExactVectors
from tests.index.vectors.test_congruence import EMBEDDED, by_sorting, compare, kept, unit

WAYS = pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
Floats = NDArray[np.float32]


@pytest.fixture
def way(large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a large index, in many blocks and threads, or as in a small one."""
    if large:
        monkeypatch.setattr(_scan, "_SMALL", 0)
        monkeypatch.setattr(_scan, "cores", lambda: 3)
        monkeypatch.setattr(_scan, "_BLOCK", 0)


@WAYS
@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("kind", EMBEDDED)
@pytest.mark.parametrize("queries", [1, 3, 31])
def test_parts_threads_and_dead_rows_change_nothing(
    kind: str, queries: int, tmp_path: Path
) -> None:
    chance = np.random.default_rng(1)
    descriptors = unit(chance.standard_normal((5000, 32)))
    descriptors[700:900] = descriptors[4000]  # More than are asked for.
    owners = chance.permutation(5000)
    owners[1000:2100] = -1
    asked = np.concatenate([descriptors[4000:4001], unit(chance.standard_normal((30, 32)))])
    asked = asked[:queries]
    found = kept(tmp_path, kind, descriptors).search(asked, owners, 50)
    compare(found, by_sorting(kind, asked, descriptors, owners, 50))


def cunning(seed: int, count: int) -> tuple[Floats, Floats]:
    """Unit rows that rounding to float16 puts in the wrong order, and the query they are for.

    Half of a row's numbers count for the query, of its signs. In good rows all of these are rounded
    down; in bad ones half are, by nearly as much, rounded up and the others are float16 already.
    """
    chance = np.random.default_rng(seed)
    good = chance.random((count, 1)) < 0.5
    other = np.where(np.arange(8) < 4, 0.51, 0)
    parts = np.where(good, 0.49, other) + 0.005 * chance.random((count, 8))
    numbers = (1024 + chance.integers(0, 2, (count, 1)) + parts * (parts > 0.4)) / 8192
    rest = chance.standard_normal((count, 8))
    rest *= np.sqrt(1 - (numbers**2).sum(1, keepdims=True)) / np.linalg.norm(rest, axis=1)[:, None]
    signs = chance.choice([-1.0, 1.0], 8)
    query = unit(np.concatenate([signs, np.zeros(8)])[None])
    return np.concatenate([numbers * signs, rest], axis=1).astype(np.float32), query


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 800), top=st.integers(1, 90))
@settings(deadline=None, max_examples=150)
def test_rounding_that_conspires_hides_no_row(seed: int, count: int, top: int) -> None:
    descriptors, query = cunning(seed, count)
    vectors, owners = ExactVectors(descriptors, halves_of(descriptors)), np.arange(count)
    compare(
        vectors.search(query, owners, top), by_sorting("exact", query, descriptors, owners, top)
    )


def test_without_the_margin_it_would(monkeypatch: pytest.MonkeyPatch) -> None:
    descriptors, query = cunning(0, 800)
    vectors, owners = ExactVectors(descriptors, halves_of(descriptors)), np.arange(800)
    monkeypatch.setattr(exact, "margin", lambda queries, off: np.zeros(1, np.float32))
    _, found = vectors.search(query, owners, 50)
    assert (found != by_sorting("exact", query, descriptors, owners, 50)[1]).any()


@given(
    seed=st.integers(0, 2**32 - 1),
    dimensions=st.sampled_from([1, 2, 3, 16, 100, 2048]),
    size=st.integers(-60, 0),
    rounded=st.booleans(),
)
@settings(deadline=None, max_examples=settings().max_examples * 3 // 2)
def test_no_rough_score_is_further_off_than_the_margin_says(
    seed: int, dimensions: int, size: int, rounded: bool
) -> None:
    chance = np.random.default_rng(seed)
    spread = np.ldexp(1.0, chance.integers(size, 1, (40, dimensions)))  # Some far too small.
    descriptors = unit(chance.choice([-1, 1], (40, dimensions)) * (1 + chance.random()) * spread)
    queries = unit(np.sign(descriptors) + chance.random((40, dimensions)))
    halves = halves_of(descriptors)
    kept_rows = descriptors if rounded else KINDS["float16"].kept(descriptors)
    true = kept_rows.astype(np.float64) @ queries.astype(np.float64).T
    alive = np.ones(40, np.bool_)
    errors = _ranking.margin(queries, _ranking.ROUNDED if rounded else 0.0)
    for query, (rows, rough) in enumerate(_scan.best(queries, halves, alive, 40)):
        assert (np.abs(rough - true[rows, query]) <= errors[query]).all()


def test_rows_are_unpacked_as_numpy_converts_them() -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16).reshape(64, 1024)
    finite = np.isfinite(every)
    unpacked = Unpacked(every, 40)
    rows = np.concatenate([unpacked(0, 40).copy(), unpacked(40, 64)]) * UNSCALED * SCALE
    np.testing.assert_array_equal(rows[finite], every.astype(np.float32)[finite])
    assert (np.abs(rows[~finite]) >= 2**16).all()


@given(
    products=st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=50),
    queries=st.integers(1, 4),
    reach=st.integers(1, 9),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_best_of_many_are_those_of_a_full_sort(
    products: list[float], queries: int, reach: int, seed: int
) -> None:
    chance = np.random.default_rng(seed)
    table = chance.choice(np.array(products, np.float32), (60, queries))
    best = Best(np.full(queries, -np.inf, np.float32), reach)
    for start in range(0, 60, 7):
        best.add(table[start : start + 7], start)
    for query, (rows, found) in enumerate(best.found()):
        column = np.sort(table[:, query])[::-1]
        expected = column[column > -np.inf][:reach]
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(table[rows, query], found)
        assert len(set(rows.tolist())) == len(rows)


class Counted:
    """FAISS, of which everything that is used is counted."""

    def __init__(self) -> None:
        self.faiss, self.calls = _scan.faiss_here(), Counter[str]()

    def __getattr__(self, name: str) -> Any:
        self.calls[name] += 1
        return getattr(self.faiss, name)


def test_what_a_search_of_a_large_index_reads_and_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guard of speed that no other work on the machine disturbs."""
    count, dimensions = 100_000, 96
    descriptors = unit(np.random.default_rng(0).standard_normal((count, dimensions)))
    vectors, owners = kept(tmp_path, "exact", descriptors), np.arange(count)
    assert isinstance(vectors, ExactVectors)
    assert vectors._halves.dtype == np.float16 and vectors._halves.nbytes == 2 * descriptors.size
    faiss, read, unpacked = Counted(), [0], [0]

    def counted_read(rows: NDArray[np.int64]) -> Floats:
        read.append(len(rows))
        return descriptors[rows]

    class CountedUnpacked(Unpacked):
        def __call__(self, start: int, stop: int) -> Floats:
            unpacked.append(stop - start)
            return super().__call__(start, stop)

    monkeypatch.setattr(_scan, "faiss_here", lambda: faiss)
    monkeypatch.setattr(_scan, "cores", lambda: 2)
    monkeypatch.setattr(vectors, "read", counted_read)
    monkeypatch.setattr(_scan, "Unpacked", CountedUnpacked)
    vectors.search(descriptors[:1], owners, 10)
    few = faiss.calls.copy()
    assert few["IndexScalarQuantizer"] == 16 and few["LinearTransform"] == 0
    assert sum(unpacked) == 0 and 10 <= sum(read) <= 42
    vectors.search(descriptors[:50], owners, 10)
    many = faiss.calls - few
    assert many["IndexScalarQuantizer"] == 0 and many["LinearTransform"] == 1
    assert sum(unpacked) == count and len(unpacked) - 1 <= 2 + count * dimensions / (1 << 18)
