"""Two reports side by side: is the difference larger than the choice of queries could make?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solar.errors import UsageError
from solar.evaluation.report.report import Report
from solar.evaluation.report.table import Table, percent

RESAMPLES = 10_000
_AT_ONCE = 2**22

_UNCOMPARED = ("dataset", "ground_truth", "queries", "database")


@dataclass(frozen=True)
class Difference:
    """How much higher the mAP of B is than that of A.

    Attributes:
        a: mAP of A, 0 to 1.
        b: mAP of B.
        difference: b - a.
        low: lower end of the 95 % interval of the difference.
        high: upper end.
        queries: how many were counted.
    """

    a: float
    b: float
    difference: float
    low: float
    high: float
    queries: int

    @property
    def within_noise(self) -> bool:
        """Whether the interval holds 0."""
        return self.low <= 0 <= self.high


@dataclass(frozen=True)
class Comparison:
    """Report B against report A.

    Attributes:
        dataset: of both.
        differences: by protocol.
        settings: those that differ: the value of A, the value of B.
    """

    dataset: str
    differences: Mapping[str, Difference]
    settings: Mapping[str, tuple[Any, Any]]

    def to_json(self) -> dict[str, Any]:
        """One object."""
        return {
            "dataset": self.dataset,
            "differences": {
                name: {**asdict(value), "within_noise": value.within_noise}
                for name, value in self.differences.items()
            },
            "settings": {name: list(values) for name, values in self.settings.items()},
        }

    def to_markdown(self) -> str:
        """A table of the figures and one of the settings that differ."""
        rows = [
            (
                name,
                percent(value.a),
                percent(value.b),
                f"{100 * value.difference:+.2f}",
                f"{100 * value.low:+.2f} … {100 * value.high:+.2f}",
                str(value.queries),
                "within noise" if value.within_noise else "a difference",
            )
            for name, value in self.differences.items()
        ]
        heads = ("protocol", "mAP A", "mAP B", "B − A", "95 % interval", "queries", "")
        settings = [(name, str(a), str(b)) for name, (a, b) in self.settings.items()]
        tables = Table(heads, rows), Table(("setting", "A", "B"), settings)
        return f"# {self.dataset}: A and B\n\n" + "\n".join(t.to_markdown() for t in tables)


def compare(a: Report, b: Report, *, resamples: int = RESAMPLES, seed: int = 0) -> Comparison:
    """Put two reports of one data set side by side.

    Args:
        a: one report.
        b: another, on the same queries.
        resamples: of the paired bootstrap.
        seed: of its draws.

    Raises:
        UsageError: the reports are not of the same queries and labels.
    """
    if a.dataset != b.dataset or a.protocol.get("ground_truth") != b.protocol.get("ground_truth"):
        raise UsageError(
            f"{a.dataset} and {b.dataset}: only reports of the same ground truth can be compared"
        )
    if a.queries != b.queries or a.results.keys() != b.results.keys():
        raise UsageError(f"{a.dataset}: the two reports have other queries or protocols")
    names = {**a.protocol, **b.protocol}
    return Comparison(
        dataset=a.dataset,
        differences={
            name: paired_bootstrap(a.results[name].ap, b.results[name].ap, resamples, seed)
            for name in a.results
            if a.results[name].map is not None
        },
        settings={
            name: (a.protocol.get(name), b.protocol.get(name))
            for name in names
            if name not in _UNCOMPARED and a.protocol.get(name) != b.protocol.get(name)
        },
    )


def paired_bootstrap(
    a: Sequence[float | None], b: Sequence[float | None], resamples: int, seed: int
) -> Difference:
    """Percentile interval of the difference of means, both drawn on the same queries.

    Args:
        a: AP per query; None where it has no positives.
        b: the same for the other, None at the same queries.
        resamples: how often as many queries are drawn with replacement.
        seed: of the draws.

    Raises:
        UsageError: other queries have positives in b than in a, or none has.
    """
    first, second = _counted(a), _counted(b)
    if not np.array_equal(np.isnan(first), np.isnan(second)) or np.isnan(first).all():
        raise UsageError("the two reports have no AP for the same queries")
    first, second = (x[~np.isnan(x)] for x in (first, second))
    gain = second - first
    draws = np.random.default_rng(seed)
    size = len(gain)
    step = max(1, _AT_ONCE // size)
    means = np.concatenate(
        [
            gain[draws.integers(0, size, (min(step, resamples - start), size))].mean(axis=1)
            for start in range(0, resamples, step)
        ]
    )
    low, high = np.percentile(means, [2.5, 97.5])
    return Difference(
        float(first.mean()), float(second.mean()), float(gain.mean()), float(low), float(high), size
    )


def _counted(ap: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in ap], np.float64)
