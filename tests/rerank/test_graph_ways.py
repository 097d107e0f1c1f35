"""The ways that look at a graph of hits: each against its formula, written with loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from solar.calibration import Calibration, Level, Supported, Weights
from solar.errors import UsageError
from solar.ranking import Evidence, Ranking
from solar.rerank import Reranker, judged, rerank
from solar.rerank.diffusion import Diffusion
from solar.rerank.kreciprocal import KReciprocal
from solar.rerank.superglobal import SuperGlobal
from solar.rerank.support import Support
from solar.typing import Descriptors
from tests.evaluation.fakes import unit_rows
from tests.rerank.arrays import ArrayView

Scores = NDArray[np.float64]
COUNTS, SEEDS = st.integers(2, 30), st.integers(0, 2**32 - 1)


def clustered(seed: int, count: int) -> ArrayView:
    """A query and photos of a few places: neighbours are mutual now and then."""
    rng = np.random.default_rng(seed)
    centres = unit_rows(rng, 4, 12)
    rows = centres[rng.integers(0, 4, count + 1)] + 0.25 * rng.standard_normal((count + 1, 12))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return ArrayView(rows[0], rows[1:])


def nearest(similar: Sequence[float], count: int, without: int = -1) -> list[int]:
    """Positions of the largest."""
    others = [position for position in range(len(similar)) if position != without]
    return sorted(others, key=lambda position: (-similar[position], position))[:count]


def spreading(rows: Scores, neighbours: int, gamma: float) -> Scores:
    """S of rows (N, D), by loops."""
    count = len(rows)
    near = [nearest((rows @ row).tolist(), neighbours, i) for i, row in enumerate(rows)]
    affinity = np.zeros((count, count))
    for i in range(count):
        for j in near[i]:
            if i in near[j]:
                affinity[i, j] = max(float(rows[i] @ rows[j]), 0) ** gamma
    sums = affinity.sum(axis=1)
    scale = np.diag([1 / np.sqrt(each) if each else 0 for each in sums])
    return np.asarray(scale @ affinity @ scale)


def diffused(way: Diffusion, query: Scores, rows: Scores) -> Scores:
    """(I - alpha S) f = (1 - alpha) y, solved densely."""
    seeds = np.zeros(len(rows))
    for i in nearest((rows @ query).tolist(), way.seeds):
        seeds[i] = max(float(rows[i] @ query), 0) ** way.gamma
    system = np.eye(len(rows)) - way.alpha * spreading(rows, way.neighbours, way.gamma)
    return np.asarray(np.linalg.solve(system, (1 - way.alpha) * seeds), np.float64)


def refined(way: SuperGlobal, query: Scores, rows: Scores) -> Scores:
    """The mean of two similarities of refined descriptors."""
    better = []
    for i, row in enumerate(rows):
        total, weight = row.copy(), 1.0
        for j in nearest((rows @ row).tolist(), way.neighbours, i):
            each = way.beta * max(float(row @ rows[j]), 0)
            total, weight = total + each * rows[j], weight + each
        better.append(total / weight)
    direct = [float(query @ each) for each in better]
    first = [better[i] for i in nearest(direct, way.neighbours + 1)]
    expanded = np.max(first, axis=0)
    return np.array([(a + float(expanded @ b)) / 2 for a, b in zip(direct, better, strict=True)])


def encoded(way: KReciprocal, query: Scores, rows: Scores) -> Scores:
    """Minus the distance of k-reciprocal encoding, by sets."""
    every = np.concatenate([query[None], rows])
    count = len(every)
    squares = np.maximum(2 - 2 * every @ every.T, 0)
    np.fill_diagonal(squares, 0)
    distance = squares / np.maximum(squares.max(axis=1, keepdims=True), 1e-12)

    def near(i: int, k: int) -> list[int]:
        return [i, *nearest((-squares[i]).tolist(), k - 1, i)]

    def mutual(i: int, k: int) -> set[int]:
        return {j for j in near(i, k + 1) if i in near(j, k + 1)}

    weights = np.zeros((count, count))
    for i in range(count):
        found = mutual(i, way.k1)
        for j in sorted(found):
            inner = mutual(j, round(way.k1 / 2))
            if 3 * len(inner & mutual(i, way.k1)) > 2 * len(inner):
                found = found | inner
        for j in found:
            weights[i, j] = np.exp(-distance[i, j])
    weights /= weights.sum(axis=1, keepdims=True)
    averaged = np.array([weights[near(i, way.k2)].mean(axis=0) for i in range(count)])
    jaccard = [
        1 - np.minimum(averaged[0], each).sum() / np.maximum(averaged[0], each).sum()
        for each in averaged[1:]
    ]
    return np.asarray(-((1 - way.weight) * np.array(jaccard) + way.weight * distance[0, 1:]))


def falls(scores: Scores) -> bool:
    """Whether scores come best first; equal ones in single precision may come in any order."""
    return bool((np.diff(scores) <= 2e-5 * max(1, np.abs(scores).max())).all())


@given(COUNTS, SEEDS, st.integers(1, 8), st.integers(1, 6), st.floats(0, 0.99), st.integers(1, 4))
def test_diffusion_solves_its_system(
    count: int, seed: int, neighbours: int, seeds: int, alpha: float, gamma: int
) -> None:
    view = clustered(seed, count)
    way = Diffusion(neighbours=neighbours, seeds=seeds, alpha=alpha, gamma=gamma)
    expected = diffused(way, view.descriptor.astype(float), view.rows.astype(float))
    first = view.search(view.descriptor, count)
    found = way(first, view)
    assert falls(expected[found.ids])
    assert sorted(found.ids.tolist()) == list(range(count))


@given(COUNTS, SEEDS, st.integers(1, 8), st.floats(0, 0.99), st.integers(1, 4))
def test_support_is_a_walk_from_what_is_known(
    count: int, seed: int, neighbours: int, alpha: float, gamma: int
) -> None:
    rows = clustered(seed, count).rows
    known = np.random.default_rng(seed).random(count)
    found = Support(neighbours=neighbours, alpha=alpha, gamma=gamma).lent(rows, known)
    step, total, moved = spreading(rows.astype(float), neighbours, gamma), known**2, known**2
    for _ in range(3000):  # The series of (I - alpha S)^-1.
        moved = alpha * step @ moved
        total = total + moved
    np.testing.assert_allclose(found, total, rtol=1e-4, atol=1e-5)


CALIBRATION = Calibration(
    "f", Weights(-6, 8.0), Weights(-6, 8.0, 1.0), Supported(-0.5, 0.9), Level(0.0, 0.3, 100)
)


def test_order_and_probability_follow_support_and_nothing_moves_without_calibration() -> None:
    view = clustered(3, 30)
    first = view.search(view.descriptor, 30)
    assert Support()(first, view) is first
    found = rerank(first, replace(view, calibration=CALIBRATION), [Support(first=20)])
    said = [found.evidence[number].probability or 0.0 for number in found.ids.tolist()]
    assert said[:20] == sorted(said[:20], reverse=True)
    alone = judged(first, replace(view, calibration=CALIBRATION))
    assert {n: e.support for n, e in alone.evidence.items()} == dict.fromkeys(range(30))
    assert found.ids[:20].tolist() != first.ids[:20].tolist()
    assert found.ids[20:].tolist() == first.ids[20:].tolist()


@given(COUNTS, SEEDS, st.integers(0, 8), st.floats(0, 2))
def test_superglobal_refines_as_its_formula(
    count: int, seed: int, neighbours: int, beta: float
) -> None:
    view = clustered(seed, count)
    way = SuperGlobal(neighbours=neighbours, beta=beta)
    expected = refined(way, view.descriptor.astype(float), view.rows.astype(float))
    found = way(view.search(view.descriptor, count), view)
    assert falls(expected[found.ids])


@given(COUNTS, SEEDS, st.integers(1, 12), st.integers(1, 6), st.floats(0, 1))
def test_k_reciprocal_compares_sets(count: int, seed: int, k1: int, k2: int, weight: float) -> None:
    view = clustered(seed, count)
    way = KReciprocal(k1=k1, k2=k2, weight=weight)
    expected = encoded(way, view.descriptor.astype(float), view.rows.astype(float))
    found = way(view.search(view.descriptor, count), view)
    assert falls(expected[found.ids])


WAYS: list[Reranker] = [Diffusion(first=6), SuperGlobal(first=6), KReciprocal(first=6)]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_only_the_first_hits_move_and_keep_what_is_known_of_them(way: Reranker) -> None:
    view = clustered(1, 12)
    first = view.search(view.descriptor, 12)
    seen = Evidence(9)
    found = way(Ranking.of(first.ids, first.scores, {int(first.ids[5]): seen}), view)
    assert sorted(found.ids[:6].tolist()) == sorted(first.ids[:6].tolist())
    assert found.ids[6:].tolist() == first.ids[6:].tolist()
    np.testing.assert_allclose(found.scores, view.rows[found.ids] @ view.descriptor, atol=1e-6)
    assert found.evidence == {int(first.ids[5]): seen}


def test_photos_that_are_connected_come_before_one_that_is_only_alike() -> None:
    """Views along a walk, each near the next; a stranger is nearer to the query than the last."""
    angles = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    walk = np.stack([np.cos(angles), np.sin(angles), 0 * angles], 1)
    stranger = np.array([[np.cos(0.9), 0.0, np.sin(0.9)]])
    rows: Descriptors = np.concatenate([walk[1:], stranger]).astype(np.float32)
    view = ArrayView(walk[0].astype(np.float32), rows)
    first = view.search(view.descriptor, 5)
    assert first.ids.tolist() == [0, 1, 2, 4, 3]
    assert Diffusion(neighbours=2, seeds=1)(first, view).ids.tolist()[-1] == 4


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_photos_and_equal_ones_are_ranked(way: Reranker, count: int) -> None:
    query = np.array([1.0, 0.0], np.float32)
    view = ArrayView(query, np.stack([query] * count) if count else np.empty((0, 2), np.float32))
    first = view.search(query, 10)
    assert way(first, view).ids.tolist() == list(range(count))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Diffusion(alpha=1), "diffusion: 400 hits.*alpha 1"),
        (lambda: Diffusion(first=0), "diffusion: 0 hits"),
        (lambda: Support(neighbours=0), "support: 400 hits, 0 neighbours"),
        (lambda: SuperGlobal(first=0), "superglobal: 0 hits"),
        (lambda: SuperGlobal(beta=-1), "beta -1"),
        (lambda: KReciprocal(k1=0), "k1 0"),
        (lambda: KReciprocal(weight=2), "weight 2"),
    ],
)
def test_wrong_settings_are_refused(make: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()  # type: ignore[operator]
