"""Average precision, as every benchmark here defines it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def average_precision(places: npt.ArrayLike, positives: int) -> float:
    """Area under the precision-recall curve by the trapezoidal rule, the curve starting at (0, 1).

    Only a positive moves the recall, by 1 / positives, so that with the j-th positive found at the
    0-based place p_j

        AP = 1 / positives * sum over j of ((j - 1) / p_j + j / (p_j + 1)) / 2

    where 0 / 0 counts as 1. This is `compute_ap` of revisitop, and the curve of HPatches.

    Args:
        places: (K,) of the positives found, rising.
        positives: how many there are, found or not; at least K.

    Returns:
        AP, 0 to 1; 0 without positives.
    """
    at = np.asarray(places, np.float64)
    if positives == 0 or at.size == 0:
        return 0.0
    found = np.arange(len(at))
    left = np.divide(found, at, out=np.ones(len(at)), where=at > 0)
    return float((left + (found + 1) / (at + 1)).sum() / (2 * positives))


def average_precision_at(places: npt.ArrayLike, positives: int, cut: int) -> float:
    """Average precision of the first places alone, as mAP@k has it (Google Landmarks v2, ILIAS).

    The sum of the precisions at the positives among the first `cut`, over the most that there can
    be: with the j-th positive found at the 0-based place p_j

        AP@k = 1 / min(positives, k) * sum over p_j < k of j / (p_j + 1)

    Args:
        places: (K,) of the positives found, rising.
        positives: how many there are, found or not; at least K.
        cut: k.

    Returns:
        AP, 0 to 1; 0 without positives.
    """
    at = np.asarray(places, np.float64)
    at = at[at < cut]
    if positives == 0 or at.size == 0:
        return 0.0
    return float((np.arange(1, len(at) + 1) / (at + 1)).sum() / min(positives, cut))


def ranked_average_precision(
    distances: npt.NDArray[np.floating[Any]], correct: npt.ArrayLike, positives: int
) -> float:
    """AP of matches ranked by distance, nearest first; equal distances keep their order.

    Args:
        distances: (K,).
        correct: (K,) bool.
        positives: how many correct matches there could be; at least those that are.

    Returns:
        AP, 0 to 1; see `average_precision`.
    """
    ranked = np.asarray(correct, bool)[np.argsort(distances, kind="stable")]
    return average_precision(np.flatnonzero(ranked), positives)
