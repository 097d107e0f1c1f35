"""The old protocol of Oxford5k and Paris6k (Philbin et al., CVPR 2007), also for folders."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from solar.datasets.ground_truth import CLASSIC, GroundTruth
from solar.errors import UsageError
from solar.evaluation.retrieval.metrics import Score, evaluate_ranks

PROTOCOLS = {"classic": (("ok",), ("junk",))}


def evaluate(ranks: NDArray[np.integer], ground_truth: GroundTruth) -> dict[str, Score]:
    """Mean average precision and mean precision at k; ``junk`` is taken out of the rankings.

    Args:
        ranks: (Q, N) database positions, best first, one row per query.
        ground_truth: with ``ok`` and ``junk`` lists.

    Returns:
        ``{"classic": score}``.

    Raises:
        UsageError: ranks that do not fit the ground truth, or a ground truth of another layout.
    """
    if ground_truth.layout != CLASSIC:
        raise UsageError(
            f"{ground_truth.dataset} has easy, hard and junk lists: use solar.evaluation.revisited"
        )
    return evaluate_ranks(ranks, ground_truth.queries, PROTOCOLS)
