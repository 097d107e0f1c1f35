"""The result of an evaluation with everything needed to repeat it: `report.json` and Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from solar.errors import SolarError
from solar.evaluation.report.published import figures as published
from solar.evaluation.report.table import Table, percent
from solar.evaluation.report.writing import write_files
from solar.files import MEGABYTE, read_json, shown
from solar.typing import AnyPath

PROTOCOLS = ("easy", "medium", "hard", "classic")


@dataclass(frozen=True)
class Result:
    """One protocol's figures.

    Attributes:
        map: mean average precision, 0 to 1; None where no query has positives.
        mp_at: mean precision at 1, 5 and 10.
        ap: per query; None where it has no positives.
        precision: mean interpolated precision at recall 0, 0.01, …, 1.
    """

    map: float | None
    mp_at: Mapping[int, float | None]
    ap: Sequence[float | None]
    precision: Sequence[float | None]


@dataclass(frozen=True)
class LabelledHit:
    """One of the best of a query's ranking.

    Attributes:
        photo: its name; a number for a distractor.
        label: `easy`, `hard`, `junk`, `ok`; `wrong` without a label; `distractor`.
        score: cosine of the descriptors.
        inliers: keypoints that agree with the query's; None if it was not verified.
    """

    photo: str
    label: str
    score: float
    inliers: int | None = None


@dataclass(frozen=True)
class Report:
    """What an evaluation found.

    Attributes:
        dataset: its name.
        protocol: every setting, and the sizes of what was ranked.
        results: by protocol.
        queries: their names, in the order of `Result.ap`.
        ranks: the first hits of each query.
        by_dimension: mAP by number of dimensions and protocol, where asked for.
    """

    dataset: str
    protocol: Mapping[str, Any]
    results: Mapping[str, Result]
    queries: Sequence[str]
    ranks: Sequence[Sequence[LabelledHit]]
    by_dimension: Mapping[int, Mapping[str, float | None]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """One object: a key per protocol, then `protocol`, `queries`, `ranks`."""
        results = {
            name: {**asdict(result), "mp_at": {str(k): p for k, p in result.mp_at.items()}}
            for name, result in self.results.items()
        }
        return {
            "dataset": self.dataset,
            **results,
            "protocol": dict(self.protocol),
            "queries": list(self.queries),
            "ranks": [[asdict(hit) for hit in hits] for hits in self.ranks],
            "by_dimension": {str(d): dict(maps) for d, maps in self.by_dimension.items()},
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
        """The figures beside published ones, and by dimension if they were asked for."""
        names, figures = list(self.results), self.results.values()
        ks = list(next(iter(figures)).mp_at)
        rows = [
            [
                str(self.protocol.get("model")),
                *(percent(result.map) for result in figures),
                *(percent(result.mp_at[k]) for result in figures for k in ks),
                "this report",
            ]
        ]
        for known in published(self.published_as()):
            maps = [f"{known.map[name]:g}" if name in known.map else "–" for name in names]
            rows.append([known.label, *maps, *[""] * len(names) * len(ks), known.source])
        heads = [f"mAP {name}" for name in names]
        found = [Table(["", *heads, *(f"mP@{k} {n}" for n in names for k in ks), "source"], rows)]
        if self.by_dimension:
            sizes = [
                [str(size), *(percent(maps[name]) for name in names)]
                for size, maps in self.by_dimension.items()
            ]
            found.append(Table(["dimensions", *heads], sizes))
        return found

    def settings(self) -> Table:
        """Everything that is needed to repeat it."""
        rows = [(name, str(value)) for name, value in self.protocol.items()]
        return Table(("setting", "value"), rows)

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
    path = Path(path)
    path = path / "report.json" if path.is_dir() else path
    raw = read_json(path, 64 * MEGABYTE)
    try:
        results = {name: _result(raw[name]) for name in PROTOCOLS if name in raw}
        report = Report(
            dataset=str(raw["dataset"]),
            protocol=dict(raw["protocol"]),
            results=results,
            queries=[str(name) for name in raw["queries"]],
            ranks=[[LabelledHit(**hit) for hit in hits] for hits in raw["ranks"]],
            by_dimension={int(d): dict(maps) for d, maps in raw["by_dimension"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SolarError(f"{path}: not a report of 'solar eval' ({shown(error)})") from error
    if not results or any(len(r.ap) != len(report.queries) for r in results.values()):
        raise SolarError(f"{path}: not a report of 'solar eval' (not one AP per query)")
    return report


def number(value: float) -> float | None:
    """A figure for JSON, which has no NaN."""
    return None if math.isnan(value) else float(value)


def _result(raw: Mapping[str, Any]) -> Result:
    ap = [None if value is None else float(value) for value in raw["ap"]]
    mp_at = {int(k): value for k, value in raw["mp_at"].items()}
    return Result(raw["map"], mp_at, ap, list(raw["precision"]))
