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

from solar.features.features import Features, unit_rows
from solar.features.keypoints import FloatArray
from solar.matching.nearest import Matches
from solar.matching.verification import distinct_matches
from solar.ranking import Evidence, Line, Ranking
from solar.rerank.protocol import View

CHANCE = 7
"""Inliers that unrelated photos reach: 999 of 1000 pairs of photos of different places in a
validation set of landmarks have at most so many."""
TOLERANCE = 0.03
"""Of the longer side of a photo: how far an inlier may be from where the others say."""
MAX_ZOOM = 2.0
"""Between the scale of an inlier and that of the others."""
MAX_TURN = np.deg2rad(30)
"""Between the angle of an inlier and that of the others."""

_PHOTOS_AT_ONCE = 8  # Their similarities stay in the processor's cache.


@dataclass(frozen=True)
class Geometric:
    """Puts hits first whose keypoints agree with the query's, and tells how many do.

    Attributes:
        first: hits that are verified; all others keep their places.
    """

    first: int = 100
    name: ClassVar[str] = "geometric"
    needs_features: ClassVar[bool] = True

    @property
    def description(self) -> str:
        """See `Reranker.description`."""
        return f"geometric: the first {self.first} by inliers above {CHANCE}"

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
        inliers = [
            evidence[number].inliers if number in evidence else None for number in ids.tolist()
        ]
        return ranking.reordered(order(inliers), evidence)


def _most(agreements: Sequence[Agreement]) -> Evidence:
    """What the most inliers of a hit with any photo of the query say."""
    query, best = max(enumerate(agreements), key=lambda each: each[1].inliers)
    return replace(best.evidence(), query=query)


def trusted(evidence: Evidence | None) -> bool:
    """Whether more keypoints of a hit agree with the query's than chance gives."""
    return evidence is not None and evidence.inliers > CHANCE


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
        similar = unit_rows(np.concatenate([photo.descriptors for photo in block])) @ sought
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
    matches = distinct_matches(query.parts, photo.parts, matches)
    one, two = _Seen(query, matches.first), _Seen(photo, matches.second)
    inliers = _agreeing(one, two)
    left, top, right, bottom = query.frame
    in_query = query.parts[matches.first[inliers]] * (right - left, bottom - top) + (left, top)
    return Agreement(in_query, photo.parts[matches.second[inliers]])


class _Seen:
    """The matched keypoints (K,) of one photo.

    Attributes:
        place: x + iy, in pixels.
        turn: size times e^(i angle).
        tolerance: in pixels.
    """

    def __init__(self, features: Features, rows: npt.NDArray[np.int64]) -> None:
        x, y = features.xy[rows].T
        self.place = x + 1j * y
        self.turn = features.turn_and_size[rows]
        self.tolerance = TOLERANCE * max(features.width, features.height)


def _agreeing(one: _Seen, two: _Seen) -> npt.NDArray[np.int64]:
    """Rows of the matches that agree with the best of them, none of them if there are none."""
    if len(one.place) == 0:
        return np.empty(0, np.int64)
    turn = two.turn / one.turn
    off = turn[:, None] * (one.place - one.place[:, None]) - (two.place - two.place[:, None])
    zoom = np.abs(turn)
    tolerance = np.maximum(two.tolerance, zoom * one.tolerance)
    agree = off.real**2 + off.imag**2 <= tolerance[:, None] ** 2
    agree &= np.abs(np.subtract.outer(np.log(zoom), np.log(zoom))) <= np.log(MAX_ZOOM)
    towards = turn / zoom
    cosine = np.outer(towards.real, towards.real) + np.outer(towards.imag, towards.imag)
    agree &= cosine >= np.cos(MAX_TURN)
    return np.flatnonzero(agree[agree.sum(axis=1).argmax()])
