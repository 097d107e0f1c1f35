"""How true the probabilities of a calibration are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from solar.calibration import Calibration, Floats, probabilities
from solar.evaluation.retrieval.calibration.cases import SHOWN, Bools, Case


@dataclass(frozen=True, eq=False)
class Reliability:
    """How true probabilities of first hits are.

    Attributes:
        probabilities: (R,) of the first hits of all cases.
        right: (R,) which of them show the query's place.
        leading: (R,) which of them are the first of their case.
    """

    probabilities: Floats
    right: Bools
    leading: Bools

    @classmethod
    def of(
        cls, calibration: Calibration, cases: Sequence[Case], *, verified: bool = True
    ) -> Reliability:
        """The first hits of some cases, in the order of their probability.

        Args:
            calibration: to measure.
            cases: with and without the place.
            verified: use what is known of keypoints.
        """
        found, right, leading = [], [], []
        for case in cases:
            logits = calibration.supported.logits(*case.logits(calibration, verified=verified))
            order = np.argsort(-logits, kind="stable")[:SHOWN]
            found.append(probabilities(logits[order]))
            right.append(case.right[order])
            leading.append(np.arange(len(order)) == 0)
        return cls(*(np.concatenate(each) for each in (found, right, leading)))

    def bins(self, count: int = 10) -> list[tuple[float, float, int]]:
        """Of as many hits each: mean probability, share of right ones, hits."""
        order = np.argsort(self.probabilities, kind="stable")
        return [
            (float(self.probabilities[rows].mean()), float(self.right[rows].mean()), len(rows))
            for rows in np.array_split(order, count)
            if len(rows)
        ]

    @property
    def calibration_error(self) -> float:
        """The expected one, in ten bins of as many hits each."""
        return sum(n * abs(said - true) for said, true, n in self.bins()) / len(self.right)

    @property
    def brier(self) -> float:
        """The mean square of what probabilities are off."""
        return float(np.mean((self.probabilities - self.right) ** 2))

    @property
    def brier_gain(self) -> float:
        """By what part that lies below always saying the share of right hits; NaN of all alike."""
        share = float(self.right.mean())
        return 1 - self.brier / (share * (1 - share)) if 0 < share < 1 else float("nan")

    @property
    def leading_auroc(self) -> float:
        """How often a right first hit has a greater probability than a wrong one."""
        found, right = self.probabilities[self.leading], self.right[self.leading]
        if right.all() or not right.any():
            return float("nan")
        above = np.subtract.outer(found[right], found[~right])
        return float(np.mean((above > 0) + 0.5 * (above == 0)))

    def figures(self) -> dict[str, float]:
        """The three, by name."""
        return {
            "calibration_error": self.calibration_error,
            "brier_gain": self.brier_gain,
            "leading_auroc": self.leading_auroc,
        }
