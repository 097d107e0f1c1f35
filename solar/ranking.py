"""The answer to a query: ids and scores, best first; search, re-ranking and metrics speak of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from solar.errors import UsageError
from solar.typing import Ids

Line = tuple[float, float, float, float]

_CELLS = 8  # Along each side of a photo.


@dataclass(frozen=True)
class Evidence:
    """What speaks for a hit beside its score.

    Attributes:
        inliers: how many of its keypoints agree with the query's; None if they were not compared.
        lines: of each inlier x1, y1 in the query and x2, y2 in the hit, as parts of their sides.
        query: which photo of the query the lines are in, where it has several.
        support: what other hits lend it, 0 or more; None if they were not asked.
        probability: that it shows the query's place, 0 to 1; None if the model is not calibrated.
    """

    inliers: int | None = None
    lines: tuple[Line, ...] = ()
    query: int = 0
    support: float | None = None
    probability: float | None = None

    @property
    def apart(self) -> int | None:
        """How many inliers lie apart, in either photo; None if keypoints were not compared.

        Those in one cell of 8 x 8 count once: a caption below two photos gives many inliers side by
        side, a building gives them all over.
        """
        if self.inliers is None:
            return None
        cells = [tuple(int(part * _CELLS) for part in line) for line in self.lines]
        return min(len({cell[:2] for cell in cells}), len({cell[2:] for cell in cells}))


@dataclass(frozen=True, eq=False)
class Ranking:
    """The photos of one ranking whose place is known, best first.

    A search knows the first K places. An evaluation beside a million distractors knows those, and
    the places of the labelled photos among all the others.

    Attributes:
        ids: (K,) int64, each once.
        scores: (K,) float32, cosines of the descriptors. After re-ranking they need not fall.
        places: (K,) int64, rising: how many photos stand before each.
        evidence: by id, of those of which more is known than the score.
    """

    ids: Ids
    scores: NDArray[np.float32]
    places: Ids
    evidence: Mapping[int, Evidence] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ids = np.asarray(self.ids)
        if ids.ndim != 1 or ids.dtype.kind not in "iu" or len(np.unique(ids)) != len(ids):
            raise UsageError("a ranking's ids are (K,) whole numbers, each once")
        scores = np.asarray(self.scores, np.float32)
        places = np.asarray(self.places)
        if scores.shape != ids.shape or places.shape != ids.shape:
            raise UsageError("a ranking has as many scores and places as ids")
        if len(places) and (places[0] < 0 or (np.diff(places) <= 0).any()):
            raise UsageError("a ranking's places rise from 0")
        for name, values in (("ids", ids.astype(np.int64)), ("scores", scores), ("places", places)):
            object.__setattr__(self, name, values)

    @classmethod
    def of(
        cls,
        ids: Ids,
        scores: NDArray[np.float32],
        evidence: Mapping[int, Evidence] | None = None,
    ) -> Ranking:
        """The first photos of a ranking, without a gap."""
        return cls(ids, scores, np.arange(len(ids)), evidence or {})

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def head(self) -> int:
        """How many of the first places are known without a gap."""
        return int(np.count_nonzero(self.places == np.arange(len(self))))

    def top(self, count: int) -> Ranking:
        """The first `count` places, or as many of them as are known without a gap."""
        count = min(count, self.head)
        kept = self.ids[:count].tolist()
        evidence = {number: self.evidence[number] for number in kept if number in self.evidence}
        return Ranking.of(self.ids[:count], self.scores[:count], evidence)

    def reordered(
        self, order: Sequence[int] | Ids, evidence: Mapping[int, Evidence] | None = None
    ) -> Ranking:
        """The first photos in another order; all others stay where they are.

        Args:
            order: positions of the first `len(order)` photos, best first.
            evidence: by id, added to what is known.

        Raises:
            UsageError: the order is no permutation of the first places, or reaches beyond `head`.
        """
        moved = np.asarray(order, np.int64)
        if len(moved) > self.head or not np.array_equal(np.sort(moved), np.arange(len(moved))):
            raise UsageError("a re-ranker must return each of the first photos once")
        rest = np.arange(len(moved), len(self))
        rows = np.concatenate([moved, rest])
        known = {**self.evidence, **(evidence or {})}
        return replace(self, ids=self.ids[rows], scores=self.scores[rows], evidence=known)

    def places_of(self, ids: Ids) -> Ids:
        """The places of some photos, best first; those whose place is not known are left out."""
        return self.places[np.isin(self.ids, ids)]
