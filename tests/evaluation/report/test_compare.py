import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solar.errors import SolarError, UsageError
from solar.evaluation.report import PatchReport, Report, Result, compare, paired_bootstrap


def made(
    ap: Sequence[float | None], places: Sequence[int] | None = None, **protocol: Any
) -> Report:
    counted = [value for value in ap if value is not None]
    at = {1: 1.0, 5: 1.0, 10: 1.0}
    result = Result(float(np.mean(counted)), at, at, at, ap, [0.5] * 101)
    return Report(
        dataset="toy",
        protocol={"model": "a", "ground_truth": "d1", **protocol},
        results={"medium": result},
        queries=[f"q{n}" for n in range(len(ap))],
        ranks=[[] for _ in ap],
        places=list(range(len(ap))) if places is None else places,
        by_dimension={64: {"medium": result}},
    )


def test_the_interval_against_the_exact_distribution() -> None:
    # One query of four gains 0.4: the mean gain of a resample is 0.1 x Binomial(4, 1/4), which is
    # 0 with probability 0.316 and more than 0.2 with probability 0.051, more than 0.3 with 0.004.
    found = paired_bootstrap([0.1] * 4, [0.5, 0.1, 0.1, 0.1], range(4), 10_000, seed=1)
    assert found.difference == pytest.approx(0.1)
    assert (found.low, found.high) == pytest.approx((0, 0.3))
    assert found.within_noise


def test_the_interval_of_many_queries_is_that_of_the_normal_law() -> None:
    rng = np.random.default_rng(0)
    a = rng.uniform(0, 0.8, 500)
    gain = rng.normal(0.02, 0.1, 500)
    found = paired_bootstrap(a.tolist(), (a + gain).tolist(), range(500), 10_000, seed=0)
    half = 1.96 * gain.std() / np.sqrt(500)
    assert found.low == pytest.approx(gain.mean() - half, abs=6e-4)
    assert found.high == pytest.approx(gain.mean() + half, abs=6e-4)
    assert not found.within_noise
    # Unpaired, the spread of the queries themselves would hide it.
    assert 1.96 * a.std() / np.sqrt(500) > gain.mean()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.integers(0, 100))
def test_nothing_differs_from_itself(ap: list[float], seed: int) -> None:
    found = paired_bootstrap(ap, ap, range(len(ap)), 200, seed)
    assert found.difference == 0
    assert (found.low, found.high, found.within_noise) == (
        (0, 0, True) if len(ap) > 1 else (None, None, None)
    )


def test_the_same_seed_gives_the_same_interval_and_order_only_the_sign() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.random(30).tolist(), rng.random(30).tolist()
    one, again, back = (
        paired_bootstrap(*pair, range(30), 500, 7) for pair in ((a, b), (a, b), (b, a))
    )
    assert one == again
    assert one.low is not None and one.high is not None
    found = back.difference, back.high, back.low
    assert found == pytest.approx((-one.difference, -one.low, -one.high))


def test_two_reports_side_by_side() -> None:
    a = made([0.2, None, 0.4, 0.3], image_size=1024, queries=4)
    b = made([0.6, None, 0.7, 0.8], image_size=512, queries=4)
    found = compare(a, b)
    assert found.differences["mAP medium"].parts == 3
    assert found.differences["mAP medium"].difference == pytest.approx(0.4)
    assert found.settings == {"image_size": (1024, 512)}
    text = found.to_markdown()
    assert (
        "| mAP medium | 30.00 | 70.00 | +40.00 | +30.00 … +50.00 | 3 | 3 | a difference |" in text
    )
    assert "| mAP medium, 64-D | 30.00 | 70.00 | +40.00 |" in text
    assert "10000 times as many places are drawn anew" in text and "seed 0" in text
    assert "| image_size | 1024 | 512 |" in text
    assert (
        json.loads(json.dumps(found.to_json()))["differences"]["mAP medium"]["within_noise"]
        is False
    )
    assert "| within noise |" in compare(a, a).to_markdown()


def test_reports_that_cannot_be_compared() -> None:
    a = made([0.2, 0.4])
    with pytest.raises(UsageError, match="only reports of the same ground truth"):
        compare(a, made([0.2, 0.4], ground_truth="d2"))
    with pytest.raises(UsageError, match="only reports of the same ground truth"):
        compare(a, made([0.2, 0.4, 0.5]))
    with pytest.raises(UsageError, match="no AP for the same queries"):
        compare(a, made([0.2, None]))


def test_queries_of_one_place_are_drawn_together() -> None:
    """Eight queries of two places: one gains, the other does not; nobody knows which is usual."""
    a, b = [0.5] * 8, [0.9] * 4 + [0.5] * 4
    alone = compare(made(a), made(b)).differences["mAP medium"]
    together = compare(made(a, [0] * 4 + [1] * 4), made(b, [0] * 4 + [1] * 4))
    found = together.differences["mAP medium"]
    assert (alone.units, found.units, found.parts) == (8, 2, 8)
    assert alone.within_noise is False and found.within_noise is True
    assert (found.low, found.high) == pytest.approx((0, 0.4))
    assert together.to_json()["unit"] == "place"
    # Places of different sizes count by their queries, as the mean does.
    uneven = paired_bootstrap([0.0] * 4, [1.0, 1.0, 1.0, 0.0], [0, 0, 0, 1], 2000, 0)
    assert (uneven.difference, uneven.low, uneven.high) == (0.75, 0.0, 1.0)
    one = paired_bootstrap([0.1, 0.2], [0.3, 0.4], [7, 7])
    assert one.low is None and one.within_noise is None  # one place says nothing of others


def patches(ap: Sequence[float], units: Sequence[str], **protocol: Any) -> PatchReport:
    figures = {
        "AP": {"value": float(np.mean(ap)), "parts": list(ap), "units": list(units)},
        "FPR95": {"value": 0.1},
    }
    document = {"benchmark": "homographies", "data": "", "protocol": protocol, "figures": figures}
    return PatchReport("toy", document, [])


def test_reports_of_patches_and_matching(tmp_path: Path) -> None:
    units = ["v_a", "v_a", "v_b", "v_c"]
    patches([0.1, 0.2, 0.3, 0.4], units, ratio=None).write(tmp_path / "a")
    patches([0.3, 0.4, 0.5, 0.6], units, ratio=0.8).write(tmp_path / "b")
    found = compare(tmp_path / "a", tmp_path / "b" / "report.json", resamples=500, seed=3)
    assert found.differences["AP"].difference == pytest.approx(0.2)
    assert (found.differences["AP"].units, found.differences["AP"].within_noise) == (3, False)
    assert found.settings == {"ratio": (None, 0.8)}
    text = found.to_markdown()
    assert "500 times as many sequences are drawn anew" in text and "seed 3" in text
    assert "| FPR95 | 10.00 | 10.00 | +0.00 | – | – | – | – |" in text
    patches([0.1] * 4, ["v_a", "v_b", "v_c", "v_d"]).write(tmp_path / "c")
    with pytest.raises(UsageError, match="other queries, pairs"):
        compare(tmp_path / "a", tmp_path / "c")
    made([0.2, 0.4]).write(tmp_path / "d")
    with pytest.raises(UsageError, match="only reports of the same ground truth"):
        compare(tmp_path / "a", tmp_path / "d")
    (tmp_path / "e.json").write_text('{"benchmark": "hpatches", "figures": []}')
    with pytest.raises(SolarError, match=r"e\.json: not a report of 'solar eval'"):
        compare(tmp_path / "e.json", tmp_path / "a")
