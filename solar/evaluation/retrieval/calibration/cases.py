"""Cases that a calibration is learned from, or measured on: queries among labelled photos.

What a person searches with may show a place that the index does not hold. So every case is a query
in a database that has its place, or has not, and of the whole database or of part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solar.calibration import (
    Background,
    Calibration,
    Floats,
    index_level,
    probabilities,
    sample_rows,
)
from solar.datasets.photos import LabelledSet
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
