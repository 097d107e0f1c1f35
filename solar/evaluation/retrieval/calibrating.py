"""Learning a calibration from labelled photos, and measuring one on others.

What a person searches with may show a place that the index does not hold. So every case is a query
in a database that has its place, or has not, and of the whole database or of part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from solar.calibration import (
    Background,
    Calibration,
    Floats,
    Level,
    Supported,
    Weights,
    columns,
    index_level,
    probabilities,
    sample_rows,
    with_support,
)
from solar.datasets.photos import LabelledSet
from solar.errors import SolarError
from solar.evaluation.retrieval._features import features_of_set
from solar.evaluation.retrieval._ranking import FeaturesOfSet
from solar.evaluation.retrieval.described import DescribedSet, describe_set
from solar.extraction import Extractor
from solar.features.extractor import FeatureExtractor
from solar.rerank.geometric import verify
from solar.rerank.support import Support
from solar.typing import Descriptors, Ids, Progress

SHOWN = 10
"""First hits of a case that count."""
PARTS = (1.0, 0.5, 0.25)
"""Of a database, that cases to learn from are of: what is learned must not hang on its size."""

_VERIFIED = 30  # Of the first hits by cosine, in cases to learn from: most of the time goes there.
_ROUNDS = 3  # Of learning, which moves hits among the first, of which it learns.
_RIDGE = 1e-4  # Of a row's likelihood: finite weights where all is told apart.

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Case:
    """A query, and the first photos that its descriptor finds in a database.

    Attributes:
        cosines: (K,) falling.
        inliers: of these photos, those that lie apart; None where keypoints were not compared.
        right: (K,) which of them show the query's place.
        background: of the query and the database.
        hits: (K,) rows of the database.
        database: (N, D) descriptors.
    """

    cosines: NDArray[np.float32]
    inliers: Sequence[int | None]
    right: Bools
    background: Background
    hits: Ids
    database: Descriptors

    @property
    def compared(self) -> int:
        """Of how many first photos keypoints were compared."""
        return sum(count is not None for count in self.inliers)

    def known(self, verified: bool) -> Sequence[int | None]:
        """The inliers, or as if no keypoints had been compared."""
        return self.inliers if verified else [None] * len(self.cosines)

    def logits(self, calibration: Calibration, *, verified: bool) -> tuple[Floats, Floats]:
        """Each hit's own logit and its support, (K,) both."""
        own = calibration.logits(self.cosines, self.known(verified), self.background)
        return own, Support().lent(self.database[self.hits], probabilities(own))


def cases_to_learn(
    extractor: Extractor,
    photos: LabelledSet,
    maker: FeatureExtractor,
    progress: Progress | None = None,
) -> list[Case]:
    """Cases of a labelled set, a third of each of `PARTS`; half of them without the place.

    Args:
        extractor: what describes the photos.
        photos: the labelled set.
        maker: what makes features.
        progress: called with photos done and in all; once more with those of the features.
    """
    described, features = _seen(extractor, photos, maker, progress)
    rng, known, found = np.random.default_rng(0), _Verifier(features), []
    for number, part in enumerate(PARTS):
        count = len(described.database)
        kept = np.sort(rng.choice(count, max(1, round(part * count)), replace=False))
        for query in range(len(described.queries)):
            held = (query + number) % 2 == 0
            found.append(_case(described, query, kept, held, known, _VERIFIED))
    return found


def cases_to_measure(
    extractor: Extractor,
    photos: LabelledSet,
    maker: FeatureExtractor,
    first: int,
    progress: Progress | None = None,
) -> list[Case]:
    """Each query of a labelled set once with its place in the database, and once without.

    Args:
        extractor: what describes the photos.
        photos: the labelled set.
        maker: what makes features.
        first: how many first hits are verified.
        progress: see `cases_to_learn`.
    """
    described, features = _seen(extractor, photos, maker, progress)
    known, everything = _Verifier(features), np.arange(len(described.database))
    return [
        _case(described, query, everything, held, known, first)
        for query in range(len(described.queries))
        for held in (True, False)
    ]


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


class _Verifier:
    """Inliers of queries and photos that lie apart, each pair compared once."""

    def __init__(self, features: FeaturesOfSet) -> None:
        self._features = features
        self._known: dict[tuple[int, int], int] = {}

    def inliers(self, query: int, photos: Ids) -> list[int]:
        new = [row for row in photos.tolist() if (query, row) not in self._known]
        found = verify(self._features.queries[query], [self._features.database[n] for n in new])
        for row, agreement in zip(new, found, strict=True):
            self._known[query, row] = agreement.evidence().apart or 0
        return [self._known[query, row] for row in photos.tolist()]


def _seen(
    extractor: Extractor, photos: LabelledSet, maker: FeatureExtractor, progress: Progress | None
) -> tuple[DescribedSet, FeaturesOfSet]:
    described = describe_set(extractor, photos, skip=True, progress=progress)
    turned = extractor.extraction.decoding != "stored"
    return described, features_of_set(maker, described.photos, turned=turned, progress=progress)


def _case(
    described: DescribedSet, query: int, kept: Ids, held: bool, known: _Verifier, verified: int
) -> Case:
    """One case.

    Args:
        described: the labelled set.
        query: its number.
        kept: rows of the database that are there.
        held: whether the query's place is among them.
        known: what compares keypoints.
        verified: how many of the first hits it does.
    """
    labels = described.ground_truth.queries[query].labels
    place = np.concatenate([rows for label, rows in labels.items() if label != "junk"])
    out = labels["junk"] if held else np.concatenate([labels["junk"], place])
    left = kept[~np.isin(kept, out)]
    sample = described.database[left[sample_rows(len(left))]]
    cosines = described.database[left] @ described.queries[query]
    best = np.argsort(-cosines, kind="stable")[: Support.first]
    background = Background.of(described.queries[query], sample, index_level(sample))
    rows = left[best]
    inliers: list[int | None] = [*known.inliers(query, rows[:verified])]
    inliers += [None] * (len(rows) - len(inliers))
    right = np.isin(rows, place)
    return Case(cosines[best], inliers, right, background, rows, described.database)
