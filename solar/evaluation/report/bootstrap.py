"""How far a mean over queries would move, had other places been asked for."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
_AT_ONCE = 2**22


def mean_interval(
    values: NDArray[np.float64],
    units: Sequence[Hashable],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float] | None:
    """95 % percentile interval of a mean, by a bootstrap over units (Efron, 1979).

    Args:
        values: (N,), whose mean it is.
        units: what each value belongs to: the values of a unit are drawn together. Queries of one
            place are no independent evidence: drawn one by one they would make the interval too
            narrow.
        resamples: how often as many units are drawn with replacement.
        seed: of the draws.

    Returns:
        Lower and upper end; None where there is but one unit, or none.
    """
    numbers = {unit: number for number, unit in enumerate(dict.fromkeys(units))}
    of = np.array([numbers[unit] for unit in units], np.int64)
    if len(numbers) < 2:
        return None
    sums, counts = np.bincount(of, values), np.bincount(of)
    random, drawn, step = np.random.default_rng(seed), [], max(1, _AT_ONCE // len(numbers))
    for start in range(0, resamples, step):
        rows = random.integers(0, len(numbers), (min(step, resamples - start), len(numbers)))
        drawn.append(sums[rows].sum(axis=1) / counts[rows].sum(axis=1))
    low, high = np.percentile(np.concatenate(drawn), [2.5, 97.5]).tolist()
    return low, high
