"""Geometric verification: which of the first hits show the query's scene from another place.

Fast spatial matching (Philbin, Chum, Isard, Sivic, Zisserman, CVPR 2007, section 4): keypoints
have a size and an angle, so one match says how the whole scene would be turned, scaled and moved.
Every match is tried, and the one that most others agree with wins; nothing is drawn by chance.
Where few matches are right it finds more than a homography by MAGSAC++, and sooner: see
`benchmarks/verification.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from solar.features.compact import unit_rows
from solar.features.features import Features
from solar.features.keypoints import FloatArray
from solar.matching.nearest import Matches
from solar.ranking import Evidence, Line, Ranking
from solar.rerank.probability import logits
from solar.rerank.protocol import View

CHANCE = 7
"""Inliers that unrelated photos reach: 999 of 1000 pairs of photos of different places in a
validation set of landmarks have at most so many."""
SURE = 0.9
"""Probability from which on a hit vouches for others."""
TOLERANCE = 0.03
"""Of the longer side of a photo: how far an inlier may be from where the others say."""
MAX_ZOOM = 2.0
"""Between the scale of an inlier and that of the others."""
MAX_TURN = np.deg2rad(30)
"""Between the angle of an inlier and that of the others."""

_PHOTOS_AT_ONCE = 8  # Their similarities stay in the processor's cache.


@dataclass(frozen=True)
class Geometric:
    """Tells how many keypoints of hits agree with the query's, and puts hits in order by that.

    By their probability, where the model is calibrated, which is cosine and inliers together;
    else by inliers, see `order`.

    Attributes:
        first: hits that are verified; all others keep their places.
    """

    first: int = 100
    name: ClassVar[str] = "geometric"
    needs_features: ClassVar[bool] = True

    @property
    def description(self) -> str:
        """See `Reranker.description`."""
        how = f"by probability, or without a calibration by inliers above {CHANCE}"
        return f"geometric: the first {self.first} {how}"

    def __call__(self, ranking: Ranking, view: View) -> Ranking:
        """See `Reranker.__call__`; hits without features are not verified.

        Of several photos of the query, that counts for a hit with which it has most inliers.
        """
        if not view.features:
            return ranking
        ids = ranking.ids[: min(self.first, ranking.head)]
        features = view.features_of(ids)
        known = [each for each in features if each is not None]
        looked = zip(*(verify(query, known) for query in view.features), strict=True)
        evidence = {
            number: _most(next(looked))
            for number, each in zip(ids.tolist(), features, strict=True)
            if each is not None
        }
        found = logits(ranking.top(len(ids)), evidence, view)
        if found is not None:
            return ranking.reordered(np.argsort(-found, kind="stable"), evidence)
        inliers = [
            evidence[number].inliers if number in evidence else None for number in ids.tolist()
        ]
        return ranking.reordered(order(inliers), evidence)


def _most(agreements: Sequence[Agreement]) -> Evidence:
    """What the most inliers of a hit with any photo of the query say."""
    query, best = max(enumerate(agreements), key=lambda each: each[1].inliers)
    return replace(best.evidence(), query=query)


def trusted(evidence: Evidence) -> bool:
    """Whether a hit very probably shows the query's place.

    Where no probability is known: whether more keypoints agree than chance gives.
    """
    if evidence.probability is not None:
        return evidence.probability >= SURE
    return (evidence.inliers or 0) > CHANCE


@dataclass(frozen=True)
class Agreement:
    """The matches of a query and a photo that agree with one another.

    Attributes:
        query: (K, 2) places in the query, as parts of its sides.
        photo: (K, 2) places in the photo.
    """

    query: npt.NDArray[np.float64]
    photo: npt.NDArray[np.float64]

    @property
    def inliers(self) -> int:
        """How many there are."""
        return len(self.query)

    def lines(self) -> tuple[Line, ...]:
        """x1, y1 in the query and x2, y2 in the photo of each."""
        return tuple(map(tuple, np.hstack([self.query, self.photo]).round(5).tolist()))

    def evidence(self) -> Evidence:
        """Their number and lines."""
        return Evidence(self.inliers, self.lines())


def verify(query: Features, photos: Sequence[Features]) -> list[Agreement]:
    """Match a query with photos, and keep what agrees.

    Args:
        query: its features.
        photos: those of K photos.

    Returns:
        K agreements, of none or more inliers.
    """
    return [
        agreement(query, photo, found)
        for photo, found in zip(photos, match_features(query, photos), strict=True)
    ]


def order(inliers: Sequence[int | None]) -> list[int]:
    """How hits are re-ranked: those with more inliers than chance gives come first, by these.

    Others stay in the order of their scores, for below the level of chance, more inliers say
    nothing; and so do hits of as many inliers.

    Args:
        inliers: of the hits, the best score first; None where a hit was not verified.

    Returns:
        Their positions, the best first.
    """
    trusted = [count if count is not None and count > CHANCE else 0 for count in inliers]
    return sorted(range(len(trusted)), key=lambda position: -trusted[position])


def match_features(query: Features, photos: Sequence[Features]) -> Iterator[Matches]:
    """For each photo, rows of the query and of it that are most similar to each other.

    Single precision does here: features that are so nearly as similar are matched by chance anyway.
    """
    sought = query.unit_descriptors.T
    for start in range(0, len(photos), _PHOTOS_AT_ONCE):
        block = photos[start : start + _PHOTOS_AT_ONCE]
        compact = np.concatenate([photo.descriptors for photo in block])
        similar = unit_rows(compact, query.bits) @ sought
        ends = np.cumsum([0, *map(len, block)]).tolist()
        for top, bottom in pairwise(ends):
            yield mutual(similar[top:bottom])


def mutual(similar: FloatArray) -> Matches:
    """Pairs of rows that are most similar to each other.

    Args:
        similar: (M, N) cosines of a photo's descriptors and the query's.

    Returns:
        Matches of the query (first) and the photo (second); of equal rows, the first.
    """
    if similar.size == 0:
        return Matches(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    nearest = similar.argmax(axis=1)
    best = np.take_along_axis(similar, nearest[:, None], axis=1)[:, 0]
    both = np.flatnonzero(best == similar.max(axis=0)[nearest])
    first, kept = np.unique(nearest[both], return_index=True)
    second = both[kept]
    return Matches(first, second, np.sqrt(np.maximum(2.0 - 2.0 * best[second], 0)))


def agreement(query: Features, photo: Features, matches: Matches) -> Agreement:
    """Those of the matches that agree with one another; two places are matched once.

    Args:
        query: its features.
        photo: those of the photo.
        matches: rows of the query (first) and of the photo (second).
    """
    rows = _distinct(query, photo, matches)
    one, two = query.take(matches.first[rows]), photo.take(matches.second[rows])
    inliers = _agreeing(one, two)
    left, top, right, bottom = query.frame
    in_query = one.parts[inliers] * (right - left, bottom - top) + (left, top)
    return Agreement(in_query, two.parts[inliers])


def _distinct(query: Features, photo: Features, matches: Matches) -> npt.NDArray[np.int64]:
    """One match, the nearest, where several join the same two points; rising.

    Detectors give a point with several orientations once for each.
    """
    points = np.zeros(len(matches), np.uint64)
    for keypoints in (query.keypoints[matches.first], photo.keypoints[matches.second]):
        for name in "xy":
            points = points << np.uint64(16) | keypoints[name]
    nearest_first = np.argsort(matches.distance, kind="stable")
    kept = np.unique(points[nearest_first], return_index=True)[1]
    return np.sort(nearest_first[kept])


def _agreeing(one: Features, two: Features) -> npt.NDArray[np.int64]:
    """Rows of the K matches that agree with the best of them, none of them if there are none.

    Match i says that a point p of the first photo lies at turn_i * (p - p_i) + q_i of the second,
    as complex numbers; products of matrices tell how far all are off by all, and how turned.
    """
    if len(one) == 0:
        return np.empty(0, np.int64)
    p, q = ((photo.xy @ (1, 1j)).astype(np.complex64) for photo in (one, two))
    turn = (two.turn_and_size / one.turn_and_size).astype(np.complex64)
    start, zoom, ones = q - turn * p, np.abs(turn), np.ones(len(p), np.float32)
    along = np.stack([p.real, p.imag, ones])  # (3, K)
    off_x = np.column_stack([turn.real, -turn.imag, start.real]) @ along - q.real  # (K, K)
    off_y = np.column_stack([turn.imag, turn.real, start.imag]) @ along - q.imag
    sides = [max(photo.width, photo.height) for photo in (one, two)]
    tolerance = np.float32(TOLERANCE) * np.maximum(zoom * sides[0], sides[1])
    agree = off_x**2 + off_y**2 <= tolerance[:, None] ** 2
    octaves = np.log2(zoom)
    agree &= np.abs(octaves[:, None] - octaves) <= np.log2(MAX_ZOOM)
    towards = np.stack([turn.real, turn.imag]) / zoom
    agree &= towards.T @ towards >= np.cos(MAX_TURN)
    return np.flatnonzero(agree[np.count_nonzero(agree, axis=1).argmax()])
