"""What matching on homography sequences gives, how it is averaged, its table and its chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from statistics import fmean

import numpy as np

from solar.evaluation.report import COLOURS, Table, line_chart, percent

ACCURACY_THRESHOLDS = tuple(range(1, 11))
"""Pixels, for the mean matching accuracy (Mikolajczyk and Schmid; D2-Net, CVPR 2019)."""
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
    """

    sequence: str
    photo: int
    keypoints: tuple[int, int]
    matches: int
    accuracy: tuple[float, ...]
    repeatability: float
    ap: float
    corner_error: float

    def to_json(self) -> dict[str, object]:
        """Plain values; an infinite error is null."""
        finite = isfinite(self.corner_error)
        return {**asdict(self), "corner_error": self.corner_error if finite else None}


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


def table(results: Mapping[str, HomographyResult]) -> Table:
    """Means, in per cent: a line a name, and lines for illumination and viewpoint.

    The last two columns are what `Pace` measured.

    Args:
        results: by name of the method.
    """
    heads = ["homographies, %", *(f"MMA {t} px" for t in (1, 3, 5, 10)), "repeatability", "AP"]
    heads += [f"AUC {t} px" for t in HOMOGRAPHY_THRESHOLDS]
    heads += ["pairs", "patches/s", "photos/s"]
    rows = []
    for name, result in results.items():
        parts = {name: result}
        by_change = {"illumination": result.of("i_"), "viewpoint": result.of("v_")}
        if all(by_change.values()):
            parts |= {f"{name}, {change}": part for change, part in by_change.items() if part}
        rows += [_row(title, part) for title, part in parts.items()]
    return Table(heads, rows)


def _row(title: str, part: HomographyResult) -> list[str]:
    accuracy = [part.accuracy[t - 1] for t in (1, 3, 5, 10)]
    figures = [*accuracy, part.repeatability, part.matching_ap, *part.homography_auc]
    pace = ["", ""]
    if part.pace:
        pace = [f"{part.pace.patches_per_second:,.0f}", f"{part.pace.photos_per_second:.2f}"]
    return [title, *(percent(figure, 1) for figure in figures), str(len(part.pairs)), *pace]


def accuracy_chart(results: Mapping[str, HomographyResult]) -> str:
    """An SVG of mean matching accuracy at 1 to 10 pixels, a line a descriptor.

    Of more descriptors than a chart has colours, the first ones; its title says so.
    """
    shown = list(results.items())[: len(COLOURS)]
    lines = {
        name: [(float(pixels), accuracy) for pixels, accuracy in enumerate(result.accuracy, 1)]
        for name, result in shown
    }
    rest = len(results) - len(shown)
    return line_chart(
        "mean matching accuracy" + (f" (first {len(shown)} of {len(results)})" if rest else ""),
        "pixels",
        "accuracy",
        lines,
        x_ticks=range(1, 11),
        y_ticks=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
    )
