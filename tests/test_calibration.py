"""Probabilities of hits: what they follow, and what a file may say of them."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solar.calibration import (
    SAMPLE,
    Background,
    Calibration,
    Level,
    Supported,
    Weights,
    index_level,
    probabilities,
    sample_rows,
    with_support,
)
from solar.errors import UsageError
from tests.evaluation.fakes import unit_rows

CALIBRATION = Calibration(
    "0" * 64,
    Weights(-6, 1.5),
    Weights(-7, 1.5, 2),
    Supported(-1, 0.8),
    Level(0.1, 0.08, 2),
    "photos",
)


@given(st.integers(0, 600), st.lists(st.none() | st.integers(0, 50), min_size=2, max_size=2),
       st.lists(st.floats(-1, 1), min_size=2, max_size=2))  # fmt: skip
def test_likeness_never_speaks_against_a_hit(
    photos: int, inliers: list[int | None], cosines: list[float]
) -> None:
    rows = unit_rows(np.random.default_rng(photos), photos + 1, 8)
    background = Background.of(rows[0], rows[1:], index_level(rows[1:]))
    low, high = sorted(cosines)
    for count in inliers:
        found = CALIBRATION.logits(np.array([low, high]), [count, count], background)
        assert found[0] <= found[1] and np.isfinite(found).all()
    few, many = sorted(count or 0 for count in inliers)
    found = CALIBRATION.logits(np.array([low, low]), [few, many], background)
    assert found[0] <= found[1]
    assert ((probabilities(found) >= 0) & (probabilities(found) <= 1)).all()


def test_the_margin_is_over_the_querys_own_background() -> None:
    query, index = Level(0.3, 0.1, 10**9), Level(0.1, 0.2, 10**9)
    background = Background(query, index)
    (alone, verified) = CALIBRATION.logits(np.array([0.7, 0.7]), [None, 9], background)
    assert alone == pytest.approx(-6 + 1.5 * (0.7 - 0.3) / 0.2)
    assert verified == pytest.approx(-7 + 1.5 * (0.7 - 0.3) / 0.2 + 2 * math.log1p(5))


def test_few_photos_are_taken_to_be_like_others() -> None:
    empty = np.empty((0, 8), np.float32)
    background = Background.of(np.ones(8, np.float32), empty, index_level(empty))
    (logit,) = CALIBRATION.logits(np.array([0.5]), [None], background)
    assert logit == pytest.approx(-6 + 1.5 * (0.5 - 0.1) / 0.08)
    far = Level(0.9, 0.01, 20).towards(CALIBRATION.usual)
    np.testing.assert_allclose([far.middle, far.spread], [0.5, 0.045])


def test_photos_of_one_place_do_not_move_a_background() -> None:
    cosines = np.random.default_rng(0).normal(0.1, 0.05, 4000).astype(np.float32)
    plain = Level.of(cosines, 4000)
    np.testing.assert_allclose([plain.middle, plain.spread], [0.1, 0.05], atol=5e-3)
    crowded = Level.of(np.append(cosines, np.full(1000, 0.9, np.float32)), 5000)
    assert abs(crowded.middle - plain.middle) < 0.5 * plain.spread


@given(st.integers(0, 5000))
def test_a_sample_is_even_and_no_larger_than_it_says(count: int) -> None:
    rows = sample_rows(count)
    assert len(rows) == min(count, SAMPLE) and (np.diff(rows) > 0).all()
    if count > 1:
        assert rows[0] == 0 and rows[-1] == count - 1


def test_json_gives_it_back() -> None:
    assert Calibration.from_json(json.loads(json.dumps(CALIBRATION.to_json()))) == CALIBRATION


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("verified", "inliers"), -0.1),
        (("descriptors", "margin"), math.nan),
        (("descriptors", "constant"), 1e9),
        (("usual", "spread"), 0),
        (("usual", "middle"), math.inf),
        (("usual", "count"), "many"),
        (("usual",), None),
        (("verified",), [1, 2, 3]),
        (("supported", "slope"), -1),
        (("supported", "constant"), math.nan),
    ],
)
def test_numbers_that_no_calibration_has_are_refused(where: tuple[str, ...], value: Any) -> None:
    values = json.loads(json.dumps(CALIBRATION.to_json()))
    inner = values
    for name in where[:-1]:
        inner = inner[name]
    inner[where[-1]] = value
    with pytest.raises((UsageError, TypeError, ValueError)):
        Calibration.from_json(values)
    del inner[where[-1]]
    with pytest.raises(KeyError):
        Calibration.from_json(values)


@given(st.floats(-300, 300), st.floats(0, 50), st.floats(0, 50))
def test_support_never_speaks_against_a_hit_and_none_changes_nothing(
    own: float, less: float, more: float
) -> None:
    less, more = sorted((less, more))
    low, high = with_support(np.array([own, own]), np.array([less, more]))
    assert own - 1e-9 * abs(own) - 1e-12 <= low <= high and np.isfinite(high)
    (same,) = with_support(np.array([own]), np.zeros(1))
    assert same == pytest.approx(own, rel=1e-9, abs=1e-9)


def test_support_is_of_what_is_so_either_way() -> None:
    p, support = probabilities(np.array([0.4])), np.array([0.3])
    (found,) = probabilities(with_support(np.array([0.4]), support))
    assert found == pytest.approx(1 - (1 - p[0]) * np.exp(-0.3))
    assert CALIBRATION.supported.logits(np.array([0.4]), np.zeros(1)) == pytest.approx(
        -1 + 0.8 * 0.4
    )
