import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solar.errors import UsageError
from solar.evaluation.report.report import Report, Result
from solar.evaluation.retrieval.bootstrap import compare, paired_bootstrap


def made(ap: Sequence[float | None], **protocol: Any) -> Report:
    counted = [value for value in ap if value is not None]
    result = Result(float(np.mean(counted)), {1: 1.0, 5: 1.0, 10: 1.0}, ap, [0.5] * 101)
    return Report(
        dataset="toy",
        protocol={"model": "a", "ground_truth": "d1", **protocol},
        results={"medium": result},
        queries=[f"q{n}" for n in range(len(ap))],
        ranks=[[] for _ in ap],
    )


def test_the_interval_against_the_exact_distribution() -> None:
    # One query of four gains 0.4: the mean gain of a resample is 0.1 x Binomial(4, 1/4), which is
    # 0 with probability 0.316 and more than 0.2 with probability 0.051, more than 0.3 with 0.004.
    found = paired_bootstrap([0.1] * 4, [0.5, 0.1, 0.1, 0.1], 10_000, seed=1)
    assert found.difference == pytest.approx(0.1)
    assert (found.low, found.high) == pytest.approx((0, 0.3))
    assert found.within_noise


def test_the_interval_of_many_queries_is_that_of_the_normal_law() -> None:
    rng = np.random.default_rng(0)
    a = rng.uniform(0, 0.8, 500)
    gain = rng.normal(0.02, 0.1, 500)
    found = paired_bootstrap(a.tolist(), (a + gain).tolist(), 10_000, seed=0)
    half = 1.96 * gain.std() / np.sqrt(500)
    assert found.low == pytest.approx(gain.mean() - half, abs=6e-4)
    assert found.high == pytest.approx(gain.mean() + half, abs=6e-4)
    assert not found.within_noise
    # Unpaired, the spread of the queries themselves would hide it.
    assert 1.96 * a.std() / np.sqrt(500) > gain.mean()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.integers(0, 100))
def test_nothing_differs_from_itself(ap: list[float], seed: int) -> None:
    found = paired_bootstrap(ap, ap, 200, seed)
    assert (found.difference, found.low, found.high) == (0, 0, 0)
    assert found.within_noise


def test_the_same_seed_gives_the_same_interval_and_order_only_the_sign() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.random(30).tolist(), rng.random(30).tolist()
    one, again, back = (paired_bootstrap(*pair, 500, 7) for pair in ((a, b), (a, b), (b, a)))
    assert one == again
    assert (back.difference, back.high, back.low) == pytest.approx(
        (-one.difference, -one.low, -one.high)
    )


def test_two_reports_side_by_side() -> None:
    a = made([0.2, None, 0.4, 0.3], image_size=1024, queries=4)
    b = made([0.6, None, 0.7, 0.8], image_size=512, queries=4)
    found = compare(a, b)
    assert found.differences["medium"].queries == 3
    assert found.differences["medium"].difference == pytest.approx(0.4)
    assert found.settings == {"image_size": (1024, 512)}
    text = found.to_markdown()
    assert "| medium | 30.00 | 70.00 | +40.00 | +30.00 … +50.00 | 3 | a difference |" in text
    assert "| image_size | 1024 | 512 |" in text
    assert json.loads(json.dumps(found.to_json()))["differences"]["medium"]["within_noise"] is False
    assert "| within noise |" in compare(a, a).to_markdown()


def test_reports_that_cannot_be_compared() -> None:
    a = made([0.2, 0.4])
    with pytest.raises(UsageError, match="only reports of the same ground truth"):
        compare(a, made([0.2, 0.4], ground_truth="d2"))
    with pytest.raises(UsageError, match="other queries or protocols"):
        compare(a, made([0.2, 0.4, 0.5]))
    with pytest.raises(UsageError, match="no AP for the same queries"):
        compare(a, made([0.2, None]))
