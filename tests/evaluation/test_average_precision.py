"""Average precision: by hand, and against the curve point by point."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solar.evaluation.average_precision import average_precision, ranked_average_precision
from tests.evaluation.patches.test_metrics import drawn_ap


def test_average_precision_by_hand() -> None:
    # Ranking + - + -: precisions 1, 1, 1/2, 2/3; trapezoids (1 + 1)/2 and (1/2 + 2/3)/2.
    assert average_precision([0, 2], 2) == pytest.approx((1 + 7 / 12) / 2)
    # Ranking - +: precision goes from 0 to 1/2.
    assert average_precision([1], 1) == pytest.approx(0.25)
    # One of four positives retrieved, first.
    assert average_precision([0], 4) == pytest.approx(0.25)
    assert average_precision([0, 1, 2], 3) == 1.0
    assert average_precision([], 3) == 0.0
    assert average_precision([], 0) == 0.0


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1), st.integers(0, 3))
def test_ranked_ap_is_the_area_under_the_drawn_curve(
    pairs: list[tuple[int, bool]], unfound: int
) -> None:
    distances = np.array([float(distance) for distance, _ in pairs])
    correct = np.array([right for _, right in pairs])
    positives = int(correct.sum()) + unfound
    expected = drawn_ap(distances, correct, positives) if positives else 0.0
    assert ranked_average_precision(distances, correct, positives) == pytest.approx(
        expected, abs=1e-8
    )
