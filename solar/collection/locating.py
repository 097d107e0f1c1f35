"""Where a photo was taken, by photos of an index that show the same place and know where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from solar.collection._earth import agreeing, metres, middle
from solar.index import Hit, Index
from solar.photos import Box, Photo, name_of
from solar.rerank import CHANCE

LOOKED_AT = 50
"""First hits of the search that may prove where a photo was taken."""
PROVES = 0.95
"""Probability from which on a hit proves where a photo was taken. Above that of hits that vouch for
others, for an answer cannot be taken back: the least by which no photo of an absent place was
answered on landmarks-val, see docs/collection.md."""
SUPPORT = 0.5
"""Probability from which on a hit counts, once a surer one agrees with it."""
USUAL = 60.0
"""Metres: how far from the middle photos of one place are usually taken, along one axis."""
WEIGHT = 2.0
"""How many photos the usual counts as."""
WITHIN = 0.95
"""Probability that the photo was taken within the radius, were positions normally distributed."""


@dataclass(frozen=True)
class Proof:
    """A photo that shows the same place, and says where it was taken.

    Attributes:
        id: its number in the index.
        path: of it.
        gps: where: degrees north, degrees east.
        probability: that it shows the same place; None if the model is not calibrated.
        inliers: keypoints that agree; None if none were compared.
        metres: from the position that was found.
    """

    id: int
    path: str
    gps: tuple[float, float]
    probability: float | None
    inliers: int | None
    metres: float


@dataclass(frozen=True)
class Location:
    """Where a photo was taken.

    Attributes:
        latitude: degrees north.
        longitude: degrees east.
        radius: metres within which it very probably was.
        photos: that prove it, the surest first.
        disagreeing: that seem to show the same place too, but say that they were taken elsewhere.
    """

    latitude: float
    longitude: float
    radius: float
    photos: tuple[Proof, ...]
    disagreeing: tuple[Proof, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Located:
    """A photo, and where it was taken.

    Attributes:
        query: its name.
        location: None where nothing is proven.
        reason: why nothing is; empty where something is.
    """

    query: str
    location: Location | None
    reason: str = ""

    def to_json(self) -> dict[str, object]:
        """Plain values; `location` is null where nothing is proven."""
        found = None if self.location is None else self.location.to_json()
        return {"query": self.query, "location": found, "reason": self.reason}


def where(index: Index, photo: Photo | int, box: Box | None = None) -> Located:
    """Find where a photo was taken, by photos of the same place that say where they were.

    Its first hits are verified. Those of which it is sure that they show the same place vote with
    their positions, each with its probability; less sure ones only join them. Positions in one
    neighbourhood count together; unless the strongest one has `MAJORITY` of all votes, or where
    nobody is sure, nothing is proven. The photo's own position is not looked at.

    The radius is that of the posterior predictive distribution: positions of one place are taken
    to be normally distributed about a middle, and how widely is estimated from the photos and from
    what is usual, which counts as `WEIGHT` photos. So one photo alone proves a wide circle.

    Args:
        index: to search.
        photo: any, or the id of one in the index, which proves nothing of itself.
        box: part of it that shows the place, x1, y1, x2, y2 in pixels.

    Raises:
        PhotoError: the photo cannot be used.
        UsageError: the box lies outside the photo, or the index does not hold the id.
        CheckpointError: the index's model cannot be loaded.
        IndexDamaged: a descriptor is damaged.
    """
    own = "geometric" if index.keeps_features else "none"  # a proof stands by itself
    hits = index.search(photo, LOOKED_AT + 1, box, rerank=own)
    hits = [hit for hit in hits if hit.id != photo and _vote(hit) >= SUPPORT]
    name = index[photo].path if isinstance(photo, int) else name_of(photo)
    if not any(_vote(hit) >= PROVES for hit in hits):
        return Located(name, None, "no photo of the index surely shows this place")
    known = [(hit, gps) for hit in hits if (gps := index[hit.id].gps) is not None]
    if not any(_vote(hit) >= PROVES for hit, _ in known):
        return Located(name, None, "photos show this place, but none says where it was taken")
    return _located(name, known)


def _vote(hit: Hit) -> float:
    """How probable it is that a hit shows the place, 0 to 1."""
    if hit.probability is None:
        return float((hit.inliers or 0) > CHANCE)
    return hit.probability


def _located(name: str, known: Sequence[tuple[Hit, tuple[float, float]]]) -> Located:
    positions = np.array([gps for _, gps in known])  # (K, 2)
    votes = np.array([_vote(hit) for hit, _ in known])
    group = agreeing(positions, votes)
    if group is None or votes[group].max() < PROVES:
        places = f"{len(known)} photos of this place were taken, as they say, at different ones"
        return Located(name, None, places)
    latitude, longitude = middle(positions[group])
    away = metres(positions, np.array([latitude, longitude]))
    proofs = [
        Proof(hit.id, hit.path, gps, hit.probability, hit.inliers, round(float(distance), 1))
        for (hit, gps), distance in zip(known, away, strict=True)
    ]
    inside = set(group.tolist())
    return Located(
        name,
        Location(
            round(latitude, 6),
            round(longitude, 6),
            round(_radius(away[group].tolist())),
            tuple(proof for n, proof in enumerate(proofs) if n in inside),
            tuple(proof for n, proof in enumerate(proofs) if n not in inside),
        ),
    )


def _radius(away: Sequence[float]) -> float:
    """Metres within which one more photo lies, by how far K > 0 others lie from their middle.

    With a scaled inverse chi-square prior of 2 `WEIGHT` degrees of freedom on the variance along
    an axis, and a flat one on the middle, it is a Student t in two dimensions with
    nu = 2 WEIGHT + 2 (K - 1) degrees of freedom, and lies within r with the probability
    1 - (1 + r^2 / (nu s^2))^(-nu / 2), s^2 = (1 + 1 / K) (2 WEIGHT USUAL^2 + sum of d^2) / nu
    (Gelman et al., Bayesian Data Analysis, 3.2 and 3.6).
    """
    count, squares = len(away), float(np.square(away).sum())
    freedom = 2 * WEIGHT + 2 * (count - 1)
    variance = (1 + 1 / count) * (2 * WEIGHT * USUAL**2 + squares) / freedom
    radius: float = (freedom * variance * ((1 - WITHIN) ** (-2 / freedom) - 1)) ** 0.5
    return radius
