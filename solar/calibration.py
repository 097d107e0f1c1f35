"""How probable it is that a hit shows the query's place: from its cosine, and from geometry.

A cosine alone says little: what unrelated photos reach differs from network to network, from
collection to collection, and from query to query. So its margin is taken over the cosines of the
query and a sample of the index, counted in their spread, and a logistic regression makes a
probability of the margin and, where keypoints were compared, of the inliers. What probable hits
lend to their neighbours is added to that, see `solar.rerank.support`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solar.errors import UsageError
from solar.typing import Descriptor, Descriptors, Ids

SAMPLE = 512
"""Photos of an index that its background is measured with."""
FLOOR = 4
"""Inliers that any two photos have."""

_TRUST = 20  # Photos whose measured background counts as much as the usual one.
_LEAST_SPREAD = 0.01
_MOST = 1e3  # Of a weight.

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Level:
    """Where the cosines of photos lie that mostly show different places.

    Only the lower half is looked at, since photos of one place are in the upper one.

    Attributes:
        middle: the median.
        spread: how far the lowest sixth lies below it: a standard deviation, were they normal.
        count: photos that it was measured with.
    """

    middle: float
    spread: float
    count: int

    @classmethod
    def of(cls, cosines: NDArray[np.float32], count: int) -> Level:
        """Measure cosines (K,), which may be none."""
        if not len(cosines):
            return cls(0.0, _LEAST_SPREAD, 0)
        low, middle = np.quantile(cosines, [0.16, 0.5]).tolist()
        return cls(middle, max(middle - low, _LEAST_SPREAD), count)

    def towards(self, usual: Level) -> Level:
        """Drawn to what is usual, the more the fewer photos it was measured with."""
        part = self.count / (self.count + _TRUST)
        return Level(
            part * self.middle + (1 - part) * usual.middle,
            part * self.spread + (1 - part) * usual.spread,
            self.count,
        )


@dataclass(frozen=True)
class Background:
    """What a query's cosines are compared with.

    Attributes:
        query: cosines of the query and a sample of the index.
        index: cosines of the sample's photos with one another.
    """

    query: Level
    index: Level

    @classmethod
    def of(cls, query: Descriptor, sample: Descriptors, index: Level) -> Background:
        """Measure a query (D,) against a sample (K, D), whose own level is known."""
        return cls(Level.of(sample @ query, len(sample)), index)


def index_level(sample: Descriptors) -> Level:
    """Of the cosines of a sample (K, D) of an index with one another."""
    cosines = sample @ sample.T
    return Level.of(cosines[np.triu_indices(len(sample), 1)], len(sample))


def sample_rows(count: int) -> Ids:
    """Which of `count` photos are the sample: at most `SAMPLE`, evenly."""
    return np.unique(np.linspace(0, count - 1, min(count, SAMPLE)).round().astype(np.int64))


@dataclass(frozen=True)
class Weights:
    """Of a logistic regression; likeness never speaks against a hit.

    Attributes:
        constant: added to all.
        margin: of the margin, 0 or more.
        inliers: of the logarithm of the inliers above `FLOOR` that lie apart, 0 or more.
    """

    constant: float
    margin: float
    inliers: float = 0.0

    def __post_init__(self) -> None:
        _require_weights(self)

    def logits(self, columns: Floats) -> Floats:
        """Of `Calibration.columns` (K, 2): (K,)."""
        found: Floats = self.constant + columns @ np.array([self.margin, self.inliers])
        return found

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Weights:
        """Read what `asdict` gave; raises as `Calibration.from_json`."""
        return cls(*(float(values[name]) for name in ("constant", "margin", "inliers")))


@dataclass(frozen=True)
class Supported:
    """Of a logistic regression on one number: a hit's own logit and its support, in one.

    Attributes:
        constant: added to all.
        slope: of that number, 0 or more.
    """

    constant: float = 0.0
    slope: float = 1.0

    def __post_init__(self) -> None:
        _require_weights(self)

    def logits(self, own: Floats, support: Floats) -> Floats:
        """Of hits (K,) with logits of their own and support (K,), 0 or more."""
        found: Floats = self.constant + self.slope * with_support(own, support)
        return found

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Supported:
        """Read what `asdict` gave; raises as `Calibration.from_json`."""
        return cls(float(values["constant"]), float(values["slope"]))


def with_support(own: Floats, support: Floats) -> Floats:
    """Logits (K,) of what is so with probability p, or by one of `support` events on average.

    1 - (1 - p) exp(-support), without rounding to 1.
    """
    mean = np.maximum(np.logaddexp(0, own) + support, np.finfo(np.float64).tiny)
    found: Floats = mean + np.log(-np.expm1(-mean))
    return found


def _require_weights(weights: Weights | Supported) -> None:
    for name, value in asdict(weights).items():
        if not abs(value) <= _MOST or (name != "constant" and value < 0):  # NaN as well.
            raise UsageError(f"calibration: {name} is {value:g}: use 0 to {_MOST:g}")


@dataclass(frozen=True)
class Calibration:
    """What makes probabilities of the cosines of one network.

    Attributes:
        fingerprint: of the network; see `solar.extraction.Extraction`.
        descriptors: where nothing but descriptors is known of a hit.
        verified: where keypoints were compared as well.
        supported: of either, where the hits around it were asked too.
        usual: what indexes are like that it was learned from; one of few photos is taken to be.
        learned_from: photos, cases and features, in words.
    """

    fingerprint: str
    descriptors: Weights
    verified: Weights
    supported: Supported
    usual: Level
    learned_from: str = ""

    def logits(
        self,
        cosines: NDArray[np.floating[Any]],
        inliers: Sequence[int | None],
        background: Background,
    ) -> Floats:
        """The logarithms of the odds that hits (K,) show the query's place.

        Args:
            cosines: of the hits and the query.
            inliers: of the hits, those that lie apart, see `solar.ranking.Evidence`; None where
                keypoints were not compared.
            background: of the query and the index.
        """
        rows = columns(cosines, inliers, background, self.usual)
        known = np.array([count is not None for count in inliers], bool)
        return np.where(known, self.verified.logits(rows), self.descriptors.logits(rows))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Calibration:
        """Read what `to_json` gave.

        Raises:
            KeyError: a value is missing.
            TypeError: a value is of another kind; ValueError likewise.
            UsageError: a value is out of range.
        """
        usual = values["usual"]
        level = Level(float(usual["middle"]), float(usual["spread"]), int(usual["count"]))
        if not (abs(level.middle) <= 1 and _LEAST_SPREAD <= level.spread <= 1):
            raise UsageError(f"calibration: usual is {level}: use -1 to 1, and 0.01 to 1")
        return cls(
            str(values["fingerprint"]),
            Weights.from_json(values["descriptors"]),
            Weights.from_json(values["verified"]),
            Supported.from_json(values["supported"]),
            level,
            str(values["learned_from"]),
        )


def columns(
    cosines: NDArray[np.floating[Any]],
    inliers: Sequence[int | None],
    background: Background,
    usual: Level,
) -> Floats:
    """What is known of hits (K,), as `Weights` weighs it: margin and logarithm of inliers (K, 2).

    The margin is the cosine less the middle of the query's level, in the greater of the spreads of
    query and index.

    Args:
        cosines: of the hits and the query.
        inliers: of the hits; None, where keypoints were not compared, is as 0.
        background: of the query and the index.
        usual: what both are drawn to.
    """
    query, index = background.query.towards(usual), background.index.towards(usual)
    margins = (np.asarray(cosines, np.float64) - query.middle) / max(query.spread, index.spread)
    agree = [math.log1p(max((count or 0) - FLOOR, 0)) for count in inliers]
    return np.column_stack([margins, np.array(agree, np.float64)])


def probabilities(logits: Floats) -> Floats:
    """0 to 1, of logarithms of odds."""
    found: Floats = 1 / (1 + np.exp(-np.clip(logits, -500, 500)))
    return found
