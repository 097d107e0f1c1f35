"""The result of an evaluation with everything needed to repeat it: ``report.json`` and Markdown."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from solar.errors import SolarError
from solar.evaluation.report.published import figures
from solar.files.atomic import write_atomically

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
class Hit:
    """One of the best of a query's ranking.

    Attributes:
        photo: its name; a number for a distractor.
        label: ``easy``, ``hard``, ``junk``, ``ok``; ``wrong`` without a label; ``distractor``.
    """

    photo: str
    label: str


@dataclass(frozen=True)
class Report:
    """What an evaluation found.

    Attributes:
        dataset: its name.
        protocol: every setting, and the sizes of what was ranked.
        results: by protocol.
        queries: their names, in the order of ``Result.ap``.
        ranks: the first hits of each query.
        by_dimension: mAP by number of dimensions and protocol, where asked for.
    """

    dataset: str
    protocol: Mapping[str, Any]
    results: Mapping[str, Result]
    queries: Sequence[str]
    ranks: Sequence[Sequence[Hit]]
    by_dimension: Mapping[int, Mapping[str, float | None]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """One object: a key per protocol, then ``protocol``, ``queries``, ``ranks``."""
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
        lines = [f"# {self.dataset}: {self.protocol.get('model')}", "", *self._figures(), ""]
        if self.by_dimension:
            lines += [*self._by_dimension(), ""]
        lines += ["| setting | value |", "| --- | --- |"]
        lines += [f"| {name} | {_cell(value)} |" for name, value in self.protocol.items()]
        return "\n".join(lines) + "\n"

    def write(self, folder: str | Path) -> None:
        """Write ``report.json`` and ``report.md``."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with write_atomically(folder / "report.json") as file:
            file.write(json.dumps(self.to_json(), indent=1, allow_nan=False).encode())
        with write_atomically(folder / "report.md") as file:
            file.write(self.to_markdown().encode())

    def published_as(self) -> str:
        """The name under which published figures for this setting are kept."""
        million = self.protocol.get("distractors") == 1_001_001
        return f"{self.dataset}+r1m" if million else self.dataset

    def _figures(self) -> list[str]:
        ks = list(next(iter(self.results.values())).mp_at)
        header = ["", *(f"mAP {name}" for name in self.results)]
        header += [f"mP@{k} {name}" for name in self.results for k in ks]
        own = [f"**{self.protocol.get('model')}**"]
        own += [percent(result.map) for result in self.results.values()]
        own += [percent(result.mp_at[k]) for result in self.results.values() for k in ks]
        rows = [header, ["---", *["---:"] * (len(header) - 1)], own]
        for figure in figures(self.published_as()):
            maps = [figure.map.get(name) for name in self.results]
            shown = ["–" if value is None else f"{value:g}" for value in maps]
            rows.append([figure.label, *shown, *[""] * (len(header) - 1 - len(shown))])
        return ["| " + " | ".join(row) + " |" for row in rows]

    def _by_dimension(self) -> list[str]:
        names = list(self.results)
        lines = ["| dimensions | " + " | ".join(f"mAP {name}" for name in names) + " |"]
        lines.append("| ---: |" + " ---: |" * len(names))
        for dimensions, maps in self.by_dimension.items():
            cells = " | ".join(percent(maps[name]) for name in names)
            lines.append(f"| {dimensions} | {cells} |")
        return lines


def read_report(path: str | Path) -> Report:
    """Read ``report.json``, or the folder it is in.

    Raises:
        SolarError: it is missing or damaged.
    """
    path = Path(path)
    path = path / "report.json" if path.is_dir() else path
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        results = {name: _result(raw[name]) for name in PROTOCOLS if name in raw}
        report = Report(
            dataset=str(raw["dataset"]),
            protocol=dict(raw["protocol"]),
            results=results,
            queries=[str(name) for name in raw["queries"]],
            ranks=[[Hit(**hit) for hit in hits] for hits in raw["ranks"]],
            by_dimension={int(d): dict(maps) for d, maps in raw["by_dimension"].items()},
        )
    except OSError as error:
        raise SolarError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SolarError(f"{path}: not a report of 'solar eval' ({error!r})") from error
    if not results or any(len(r.ap) != len(report.queries) for r in results.values()):
        raise SolarError(f"{path}: not a report of 'solar eval' (not one AP per query)")
    return report


def percent(value: float | None) -> str:
    """0 to 1 as a percentage with two decimals, as the field prints it."""
    return "–" if value is None else f"{100 * value:.2f}"


def number(value: float) -> float | None:
    """A figure for JSON, which has no NaN."""
    return None if math.isnan(value) else float(value)


def _result(raw: Mapping[str, Any]) -> Result:
    ap = [None if value is None else float(value) for value in raw["ap"]]
    mp_at = {int(k): value for k, value in raw["mp_at"].items()}
    return Result(raw["map"], mp_at, ap, list(raw["precision"]))


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
