"""Two reports side by side: is the difference larger than the choice of queries could make?"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from solar.errors import SolarError, UsageError
from solar.evaluation.report.bootstrap import RESAMPLES, mean_interval
from solar.evaluation.report.report import PROTOCOLS, Report, parse_report, report_file
from solar.evaluation.report.table import Table, percent
from solar.files import MEGABYTE, read_json, shown
from solar.typing import AnyPath

_UNCOMPARED = ("dataset", "ground_truth", "queries", "database")
_PATCHES = ("phototour", "hpatches", "homographies")


@dataclass(frozen=True)
class Measured:
    """One figure of a report.

    Attributes:
        value: 0 to 1; None where there is nothing to measure.
        parts: whose mean it is, of queries or pairs of photos; None for those that do not count.
        units: what each belongs to: parts of one unit are drawn together.
    """

    value: float | None
    parts: Sequence[float | None] = ()
    units: Sequence[Hashable] = ()


@dataclass(frozen=True)
class Difference:
    """How much higher a figure of B is than that of A.

    Attributes:
        a: of A, 0 to 1.
        b: of B.
        difference: b - a.
        low: lower end of the 95 % interval of the difference; None where no interval is known.
        high: upper end.
        parts: how many queries or pairs were counted.
        units: how many places or sequences they belong to.
    """

    a: float
    b: float
    difference: float
    low: float | None = None
    high: float | None = None
    parts: int = 0
    units: int = 0

    @property
    def within_noise(self) -> bool | None:
        """Whether the interval holds 0; None where there is none."""
        if self.low is None or self.high is None:
            return None
        return self.low <= 0 <= self.high


@dataclass(frozen=True)
class Comparison:
    """Report B against report A.

    Attributes:
        dataset: of both.
        differences: by figure.
        settings: those that differ: the value of A, the value of B.
        unit: what is drawn anew: "place" or "sequence".
        resamples: of the bootstrap.
        seed: of its draws.
    """

    dataset: str
    differences: Mapping[str, Difference]
    settings: Mapping[str, tuple[Any, Any]]
    unit: str
    resamples: int
    seed: int

    def to_json(self) -> dict[str, Any]:
        """One object."""
        return {
            **asdict(self),
            "differences": {
                name: {**asdict(value), "within_noise": value.within_noise}
                for name, value in self.differences.items()
            },
            "settings": {name: list(values) for name, values in self.settings.items()},
        }

    def to_markdown(self) -> str:
        """A table of the figures and one of the settings that differ."""
        rows = [_row(name, value) for name, value in self.differences.items()]
        parts = "queries" if self.unit == "place" else "pairs"
        heads = ("figure, %", "A", "B", "B − A", "95 % interval", parts, f"{self.unit}s", "")
        words = {
            "95 % interval": f"of the difference, by a paired bootstrap: {self.resamples} times as "
            f"many {self.unit}s are drawn anew as there are, with all their {parts}; seed "
            f"{self.seed}",
            "within noise": "the interval holds 0",
        }
        if self.unit == "place":
            words["places"] = "queries that share positives are of one place"
        settings = [(name, str(a), str(b)) for name, (a, b) in self.settings.items()]
        tables = Table(heads, rows, words), Table(("setting", "A", "B"), settings)
        return f"# {self.dataset}: A and B\n\n" + "\n".join(t.to_markdown() for t in tables)


def _row(name: str, value: Difference) -> tuple[str, ...]:
    interval = said = "–"
    if value.low is not None and value.high is not None:
        interval = f"{100 * value.low:+.2f} … {100 * value.high:+.2f}"
        said = "within noise" if value.within_noise else "a difference"
    counts = (str(count) if count else "–" for count in (value.parts, value.units))
    gain = f"{100 * value.difference:+.2f}"
    return (name, percent(value.a), percent(value.b), gain, interval, *counts, said)


@dataclass(frozen=True)
class _Side:
    """What of a report is compared: only reports of the same `data` can be."""

    name: str
    data: str
    unit: str
    protocol: Mapping[str, Any]
    figures: Mapping[str, Measured]


def compare(
    a: Report | AnyPath, b: Report | AnyPath, *, resamples: int = RESAMPLES, seed: int = 0
) -> Comparison:
    """Put two reports of one data set side by side.

    Args:
        a: one report, its file or its folder.
        b: another, on the same queries or pairs.
        resamples: of the paired bootstrap.
        seed: of its draws.

    Raises:
        UsageError: the reports are not of the same queries and labels.
        SolarError: a file is missing or damaged.
    """
    one, other = (_retrieval(x) if isinstance(x, Report) else _read(x) for x in (a, b))
    if (one.name, one.data) != (other.name, other.data):
        what = f"{one.name} and {other.name}"
        raise UsageError(f"{what}: only reports of the same ground truth can be compared")
    both = [name for name in one.figures if name in other.figures]
    if not both or any(one.figures[name].units != other.figures[name].units for name in both):
        raise UsageError(f"{one.name}: the two reports have other queries, pairs or protocols")
    names = {**one.protocol, **other.protocol}
    return Comparison(
        dataset=one.name,
        differences={
            name: _difference(one.figures[name], other.figures[name], resamples, seed)
            for name in both
            if None not in (one.figures[name].value, other.figures[name].value)
        },
        settings={
            name: (one.protocol.get(name), other.protocol.get(name))
            for name in names
            if name not in _UNCOMPARED and one.protocol.get(name) != other.protocol.get(name)
        },
        unit=one.unit,
        resamples=resamples,
        seed=seed,
    )


def _read(path: AnyPath) -> _Side:
    file = report_file(path)
    raw = read_json(file, 64 * MEGABYTE)
    if not isinstance(raw, Mapping) or raw.get("benchmark") not in _PATCHES:
        return _retrieval(parse_report(raw, file))
    try:
        figures = {name: Measured(**figure) for name, figure in raw["figures"].items()}
        return _Side(raw["benchmark"], str(raw["data"]), "sequence", raw["protocol"], figures)
    except (KeyError, TypeError, AttributeError) as error:
        raise SolarError(f"{file}: not a report of 'solar eval' ({shown(error)})") from error


def _retrieval(report: Report) -> _Side:
    """Its mAP by protocol, and by number of dimensions."""
    sizes = {f", {size}-D": results for size, results in report.by_dimension.items()}
    figures = {
        f"mAP {name}{size}": Measured(results[name].map, results[name].ap, report.places)
        for name in PROTOCOLS
        for size, results in {"": report.results, **sizes}.items()
        if name in results
    }
    truth = f"{report.protocol.get('ground_truth')} {report.queries}"
    return _Side(report.dataset, truth, "place", report.protocol, figures)


def _difference(a: Measured, b: Measured, resamples: int, seed: int) -> Difference:
    if not a.parts:
        assert a.value is not None and b.value is not None  # noqa: S101 - the caller looked
        return Difference(a.value, b.value, b.value - a.value)
    return paired_bootstrap(a.parts, b.parts, a.units, resamples, seed)


def paired_bootstrap(
    a: Sequence[float | None],
    b: Sequence[float | None],
    units: Sequence[Hashable],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """Percentile interval of the difference of means, both drawn on the same units.

    Args:
        a: AP per query; None where it has no positives.
        b: the same for the other, None at the same queries.
        units: the place of each query; see `mean_interval`.
        resamples: how often as many units are drawn with replacement.
        seed: of the draws.

    Returns:
        The difference; without an interval where there is but one unit.

    Raises:
        UsageError: other queries have positives in b than in a, or none has.
    """
    first, second = (np.array([np.nan if x is None else x for x in ap]) for ap in (a, b))
    if first.shape != second.shape or np.isnan(first).all():
        raise UsageError("the two reports have no AP for the same queries")
    counted = ~np.isnan(first)
    if not np.array_equal(counted, ~np.isnan(second)):
        raise UsageError("the two reports have no AP for the same queries")
    gain = (second - first)[counted]
    of = [unit for unit, counts in zip(units, counted, strict=True) if counts]
    means = first[counted].mean(), second[counted].mean(), gain.mean()
    a_mean, b_mean, mean = map(float, means)
    low, high = mean_interval(gain, of, resamples, seed) or (None, None)
    return Difference(a_mean, b_mean, mean, low, high, len(gain), len(set(of)))
