"""Learning a calibration: what it finds of a known one, and figures against their definitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solar.calibration import (
    Background,
    Calibration,
    Level,
    Supported,
    Weights,
    columns,
    probabilities,
)
from solar.errors import SolarError
from solar.evaluation.retrieval.calibration import Case, Reliability, learn, logistic

LEVEL = Level(0.1, 0.1, 10**9)
TRUE = Calibration("f", Weights(-4, 1.0), Weights(-5, 1.0, 1.5), Supported(), Level(0.1, 0.1, 2))
STRANGERS = np.eye(10, dtype=np.float32)  # that lend each other nothing


def made_cases(count: int, seed: int, *, verified: bool = True) -> list[Case]:
    """Cases of ten photos whose labels were drawn by `TRUE`."""
    rng, cases = np.random.default_rng(seed), []
    for _ in range(count):
        background = Background(LEVEL, LEVEL)
        cosines = np.sort(rng.uniform(0.0, 1.0, 10))[::-1].astype(np.float32)
        inliers = [int(n) if verified else None for n in rng.geometric(0.2, 10)]
        logits = TRUE.logits(cosines, inliers, background)
        right = rng.random(10) < probabilities(logits)
        cases.append(Case(cosines, inliers, right, background, np.arange(10), STRANGERS))
    return cases


@pytest.mark.slow
def test_a_known_calibration_is_found_again() -> None:
    found = learn([made_cases(1500, 0), made_cases(500, 1)], "f", "made")
    for name, value in (("constant", -5), ("margin", 1.0), ("inliers", 1.5)):
        assert getattr(found.verified, name) == pytest.approx(value, rel=0.1)
    assert found.usual.middle == found.usual.spread == pytest.approx(0.1)
    measured = Reliability.of(found, made_cases(1500, 2))
    assert measured.calibration_error < 0.02 and measured.brier_gain > 0.3
    assert measured.leading_auroc > 0.8
    alone = learn([made_cases(1500, 3, verified=False)], "f", "made")
    assert alone.descriptors.margin == pytest.approx(1.0, rel=0.1)
    measured = Reliability.of(alone, made_cases(1500, 4, verified=False), verified=False)
    assert measured.calibration_error < 0.02


def test_sets_count_alike_whatever_their_size() -> None:
    small, large = made_cases(200, 0), made_cases(1000, 1)
    once, again = learn([small, large], "f", ""), learn([small * 5, large], "f", "")
    assert once.verified.margin == pytest.approx(again.verified.margin, abs=2e-4)


@given(st.integers(0, 2**32 - 1), st.floats(0, 10))
def test_no_weight_is_negative_or_infinite(seed: int, apart: float) -> None:
    rng = np.random.default_rng(seed)
    right = np.arange(80) % 2 == 0
    rows = rng.normal(0, 1, (80, 2)) + np.outer(right, [apart, -apart])
    found = logistic(rows, right, np.ones(80))
    assert np.isfinite(found).all() and (found[1:] >= 0).all()


def test_one_kind_of_hits_teaches_nothing() -> None:
    cases = made_cases(20, 0)
    for kind in (True, False):
        alike = [replace(case, right=np.full(10, kind)) for case in cases]
        with pytest.raises(SolarError, match="right" if kind else "wrong"):
            learn([alike], "f", "")


def test_figures_are_what_they_are_called() -> None:
    said = np.array([0.9, 0.8, 0.2, 0.1])
    found = Reliability(said, np.array([True, False, True, False]), np.array([1, 0, 0, 1], bool))
    np.testing.assert_allclose(found.bins(2), [(0.15, 0.5, 2), (0.85, 0.5, 2)])
    assert found.calibration_error == pytest.approx((0.1 + 0.8 + 0.8 + 0.1) / 4)
    assert found.brier == pytest.approx((0.01 + 0.64 + 0.64 + 0.01) / 4)
    assert found.brier_gain == pytest.approx(1 - found.brier / 0.25)
    assert found.leading_auroc == 1.0
    alone = Reliability(said[:1], np.array([True]), np.array([True]))
    assert np.isnan(alone.brier_gain) and np.isnan(alone.leading_auroc)


def test_columns_are_margin_and_inliers() -> None:
    background = Background(LEVEL, LEVEL)
    found = columns(np.array([0.3, 0.1]), [None, 14], background, LEVEL)
    np.testing.assert_allclose(found, [[2, 0], [0, np.log(11)]], atol=1e-6)
