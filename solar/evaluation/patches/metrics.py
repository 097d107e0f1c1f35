"""Figures of the patch benchmarks, from distances alone; NumPy only."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from solar.errors import UsageError
from solar.evaluation.average_precision import average_precision

FloatArray = npt.NDArray[np.floating[Any]]


def verification_ap(positive: FloatArray, negative: FloatArray) -> float:
    """AP of telling positive from negative pairs by distance; a negative wins a tie.

    Args:
        positive: (P,) distances of the positive pairs.
        negative: (N,) distances of the negative pairs.
    """
    before = np.searchsorted(np.sort(negative), np.sort(positive), side="right")
    return average_precision(before + np.arange(len(before)), len(positive))


def roc_auc(positive: FloatArray, negative: FloatArray) -> float:
    """Share of (positive, negative) couples where the positive is strictly nearer.

    This is the area under the ROC curve where, in a tie, the negative comes first, as in the
    HPatches benchmark.
    """
    if len(positive) == 0 or len(negative) == 0:
        raise UsageError("the ROC curve needs positive and negative pairs; one kind is missing")
    nearer = np.searchsorted(np.sort(positive), negative, side="left")
    return float(nearer.mean() / len(positive))


def _threshold95(positive: FloatArray, negative: FloatArray) -> float:
    """The ceil(0.95 P)-th smallest positive distance."""
    if len(positive) == 0 or len(negative) == 0:
        raise UsageError("FPR at 95 % recall needs matching and other pairs; one kind is missing")
    rank = -(-95 * len(positive) // 100)  # whole numbers: 0.95 * P may round up past its ceiling
    return float(np.partition(positive, rank - 1)[rank - 1])


def fpr95(positive: FloatArray, negative: FloatArray) -> float:
    """False positive rate at 95 % recall (Brown, Hua and Winder, PAMI 2011).

    The threshold is the ceil(0.95 P)-th smallest positive distance; the rate is the share of the
    negative distances at or below it.
    """
    return float((negative <= _threshold95(positive, negative)).mean())


def fpr95_hardnet(positive: FloatArray, negative: FloatArray) -> float:
    """FPR at 95 % recall as HardNet's code counts it (`ErrorRateAt95Recall`, FP / (FP + TN)).

    It counts the negatives ranked before the positive that reaches 95 % recall. Its sort leaves
    open which of equal distances comes first; here the positive does, so that this is the share
    of the negatives strictly below the threshold, and differs from `fpr95` by ties only.
    """
    return float((negative < _threshold95(positive, negative)).mean())


def fdr95(positive: FloatArray, negative: FloatArray) -> float:
    """False discovery rate at 95 % recall, FP / (FP + TP): MatchNet's and HardNet's first code.

    Some early papers (MatchNet, TFeat) print it as FPR95; it is lower. TP is ceil(0.95 P), FP the
    negatives strictly below the threshold.
    """
    false = int((negative < _threshold95(positive, negative)).sum())
    true = -(-95 * len(positive) // 100)
    return false / (false + true)
