"""The result of an evaluation with everything needed to repeat it: `report.json` and Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from solar.errors import SolarError
from solar.evaluation.report.bootstrap import mean_interval
from solar.evaluation.report.published import published_maps
from solar.evaluation.report.table import Table, figure, percent
from solar.evaluation.report.writing import JSON, write_files
from solar.files import MEGABYTE, read_json, shown
from solar.typing import AnyPath

PROTOCOLS = ("easy", "medium", "hard", "classic")
_BY_K = ("mp_at", "p_at", "recall_at")

_PROTOCOL_WORDS = {
    "easy": "positives are the photos labelled easy; hard and junk ones do not count",
    "medium": "positives are the photos labelled easy or hard; junk ones do not count",
    "hard": "positives are the photos labelled hard; easy and junk ones do not count",
    "classic": "positives are the photos labelled ok, or of the query's place or pair; junk ones "
    "do not count",
}
FINDS_NONE = "finds none"
"""Setting `without_positives` of benchmarks whose queries all count."""

_INTERVAL = "95 % interval"
_RESAMPLES = 1_000  # so that 60,000 queries take no ten seconds
_FIGURE_WORDS = {
    "mAP": "mean over queries of the average precision, by the trapezoidal rule (revisitop)",
    _INTERVAL: "of that mean, had other places been asked for: a bootstrap over places, whose "
    "queries share positives",
    "mP@k": "share of positives among the first k, k being at most the place of the last positive "
    "(revisitop)",
    "P@k": "share of positives among the first k, whatever their number",
    "R@k": "share of the queries with a positive among the first k",
    "queries": "that have positives: the others are in no mean",
    "query left out": "a query that is itself in the database does not count in its own ranking",
}
_ALL_WORDS = "all: one without positives finds none"
_CUT_WORDS = (
    "mean over queries of the precisions at the positives among the first k, summed, over the "
    "lesser of k and the number of positives"
)
_FOUR = 4
_NS_WORDS = (
    "of the four photos of the query's object, itself among them, how many are among the "
    "first four, on average: 4 at most (Nistér, Stewénius)"
)
_SETTING_WORDS = {
    "crop": "queries are cut to their boxes",
    "whitening": "digest of one that is applied after the model; None: only what the model has of "
    "its own",
    "precision": "full is float32, bfloat16 or float16, whose descriptors agree to a cosine of "
    "0.9999",
    "unusable": "photos that could not be used, left out as queries, positives and hits",
}


@dataclass(frozen=True)
class Result:
    """One protocol's figures.

    Attributes:
        map: mean average precision, 0 to 1; None where no query has positives.
        mp_at: mean precision at each k, k being at most the place of the last positive.
        p_at: mean precision at each k.
        recall_at: share of the queries with a positive among the first k.
        ap: per query; None where it has no positives.
        precision: mean interpolated precision at recall 0, 0.01, …, 1.
    """

    map: float | None
    mp_at: Mapping[int, float | None]
    p_at: Mapping[int, float | None]
    recall_at: Mapping[int, float | None]
    ap: Sequence[float | None]
    precision: Sequence[float | None]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        by_k = {name: {str(k): v for k, v in getattr(self, name).items()} for name in _BY_K}
        return {**asdict(self), **by_k}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Result:
        """What `to_json` gave."""
        by_k = {name: {int(k): v for k, v in raw[name].items()} for name in _BY_K}
        ap = [None if value is None else float(value) for value in raw["ap"]]
        return cls(map=raw["map"], ap=ap, precision=list(raw["precision"]), **by_k)


@dataclass(frozen=True)
class LabelledHit:
    """One of the best of a query's ranking.

    Attributes:
        photo: its name; a number for a distractor.
        label: `easy`, `hard`, `junk`, `ok`; `wrong` without a label; `distractor`.
        score: cosine of the descriptors.
        inliers: keypoints that agree with the query's; None if it was not verified.
        probability: that it shows the query's place; None if the model is not calibrated.
    """

    photo: str
    label: str
    score: float
    inliers: int | None = None
    probability: float | None = None


@dataclass(frozen=True)
class Report:
    """What an evaluation found.

    Attributes:
        dataset: its name.
        protocol: every setting, and the sizes of what was ranked.
        results: by protocol.
        queries: their names, in the order of `Result.ap`.
        ranks: the first hits of each query.
        places: of the queries, numbered; those of one place share positives.
        by_dimension: results by number of dimensions and protocol, where asked for.
        skipped: a line for each photo that could not be used.
    """

    dataset: str
    protocol: Mapping[str, Any]
    results: Mapping[str, Result]
    queries: Sequence[str]
    ranks: Sequence[Sequence[LabelledHit]]
    places: Sequence[int]
    by_dimension: Mapping[int, Mapping[str, Result]] = field(default_factory=dict)
    skipped: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """One object: a key per protocol, then `protocol`, `queries`, `ranks`."""
        return {
            "dataset": self.dataset,
            **{name: result.to_json() for name, result in self.results.items()},
            "protocol": dict(self.protocol),
            "queries": list(self.queries),
            "places": list(self.places),
            "ranks": [[asdict(hit) for hit in hits] for hits in self.ranks],
            "by_dimension": {
                str(d): {name: result.to_json() for name, result in results.items()}
                for d, results in self.by_dimension.items()
            },
            "skipped": list(self.skipped),
        }

    def to_markdown(self) -> str:
        """Tables of the figures, of published ones beside them, and of the settings."""
        return f"# {self.title}\n\n" + "\n".join(
            table.to_markdown() for table in [*self.tables(), self.settings()]
        )

    @property
    def title(self) -> str:
        """Data set and model."""
        return f"{self.dataset}: {self.protocol.get('model')}"

    def tables(self) -> list[Table]:
        """The figures, published ones, and those by dimension if they were asked for."""
        names, ks = list(self.results), list(next(iter(self.results.values())).mp_at)
        cut = self.protocol.get("cut")
        mean = "mAP" if cut is None else f"mAP@{cut}"
        heads = [f"{word}@{k}" for word in ("mP", "P", "R") for k in ks]
        four = ["N-S"] if _FOUR in ks else []
        rows = [
            [
                name,
                percent(result.map),
                self._interval(result),
                *(figure(_times_four(result.p_at[_FOUR])) for _ in four),
                *(percent(getattr(result, by)[k]) for by in _BY_K for k in ks),
                str(sum(ap is not None for ap in result.ap)),
            ]
            for name, result in self.results.items()
        ]
        words = {name: _PROTOCOL_WORDS[name] for name in names}
        words |= _FIGURE_WORDS if cut is None else {mean: _CUT_WORDS} | _FIGURE_WORDS
        words |= {"N-S": _NS_WORDS} if four else {}
        if cut is not None:
            del words["mAP"]
        if self.protocol.get("without_positives") == FINDS_NONE:
            words["queries"] = _ALL_WORDS
        found = [Table(["protocol, %", mean, _INTERVAL, *four, *heads, "queries"], rows, words)]
        maps = [f"{mean} {name}" for name in names]
        if known := published_maps(self.published_as()):
            own = [percent(result.map) for result in self.results.values()]
            rows = [[str(self.protocol.get("model")), *own, "this report"]]
            for each in known:
                cells = [f"{each.map[name]:g}" if name in each.map else "–" for name in names]
                rows.append([each.label, *cells, each.source])
            found.append(Table(["method, %", *maps, "source"], rows))
        if self.by_dimension:
            sizes = [
                [str(size), *(percent(results[name].map) for name in names)]
                for size, results in self.by_dimension.items()
            ]
            words = {"dimensions": "the first so many of each descriptor, made unit length again"}
            found.append(Table(["dimensions, %", *maps], sizes, words))
        return found

    def _interval(self, result: Result) -> str:
        """Of the mean over queries, in percent; a dash where all are of one place."""
        counted = [
            (ap, of) for ap, of in zip(result.ap, self.places, strict=True) if ap is not None
        ]
        values = np.array([ap for ap, _ in counted], np.float64)
        ends = mean_interval(values, [of for _, of in counted], _RESAMPLES)
        return "–" if ends is None else " … ".join(percent(end) for end in ends)

    def settings(self) -> Table:
        """Everything that is needed to repeat it."""
        rows = [(name, str(value)) for name, value in self.protocol.items()]
        words = {name: words for name, words in _SETTING_WORDS.items() if name in self.protocol}
        return Table(("setting", "value"), rows, words)

    def write(self, folder: AnyPath) -> None:
        """Write `report.json` and `report.md`; the folder is made if missing."""
        write_files(folder, self.to_json(), self.to_markdown())

    def published_as(self) -> str:
        """The name under which published figures for this setting are kept."""
        million = self.protocol.get("distractors") == 1_001_001
        return f"{self.dataset}+r1m" if million else self.dataset


def read_report(path: AnyPath) -> Report:
    """Read `report.json`, or the folder it is in.

    Raises:
        SolarError: it is missing or damaged.
    """
    path = report_file(path)
    return parse_report(read_json(path, 64 * MEGABYTE), path)


def report_file(path: AnyPath) -> Path:
    """The `report.json` of a folder; any other path as it is."""
    return Path(path, JSON) if Path(path).is_dir() else Path(path)


def parse_report(raw: Any, path: Path) -> Report:
    """A report from what `path` holds; see `read_report`."""
    try:
        report = Report(
            dataset=str(raw["dataset"]),
            protocol=dict(raw["protocol"]),
            results=_results(raw),
            queries=[str(name) for name in raw["queries"]],
            ranks=[[LabelledHit(**hit) for hit in hits] for hits in raw["ranks"]],
            places=[int(place) for place in raw["places"]],
            by_dimension={int(d): _results(results) for d, results in raw["by_dimension"].items()},
            skipped=tuple(str(line) for line in raw["skipped"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SolarError(f"{path}: not a report of 'solar eval' ({shown(error)})") from error
    everything = [report.results, *report.by_dimension.values()]
    lists = [report.places, *(result.ap for results in everything for result in results.values())]
    if not report.results or any(len(each) != len(report.queries) for each in lists):
        raise SolarError(f"{path}: not a report of 'solar eval' (not one AP per query)")
    return report


def number(value: float) -> float | None:
    """A figure for JSON, which has no NaN."""
    return None if math.isnan(value) else float(value)


def _times_four(precision: float | None) -> float | None:
    return None if precision is None else _FOUR * precision


def _results(raw: Mapping[str, Any]) -> dict[str, Result]:
    return {name: Result.from_json(raw[name]) for name in PROTOCOLS if name in raw}
