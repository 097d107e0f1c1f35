"""A calibration learned from cases, by logistic regression on their first hits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from solar.calibration import (
    Calibration,
    Floats,
    Level,
    Supported,
    Weights,
    columns,
    probabilities,
    with_support,
)
from solar.errors import SolarError
from solar.evaluation.retrieval.calibration.cases import SHOWN, Bools, Case

_ROUNDS = 3  # Of learning, which moves hits among the first, of which it learns.
_RIDGE = 1e-4  # Of a row's likelihood: finite weights where all is told apart.


def learn(sets: Sequence[Sequence[Case]], fingerprint: str, learned_from: str) -> Calibration:
    """A calibration that makes the first hits' probabilities true, in all sets alike.

    Args:
        sets: cases of each.
        fingerprint: of the network.
        learned_from: the photos, in words.

    Raises:
        SolarError: the first hits are all right, or all wrong.
    """
    levels = [np.mean([(case.background.index.middle, case.background.index.spread)
                       for case in cases], axis=0) for cases in sets]  # fmt: skip
    middle, spread = np.mean(levels, axis=0).tolist()
    usual = Level(round(middle, 4), round(spread, 4), len(sets))
    alone = _fitted(sets, usual, Weights(0.0, 1.0), compared=False)
    verified = Weights(alone.constant, alone.margin, 1.0)
    for _ in range(_ROUNDS):
        verified = _fitted(sets, usual, verified, compared=True)
    own = Calibration(fingerprint, alone, verified, Supported(), usual, learned_from)
    return replace(own, supported=_supported(sets, own))


def logistic(rows: Floats, right: Bools, weights: Floats) -> Floats:
    """Weights of a logistic regression, by Newton's method; none but the constant is negative.

    Args:
        rows: (R, C).
        right: (R,).
        weights: (R,) how much each row counts.

    Returns:
        (1 + C,), the constant first; 0 for a column that would speak against.
    """
    used = np.ones(1 + rows.shape[1], bool)
    design = np.column_stack([np.ones(len(rows)), rows])
    while True:
        found = np.zeros(len(used))
        found[used] = _newton(design[:, used], right, weights / weights.sum())
        against = (found < 0) & (np.arange(len(used)) > 0)
        if not against.any():
            return found
        used &= ~against


def _newton(design: Floats, right: Bools, weights: Floats) -> Floats:
    ridge = np.diag([0.0] + [_RIDGE] * (design.shape[1] - 1))

    def loss(found: Floats) -> float:
        logits = design @ found
        each = np.logaddexp(0, logits) - right * logits
        return float(weights @ each + 0.5 * found @ ridge @ found)

    found: Floats = np.zeros(design.shape[1])
    for _ in range(100):
        said = probabilities(design @ found)
        slope = design.T @ (weights * (said - right)) + ridge @ found
        bend = (design * (weights * said * (1 - said))[:, None]).T @ design + ridge
        step = np.linalg.solve(bend + 1e-12 * np.eye(len(found)), slope)
        while loss(found - step) > loss(found) and np.abs(step).max() > 1e-9:
            step = step / 2
        found = found - step
        if np.abs(step).max() < 1e-8:
            break
    return found


def _fitted(
    sets: Sequence[Sequence[Case]], usual: Level, start: Weights, *, compared: bool
) -> Weights:
    """Learn from the first hits by the logits of a start; of those compared, if any were."""

    def shown(case: Case) -> tuple[Floats, Bools]:
        count = (compared and case.compared) or len(case.cosines)
        known = columns(case.cosines, case.known(compared), case.background, usual)[:count]
        order = np.argsort(-start.logits(known), kind="stable")[:SHOWN]
        return known[order, : 1 + compared], case.right[order]

    return Weights(*_learned(sets, shown))


def _supported(sets: Sequence[Sequence[Case]], own: Calibration) -> Supported:
    """Learn from the first hits of the order by support."""

    def shown(case: Case) -> tuple[Floats, Bools]:
        known = with_support(*case.logits(own, verified=True))
        order = np.argsort(-known, kind="stable")[:SHOWN]
        return known[order, None], case.right[order]

    return Supported(*_learned(sets, shown))


def _learned(
    sets: Sequence[Sequence[Case]], shown: Callable[[Case], tuple[Floats, Bools]]
) -> list[float]:
    """Weights of a logistic regression on the first hits of cases, all sets alike."""
    rows: list[Floats] = []
    right: list[Bools] = []
    counts: list[Floats] = []
    for cases in sets:
        first = [shown(case) for case in cases]
        rows += [known for known, _ in first]
        right += [truth for _, truth in first]
        size = sum(len(truth) for _, truth in first)
        counts.append(np.full(size, 1 / max(size, 1)))
    truth = np.concatenate(right)
    if truth.all() or not truth.any():
        what = "right" if truth.any() else "wrong"
        raise SolarError(f"all first hits are {what}: give more photos, of more places")
    found = logistic(np.concatenate(rows), truth, np.concatenate(counts))
    return [round(float(value), 4) for value in found]
