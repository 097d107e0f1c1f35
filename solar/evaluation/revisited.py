"""The Revisited Oxford and Paris protocols (Radenović et al., CVPR 2018): easy, medium, hard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solar.datasets.ground_truth import REVISITED, GroundTruth, Query, parse_queries
from solar.errors import UsageError
from solar.evaluation.retrieval.metrics import Score, score_ranks


def evaluate(
    ranks: NDArray[np.integer],
    ground_truth: GroundTruth | Mapping[str, Any] | Sequence[Mapping[str, Any]],
) -> dict[str, Score]:
    """Mean average precision and mean precision at k of the three protocols.

    Args:
        ranks: (Q, N) database positions, best first, one row per query.
        ground_truth: as ``solar.datasets.ground_truth.read`` gives it, or the published dict
            ``{"gnd": [...]}``, or its list of ``{"easy", "hard", "junk"}``.

    Returns:
        ``{"easy" | "medium" | "hard": score}`` with ``score.map`` (0 to 1), ``score.ap`` (Q,), NaN
        where a query has no positives under that protocol, and ``score.mp_at`` at 1, 5 and 10.

    Raises:
        UsageError: ranks that do not fit the ground truth.
        SolarError: a label of the ground truth is wrong.
    """
    queries = _queries(ground_truth)
    if tuple(queries[0].labels) != REVISITED:
        raise UsageError(
            "the ground truth has no easy, hard and junk lists: "
            "use solar.evaluation.retrieval.metrics.score_ranks"
        )
    return score_ranks(ranks, queries)


def _queries(
    ground_truth: GroundTruth | Mapping[str, Any] | Sequence[Mapping[str, Any]],
) -> tuple[Query, ...]:
    if isinstance(ground_truth, GroundTruth):
        return ground_truth.queries
    gnd = ground_truth.get("gnd") if isinstance(ground_truth, Mapping) else ground_truth
    return parse_queries(gnd, "ground truth")
