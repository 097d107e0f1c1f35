"""Two photos of one plane, matched and compared with the known homography."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from statistics import fmean

import numpy as np
import numpy.typing as npt

from solar.evaluation.average_precision import ranked_average_precision
from solar.features.keypoints import Keypoints
from solar.matching import Match
from solar.matching.geometry import corner_error, fit
from solar.matching.nearest import mutual_nearest, nearest
from solar.photos.plane import FloatArray, Matrix, project
from solar.typing import Descriptors

CORRECT = 3.0
"""Pixels within which a match counts for repeatability and average precision."""


ACCURACY_THRESHOLDS = tuple(range(1, 11))
"""Pixels, for the mean matching accuracy (Mikolajczyk and Schmid; D2-Net, CVPR 2019)."""
SHOWN_PX = (1, 3, 5, 10)  # of these, in tables
HOMOGRAPHY_THRESHOLDS = (1, 3, 5)
"""Pixels of corner error, for the homography AUC (SuperPoint, CVPRW 2018; LightGlue, ICCV 2023)."""


@dataclass(frozen=True)
class PairResult:
    """Photo 1 of a sequence against another.

    Attributes:
        sequence: its name.
        photo: number of the other photo, from 2.
        keypoints: how many in photo 1 and in the other.
        matches: mutual nearest neighbours.
        accuracy: share of the matches within 1, 2, ... 10 px of the truth; 0 without matches.
        repeatability: share of the keypoints in the common view of both photos that have a
            keypoint of the other within 3 px of where they lie there (SuperPoint's definition).
        ap: average precision of the matches ranked by distance, within 3 px being correct;
            positives are the keypoints of photo 1 with one of the other photo within 3 px.
        corner_error: mean error of the corners, in pixels, of the homography fitted to the
            matches; infinite where none was found.
        shown: the matches, those that are right as inliers, for pictures.
    """

    sequence: str
    photo: int
    keypoints: tuple[int, int]
    matches: int
    accuracy: tuple[float, ...]
    repeatability: float
    ap: float
    corner_error: float
    shown: Match | None = field(default=None, compare=False, repr=False)

    def to_json(self) -> dict[str, object]:
        """Plain values; an infinite error is null."""
        values = {name: value for name, value in vars(self).items() if name != "shown"}
        return values | {"corner_error": self.corner_error if isfinite(self.corner_error) else None}


@dataclass(frozen=True)
class Pace:
    """How long a descriptor took, on the machine that measured it.

    Attributes:
        photos: how many were described.
        patches: their keypoints.
        detecting: seconds in which keypoints were found.
        describing: seconds in which they were described, cutting patches included.
    """

    photos: int
    patches: int
    detecting: float
    describing: float

    def plus(self, patches: int, detecting: float, describing: float) -> Pace:
        """With one photo more."""
        return Pace(
            self.photos + 1,
            self.patches + patches,
            self.detecting + detecting,
            self.describing + describing,
        )

    @property
    def patches_per_second(self) -> float:
        """Described, from the photo to the rows."""
        return self.patches / max(self.describing, 1e-9)

    @property
    def photos_per_second(self) -> float:
        """Detected and described."""
        return self.photos / max(self.detecting + self.describing, 1e-9)


@dataclass(frozen=True)
class HomographyResult:
    """All pairs of some sequences, at least one; every figure is a mean over pairs.

    Attributes:
        pairs: in the order of the sequences.
        pace: of all photos; None where only some pairs of a run are meant.
    """

    pairs: tuple[PairResult, ...]
    pace: Pace | None = None

    @property
    def accuracy(self) -> tuple[float, ...]:
        """Mean matching accuracy at 1, 2, ... 10 px."""
        return tuple(
            fmean(column) for column in zip(*(p.accuracy for p in self.pairs), strict=True)
        )

    @property
    def repeatability(self) -> float:
        """Mean repeatability at 3 px."""
        return fmean(pair.repeatability for pair in self.pairs)

    @property
    def matching_ap(self) -> float:
        """Mean average precision of the matches at 3 px."""
        return fmean(pair.ap for pair in self.pairs)

    @property
    def homography_auc(self) -> tuple[float, ...]:
        """Area under the curve of corner errors up to 1, 3 and 5 px, each 0 to 1."""
        errors = [pair.corner_error for pair in self.pairs]
        return tuple(error_auc(errors, threshold) for threshold in HOMOGRAPHY_THRESHOLDS)

    def of(self, change: str) -> HomographyResult | None:
        """The part of HPatches whose names start with "i_" or "v_"; None if there is none."""
        pairs = tuple(pair for pair in self.pairs if pair.sequence.startswith(change))
        return HomographyResult(pairs) if pairs else None

    def figures(self) -> dict[str, object]:
        """What `solar eval compare` compares; see `PatchReport`."""
        parts = {f"MMA {t} px": [pair.accuracy[t - 1] for pair in self.pairs] for t in SHOWN_PX}
        parts["repeatability"] = [pair.repeatability for pair in self.pairs]
        parts["AP"] = [pair.ap for pair in self.pairs]
        units = [pair.sequence for pair in self.pairs]
        return {n: {"value": fmean(v), "parts": v, "units": units} for n, v in parts.items()}

    def to_json(self) -> dict[str, object]:
        """Plain values for a report."""
        pace = self.pace
        return {
            "accuracy": dict(zip(map(str, ACCURACY_THRESHOLDS), self.accuracy, strict=True)),
            "repeatability": self.repeatability,
            "matching_ap": self.matching_ap,
            "homography_auc": dict(
                zip(map(str, HOMOGRAPHY_THRESHOLDS), self.homography_auc, strict=True)
            ),
            "patches_per_second": pace and pace.patches_per_second,
            "photos_per_second": pace and pace.photos_per_second,
            "pairs": [pair.to_json() for pair in self.pairs],
        }


@dataclass(frozen=True)
class DescribedPhoto:
    """A photo's (height, width), keypoints, and (N, D) descriptors."""

    shape: tuple[int, int]
    keypoints: Keypoints
    descriptors: Descriptors


def score_pair(
    first: DescribedPhoto,
    other: DescribedPhoto,
    homography: Matrix,
    sequence: str,
    photo: int,
    *,
    ratio: float | None = None,
) -> PairResult:
    """Match two photos and compare with the truth.

    Args:
        first: photo 1.
        other: the other photo.
        homography: (3, 3), pixels of photo 1 to the other.
        sequence: its name, for the result.
        photo: number of the other photo, for the result.
        ratio: see `homographies`.
    """
    a, b = first.keypoints.xy, other.keypoints.xy
    matches = mutual_nearest(first.descriptors, other.descriptors, ratio=ratio)
    left, right = a[matches.first], b[matches.second]
    errors = np.linalg.norm(project(homography, left) - right, axis=1)
    positives = int((_distance_to_nearest(project(homography, a), b) <= CORRECT).sum())
    estimate, _ = fit("homography", left, right)
    keypoints, sizes = (first.keypoints, other.keypoints), (first.shape[::-1], other.shape[::-1])
    return PairResult(
        sequence=sequence,
        photo=photo,
        keypoints=(len(a), len(b)),
        matches=len(matches),
        accuracy=tuple(
            float((errors <= threshold).mean()) if len(errors) else 0.0
            for threshold in ACCURACY_THRESHOLDS
        ),
        repeatability=repeatability(a, b, homography, first.shape, other.shape),
        ap=ranked_average_precision(matches.distance, errors <= CORRECT, positives),
        corner_error=corner_error(estimate, homography, first.shape),
        shown=Match(keypoints, matches, errors <= CORRECT, estimate, "homography", sizes),
    )


def repeatability(
    a: FloatArray,
    b: FloatArray,
    homography: Matrix,
    shape_a: tuple[int, int],
    shape_b: tuple[int, int],
) -> float:
    """Share of the keypoints seen by both photos that were found in both, within 3 px.

    Args:
        a: (N, 2) keypoints of photo A.
        b: (M, 2) keypoints of photo B.
        homography: (3, 3), A to B.
        shape_a: (height, width) of A.
        shape_b: (height, width) of B.

    Returns:
        (found of A + found of B) / (all of A + all of B), counting keypoints that in the
        other photo lie within its frame; distances are measured in B. 0 if there are none.
    """
    mapped = project(homography, a)
    mapped = mapped[_inside(mapped, shape_b)]
    seen = b[_inside(project(np.linalg.inv(homography), b), shape_a)]
    if len(mapped) + len(seen) == 0:
        return 0.0
    found = (_distance_to_nearest(mapped, seen) <= CORRECT).sum()
    found += (_distance_to_nearest(seen, mapped) <= CORRECT).sum()
    return float(found / (len(mapped) + len(seen)))


def error_auc(errors: Sequence[float], threshold: float) -> float:
    """Area under the recall curve of errors up to a threshold, divided by the threshold.

    The curve joins (0, 0) and (e_k, k / n) of the ascending errors linearly, and is flat from the
    last error within the threshold on (SuperGlue, CVPR 2020).

    Args:
        errors: n of them, at least one; infinite for failures.
        threshold: same unit.

    Returns:
        0 to 1.
    """
    within = sorted(error for error in errors if error <= threshold)
    recall = np.arange(len(within) + 1) / len(errors)
    x = np.array([0.0, *within, threshold])
    y = np.append(recall, recall[-1])
    return float((np.diff(x) * (y[1:] + y[:-1]) / 2).sum() / threshold)


def _inside(points: FloatArray, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    height, width = shape
    x, y = points[:, 0], points[:, 1]
    return np.asarray((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1))


def _distance_to_nearest(points: FloatArray, others: FloatArray) -> Matrix:
    """(N,) distances of points to the nearest of others; infinite if there is none."""
    distances = np.full(len(points), np.inf)
    finite = np.isfinite(points).all(axis=1)
    if len(others) and finite.any():
        distances[finite] = nearest(points[finite], others)[1]
    return distances
