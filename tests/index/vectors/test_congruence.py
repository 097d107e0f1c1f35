"""What any kind of vectors must do, against sorting all that it keeps in double precision."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from solar.errors import IndexDamaged, IndexFolderError, UsageError
from solar.index.vectors import KINDS, Vectors, kind_named

Found = tuple[NDArray[np.float32], NDArray[np.int64]]
PATIENT = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
EMBEDDED = [name for name in KINDS if name != "milvus"]
"""Kinds whose rows lie in the index folder; `test_milvus` runs these tests over the other."""


@pytest.fixture(params=EMBEDDED)
def kind(request: pytest.FixtureRequest) -> str:
    """One kind after the other."""
    name: str = request.param
    return name


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    scaled: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled.astype(np.float32)


def kept(folder: Path, kind: str, descriptors: NDArray[np.float32], number: int = 1) -> Vectors:
    """Vectors of a kind that hold these rows."""
    count, dimensions = descriptors.shape
    writer = KINDS[kind].write(folder, number, dimensions)
    half = count // 2
    writer.write(0, descriptors[:half])
    writer.write(half, descriptors[half:])
    writer.sync()
    writer.close()
    return KINDS[kind].open(folder, number, dimensions, count)


def by_sorting(
    kind: str,
    queries: NDArray[np.float32],
    descriptors: NDArray[np.float32],
    owners: NDArray[np.int64],
    top: int,
) -> Found:
    alive, descriptors = owners >= 0, KINDS[kind].kept(descriptors)
    scores = np.array(
        [(descriptors[alive] * query.astype(np.float64)).sum(axis=1) for query in queries]
    ).astype(np.float32)
    scores = scores.clip(-1, 1)
    order = np.array([np.lexsort((owners[alive], -row))[:top] for row in scores])
    return np.take_along_axis(scores, order, 1), owners[alive][order]


def compare(found: Found, expected: Found) -> None:
    np.testing.assert_array_equal(found[1], expected[1])
    np.testing.assert_array_equal(found[0], expected[0])


cases = given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 400),
    distinct=st.integers(1, 400),
    top=st.integers(1, 500),
    removed=st.floats(0, 0.9),
)


@cases
@PATIENT
def test_search_is_exact_and_the_lower_id_wins_a_tie(
    kind: str, tmp_path: Path, seed: int, count: int, distinct: int, top: int, removed: float
) -> None:
    search_and_compare(kind, tmp_path, seed, count, distinct, top, removed)


def search_and_compare(
    kind: str, folder: Path, seed: int, count: int, distinct: int, top: int, removed: float
) -> None:
    chance = np.random.default_rng(seed)
    pool = unit(chance.standard_normal((distinct, 12)))
    descriptors = pool[chance.integers(0, distinct, count)]
    owners = chance.permutation(10 * count)[:count].astype(np.int64)
    owners[chance.random(count) < removed] = -1
    if not (owners >= 0).any():
        owners[0] = 3
    queries = np.concatenate([pool[:2], unit(chance.standard_normal((3, 12)))])
    found = kept(folder, kind, descriptors).search(queries, owners, top)
    compare(found, by_sorting(kind, queries, descriptors, owners, top))


def test_long_descriptors_that_hardly_differ_are_ranked(kind: str, tmp_path: Path) -> None:
    chance = np.random.default_rng(2)
    centre = chance.standard_normal(2048)
    descriptors = unit(centre + 1e-4 * chance.standard_normal((3000, 2048)))
    vectors, queries = kept(tmp_path, kind, descriptors), unit(centre[None] + 0)
    scores, ids = by_sorting(kind, queries, descriptors, np.arange(3000), 200)
    for top in (1, 10, 200):
        found = vectors.search(queries, np.arange(3000), top)
        compare(found, (scores[:, :top], ids[:, :top]))


def test_rows_come_back_as_the_kind_keeps_them(kind: str, tmp_path: Path) -> None:
    descriptors = unit(np.random.default_rng(3).standard_normal((50, 8)))
    vectors = kept(tmp_path, kind, descriptors)
    rows = np.array([49, 0, 7, 7])
    np.testing.assert_array_equal(vectors.read(rows), KINDS[kind].kept(descriptors)[rows])
    assert vectors.read(np.array([], np.int64)).shape == (0, 8)
    np.testing.assert_allclose(vectors.lengths(0), 1, atol=2**-11)
    assert vectors.lengths(45).shape == (5,)
    assert len(vectors) == 50


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_lengths_tell_what_is_no_descriptor(kind: str, tmp_path: Path, value: float) -> None:
    descriptors = unit(np.random.default_rng(4).standard_normal((20, 8)))
    descriptors[7, 3] = value
    odd = ~(np.abs(kept(tmp_path, kind, descriptors).lengths(0) - 1) < 1e-3)
    assert np.flatnonzero(odd).tolist() == [7]


def test_nothing_is_found_among_nothing(kind: str, tmp_path: Path) -> None:
    query = np.ones((2, 4), np.float32)
    empty = kept(tmp_path, kind, np.zeros((0, 4), np.float32))
    full = kept(tmp_path, kind, np.ones((3, 4), np.float32), number=2)
    for vectors, owners in ((empty, np.zeros(0, np.int64)), (full, np.full(3, -1))):
        scores, found = vectors.search(query, owners, 5)
        assert scores.shape == found.shape == (2, 0)


def test_what_is_appended_later_is_not_seen(kind: str, tmp_path: Path) -> None:
    descriptors = unit(np.random.default_rng(5).standard_normal((90, 8)))
    before = kept(tmp_path, kind, descriptors[:60])
    answer = before.search(descriptors[:3], np.arange(60), 60)
    writer = KINDS[kind].write(tmp_path, 1, 8)
    writer.write(60, descriptors[60:80])
    writer.write(60, descriptors[60:])  # Again, as after a commit that failed.
    writer.sync()
    writer.prove()
    writer.close()
    compare(before.search(descriptors[:3], np.arange(60), 60), answer)
    after = KINDS[kind].open(tmp_path, 1, 8, 90)
    expected = by_sorting(kind, descriptors[:3], descriptors, np.arange(90), 90)
    compare(after.search(descriptors[:3], np.arange(90), 90), expected)


def test_threads_and_runs_agree_to_the_bit(kind: str, tmp_path: Path) -> None:
    descriptors = unit(np.random.default_rng(6).standard_normal((3000, 64)))
    vectors, owners = kept(tmp_path, kind, descriptors), np.arange(3000)
    expected = vectors.search(descriptors[:40], owners, 20)
    answers: list[Found] = []

    def search(start: int) -> None:
        rows = [vectors.search(descriptors[n : n + 1], owners, 20) for n in range(start, 40, 4)]
        answers.append(vectors.search(descriptors[:40], owners, 20))
        for n, (scores, found) in zip(range(start, 40, 4), rows, strict=True):
            np.testing.assert_array_equal(found[0], expected[1][n])
            np.testing.assert_array_equal(scores[0], expected[0][n])

    threads = [threading.Thread(target=search, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    for answer in answers:
        compare(answer, expected)


def test_files_that_are_short_missing_or_replaced_are_told(kind: str, tmp_path: Path) -> None:
    descriptors = unit(np.random.default_rng(7).standard_normal((20, 8)))
    kept(tmp_path, kind, descriptors)
    with pytest.raises(IndexDamaged, match="cut short"):
        KINDS[kind].open(tmp_path, 1, 8, 21)
    with pytest.raises(FileNotFoundError):
        KINDS[kind].open(tmp_path, 2, 8, 20)
    for file in KINDS[kind].files(tmp_path, 1):
        writer = KINDS[kind].write(tmp_path, 1, 8)
        copy = file.read_bytes()
        file.unlink()
        with pytest.raises(IndexFolderError, match="deleted, moved or replaced"):
            writer.prove()
        file.write_bytes(copy)
        with pytest.raises(IndexFolderError, match="deleted, moved or replaced"):
            writer.prove()
        writer.close()


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="kind round: use exact"):
        kind_named("round")


def test_what_is_kept_of_what_is_kept_is_the_same(kind: str) -> None:
    descriptors = unit(np.random.default_rng(8).standard_normal((200, 33)))
    descriptors[:, 5] *= 1e-6  # As float16, too small for all its digits.
    descriptors = unit(descriptors.astype(np.float64))
    kept_once = KINDS[kind].kept(descriptors)
    np.testing.assert_array_equal(KINDS[kind].kept(kept_once), kept_once)
    largest = np.abs(descriptors).max(axis=1, keepdims=True)
    off = {"exact": 0.0, "float16": 2**-11 * np.abs(descriptors) + 2**-40}
    assert (np.abs(kept_once - descriptors) <= off.get(kind, largest / 127)).all()


def test_a_kind_says_how_many_bytes_it_takes(kind: str, tmp_path: Path) -> None:
    kept(tmp_path, kind, unit(np.random.default_rng(9).standard_normal((50, 8))))
    size = sum(file.stat().st_size for file in KINDS[kind].files(tmp_path, 1))
    rows = getattr(KINDS[kind], "rows", KINDS[kind])  # So few are in no lists.
    assert size == 50 * rows.row_bytes(8)
    assert KINDS[kind].says


def test_any_flip_is_seen_by_reading_or_in_what_is_searched(kind: str, tmp_path: Path) -> None:
    descriptors = unit(np.random.default_rng(10).standard_normal((20, 8)))
    good = kept(tmp_path, kind, descriptors).read(np.arange(20))
    for file in KINDS[kind].files(tmp_path, 1):
        whole = file.read_bytes()
        for place in range(0, len(whole), 7):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
            vectors, rows = KINDS[kind].open(tmp_path, 1, 8, 20), np.arange(20)
            read = (vectors.read(rows) != good).any(axis=1)
            (wrong,) = np.flatnonzero(read | vectors.damaged(rows))
            assert wrong == place * 20 // len(whole)
        file.write_bytes(whole)
