"""VLAD and Fisher vectors against slow references, and what has no features."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from solar.aggregation.vectors import Mixture, nearest_centres, vlad
from solar.clusters import k_means
from solar.errors import UsageError

Floats = npt.NDArray[np.float32]


def rows(count: int, wide: int, seed: int) -> Floats:
    found = np.random.default_rng(seed).normal(size=(count, wide)).astype(np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


@pytest.mark.parametrize("count", [1, 7, 40])
def test_vlad_by_hand(count: int) -> None:
    x, centres = rows(count, 6, 0), np.asarray(rows(5, 6, 1) / 2, np.float32)
    parts = np.zeros((5, 6))
    for row in x:
        k = min(range(5), key=lambda k: float(np.linalg.norm(row - centres[k])))
        parts[k] += row - centres[k]
    whole = np.concatenate([p / np.linalg.norm(p) if p.any() else p for p in parts])
    np.testing.assert_allclose(vlad(x, centres), whole / np.linalg.norm(whole), atol=1e-5)


def density(
    row: npt.NDArray[np.float64], mean: npt.NDArray[np.float64], variance: npt.NDArray[np.float64]
) -> float:
    return math.prod(
        math.exp(-((x - m) ** 2) / (2 * v)) / math.sqrt(2 * math.pi * v)
        for x, m, v in zip(row, mean, variance, strict=True)
    )


def log_likelihood(x: npt.NDArray[np.float64], mixture: Mixture) -> float:
    total = 0.0
    for row in x:
        parts = zip(mixture.weights, mixture.means, mixture.variances, strict=True)
        total += math.log(sum(w * density(row, m, v) for w, m, v in parts))
    return total / len(x)


def test_fisher_vectors_are_the_gradients_of_the_likelihood() -> None:
    """Numerically: in each mean and deviation, over the square root of their information."""
    x, random = np.asarray(rows(9, 3, 2), np.float64), np.random.default_rng(3)
    weights = np.array([0.5, 0.3, 0.2])
    mixture = Mixture(weights, random.normal(size=(3, 3)), random.uniform(0.5, 2, (3, 3)))
    step, found = 1e-5, np.zeros((3, 6))
    for k in range(3):
        for d in range(3):
            deviation = math.sqrt(mixture.variances[k, d])
            for column, scale in ((d, deviation), (3 + d, deviation / math.sqrt(2))):
                ends = []
                for sign in (1, -1):
                    means, variances = mixture.means.copy(), mixture.variances.copy()
                    if column < 3:
                        means[k, d] += sign * step
                    else:
                        variances[k, d] = (deviation + sign * step) ** 2
                    ends.append(log_likelihood(x, Mixture(weights, means, variances)))
                slope = (ends[0] - ends[1]) / (2 * step)
                found[k, column] = slope * scale / math.sqrt(weights[k])
    expected = np.sign(found) * np.sqrt(np.abs(found))
    expected = expected.ravel() / np.linalg.norm(expected)
    np.testing.assert_allclose(mixture.fisher(np.asarray(x, np.float32)), expected, atol=1e-3)


def test_a_mixture_is_found_again() -> None:
    random = np.random.default_rng(4)
    means = np.array([[0, 0], [6, 0], [0, 6]], np.float64)
    spread = np.array([[1, 0.5], [0.6, 0.6], [0.5, 2]])
    parts = [
        random.normal(size=(n, 2)) * s + m
        for n, s, m in zip((900, 600, 300), spread, means, strict=True)
    ]
    found = Mixture.learned(np.concatenate(parts).astype(np.float32), 3)
    order = [int(np.linalg.norm(found.means - mean, axis=1).argmin()) for mean in means]
    np.testing.assert_allclose(found.means[order], means, atol=0.2)
    np.testing.assert_allclose(found.weights[order], [0.5, 1 / 3, 1 / 6], atol=0.02)
    np.testing.assert_allclose(np.sqrt(found.variances[order]), spread, rtol=0.15)


def test_what_has_no_features_is_like_nothing() -> None:
    none, centres = np.empty((0, 6), np.float32), rows(4, 6, 1)
    mixture = Mixture(np.full(2, 0.5), np.zeros((2, 6)), np.ones((2, 6)))
    for found in (vlad(none, centres), mixture.fisher(none)):
        assert np.linalg.norm(found) == pytest.approx(1) and np.ptp(found) == 0


def test_nearest_centres_come_in_order() -> None:
    x, centres = rows(30, 5, 6), rows(12, 5, 7)
    distances = np.linalg.norm(x[:, None] - centres, axis=2)
    for count in (1, 3, 12):
        expected = distances.argsort(1)[:, :count]
        assert np.array_equal(nearest_centres(x, centres, count), expected)


def test_k_means_is_the_same_every_time_and_lowers_the_error() -> None:
    x = rows(400, 6, 8)
    once, again = (k_means(x, 9, seed=3) for _ in range(2))
    assert np.array_equal(once, again) and once.shape == (9, 6)
    error = [np.square(x - c[nearest_centres(x, c, 1)[:, 0]]).sum() for c in (once, x[:9])]
    assert error[0] < 0.9 * error[1]
    for wrong, count in ((x, 0), (x[:3], 4), (np.full((5, 2), np.nan, np.float32), 2)):
        with pytest.raises(UsageError, match="clusters of rows"):
            k_means(wrong, count)
