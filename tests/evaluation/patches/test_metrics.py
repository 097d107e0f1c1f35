"""Figures of the patch benchmarks: by hand, and against the curves drawn point by point."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solar.errors import UsageError
from solar.evaluation.patches.metrics import (
    fdr95,
    fpr95,
    fpr95_hardnet,
    roc_auc,
    verification_ap,
)

Floats = npt.NDArray[np.float64]

few = st.lists(st.integers(0, 5), min_size=1, max_size=12)


def curves(distances: Floats, labels: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Counts of true and false positives after 0, 1, 2, ... retrieved; equals keep their order."""
    ranked = labels[np.argsort(distances, kind="stable")]
    return np.append(0, np.cumsum(ranked)), np.append(0, np.cumsum(~ranked))


def drawn_ap(distances: Floats, labels: npt.NDArray[np.bool_], positives: int) -> float:
    """Trapezoids under the whole curve, every retrieved item being a point of it."""
    true, false = curves(distances, labels)
    precision = np.maximum(true, 1e-10) / np.maximum(true + false, 1e-10)
    return float(np.trapezoid(precision, true / positives))


@given(few, few)
def test_verification_is_the_drawn_curve_with_negatives_first(p: list[int], n: list[int]) -> None:
    positive, negative = np.array(p, float), np.array(n, float)
    distances = np.concatenate([negative, positive])
    labels = np.arange(len(distances)) >= len(negative)
    true, false = curves(distances, labels)
    auc = float(np.trapezoid(true / len(p), false / len(n)))
    assert roc_auc(positive, negative) == pytest.approx(auc)
    assert verification_ap(positive, negative) == pytest.approx(
        drawn_ap(distances, labels, len(p)), abs=1e-8
    )


def test_auc_by_hand() -> None:
    # Of six couples, (1, 2), (1, 3), (1, 3) and (2.5, 3), (2.5, 3) are in order.
    assert roc_auc(np.array([1, 2.5]), np.array([2.0, 3, 3])) == pytest.approx(5 / 6)
    assert roc_auc(np.array([1.0]), np.array([1.0])) == 0.0  # a tie goes to the negative


def test_fpr95_by_hand() -> None:
    positive = np.arange(1.0, 21.0)  # 20 of them: the 19th smallest is the threshold
    negative = np.array([18.5, 19.0, 19.0, 19.5, 30.0])
    assert fpr95(positive, negative) == pytest.approx(3 / 5)
    assert fpr95_hardnet(positive, negative) == pytest.approx(1 / 5)
    assert fdr95(positive, negative) == pytest.approx(1 / 20)


def test_fpr95_of_one_positive_and_of_a_perfect_descriptor() -> None:
    assert fpr95(np.array([2.0]), np.array([1.0, 3.0])) == 0.5
    assert fpr95(np.array([1.0, 1.5]), np.array([2.0])) == 0.0
    assert fpr95(np.array([5.0]), np.array([2.0])) == 1.0


@given(st.integers(1, 400))
def test_the_threshold_reaches_95_per_cent_and_no_less_would(count: int) -> None:
    positive = np.arange(count, dtype=float)
    rank = next(k for k in range(1, count + 1) if 100 * k >= 95 * count)
    just_below, at = np.array([rank - 1.5]), np.array([rank - 1.0])
    assert fpr95(positive, just_below) == 1.0
    assert fpr95(positive, at) == 1.0
    assert fpr95(positive, at + 0.5) == 0.0
    assert fpr95_hardnet(positive, at) == 0.0


@given(few, few)
def test_hardnet_counts_the_negatives_before_the_threshold(p: list[int], n: list[int]) -> None:
    """A transcription of its definition, with positives first in ties."""
    distances = np.concatenate([np.array(p, float), np.array(n, float)])
    labels = np.arange(len(distances)) < len(p)
    true, false = curves(distances, labels)
    reached = int(np.argmax(true >= -(-95 * len(p) // 100)))
    assert fpr95_hardnet(distances[: len(p)], distances[len(p) :]) == false[reached] / len(n)


@pytest.mark.parametrize("score", [fpr95, fpr95_hardnet, fdr95, roc_auc])
def test_one_kind_of_pairs_is_refused(score: object) -> None:
    assert callable(score)
    for positive, negative in (([], [1.0]), ([1.0], [])):
        with pytest.raises(UsageError, match="one kind is missing"):
            score(np.array(positive), np.array(negative))
