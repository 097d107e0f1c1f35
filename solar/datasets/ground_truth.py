"""Ground truth of retrieval: which database photos each query should find, and which do not count.

Two layouts are read, both from JSON or from the published pickles: the revisited one, ``gnd[i] =
{bbx, easy, hard, junk}``, and the old one, ``gnd[i] = {bbx, ok, junk}``; beside it stand ``imlist``
(names of the database) and ``qimlist`` (names of the queries).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from solar.errors import SolarError, UsageError
from solar.files import cut, read_json, shown
from solar.files.pickles import load_plain
from solar.photos import Box

Positions = NDArray[np.int64]

REVISITED = ("easy", "hard", "junk")
CLASSIC = ("ok", "junk")


@dataclass(frozen=True, eq=False)
class Query:
    """One query and its labels.

    Attributes:
        name: of its photo, without suffix in the published lists.
        box: x1, y1, x2, y2 in pixels of the photo; None for the whole photo.
        labels: database positions by label, each sorted: ``REVISITED`` or ``CLASSIC``.
    """

    name: str
    box: Box | None
    labels: Mapping[str, Positions]

    @property
    def labelled(self) -> Positions:
        """Every database position that has a label, sorted."""
        return np.sort(np.concatenate(list(self.labels.values())))


@dataclass(frozen=True)
class Figures:
    """Which figures a benchmark is told by.

    Attributes:
        at: k of precision and recall at k.
        cut: average precision of a query looks at the first so many places, as mAP@k has it; None
            for all, by the trapezoidal rule of revisitop.
        every: a query without positives is one that finds none; else it is in no mean.
    """

    at: tuple[int, ...] = (1, 5, 10)
    cut: int | None = None
    every: bool = False

    def __post_init__(self) -> None:
        for k in (*self.at, *([] if self.cut is None else [self.cut])):
            if not 1 <= k <= 1 << 30:
                raise UsageError(f"{k} places: use 1 or more")
        if not self.at or len(set(self.at)) != len(self.at):
            raise UsageError("precision and recall are told at one k or more, each once")


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """A data set's lists of names and the labels of its queries.

    Attributes:
        dataset: its name, such as ``roxford5k``.
        database: names of the database photos; labels are positions in it.
        queries: at least one, all in the same layout.
        figures: that it is told by.
    """

    dataset: str
    database: tuple[str, ...]
    queries: tuple[Query, ...]
    figures: Figures = Figures()

    @property
    def layout(self) -> tuple[str, ...]:
        """``REVISITED`` or ``CLASSIC``."""
        return tuple(self.queries[0].labels)

    def require_positives(self) -> None:
        """Refuse what measures nothing.

        Raises:
            UsageError: no query has a photo to find.
        """
        found = [labels for query in self.queries for labels in query.labels.items()]
        if not any(len(positions) for label, positions in found if label != "junk"):
            raise UsageError(f"{self.dataset}: no query has anything to find")

    def require_wrong_hits(self) -> None:
        """Refuse what measures nothing.

        Raises:
            UsageError: no query can find a photo that is neither right nor left out.
        """
        if all(len(query.labelled) == len(self.database) for query in self.queries):
            where = f"{self.dataset}: every photo is right for every query"
            raise UsageError(f"{where}, so that any order is: add other places, or distractors")

    @property
    def sha256(self) -> str:
        """Digest of the lists and labels: the same for a pickle and for its JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """The published layout as JSON, the same text for the same content."""
        rows = [
            {"bbx": query.box and list(query.box)}
            | {name: positions.tolist() for name, positions in query.labels.items()}
            for query in self.queries
        ]
        names = {"imlist": self.database, "qimlist": [query.name for query in self.queries]}
        return json.dumps({**names, "gnd": rows}, ensure_ascii=False)


def read(path: str | Path) -> GroundTruth:
    """Read ``gnd_NAME.pkl`` or ``gnd_NAME.json``; NAME becomes the data set's name.

    Raises:
        SolarError: the file is missing, foreign or damaged, or a label is wrong; the message names
            the file, the query and the field.
    """
    path = Path(path)
    raw = load_plain(path) if path.suffix == ".pkl" else read_json(path)
    return parse(raw, path.stem.removeprefix("gnd_"), str(path))


def parse(raw: object, dataset: str, source: str) -> GroundTruth:
    """Check a ``{imlist, qimlist, gnd}`` dict and make it a ground truth.

    Args:
        raw: what a file held.
        dataset: the data set's name.
        source: the file's name, for messages.

    Raises:
        SolarError: as ``read``.
    """
    if not isinstance(raw, Mapping):
        raise SolarError(f"{source}: holds no dict with imlist, qimlist and gnd")
    database = _names(raw, "imlist", source)
    names = _names(raw, "qimlist", source)
    queries = parse_queries(raw.get("gnd"), source, names, len(database))
    return GroundTruth(dataset, database, queries)


def parse_queries(
    gnd: object, source: str, names: Sequence[str] | None = None, database: int | None = None
) -> tuple[Query, ...]:
    """Check a list of ``{bbx, easy, hard, junk}`` or ``{bbx, ok, junk}`` rows.

    Args:
        gnd: the rows.
        source: for messages.
        names: of the queries; numbers stand in where there are none.
        database: how many photos the database has; None where it is not known.

    Raises:
        SolarError: a row or a label is wrong.
    """
    if not isinstance(gnd, Sequence) or isinstance(gnd, str) or not gnd:
        raise SolarError(f"{source}: gnd is not a list of queries")
    if names is None:
        names = [str(number) for number in range(len(gnd))]
    if len(names) != len(gnd):
        raise SolarError(f"{source}: {len(names)} names in qimlist, {len(gnd)} queries in gnd")
    layout = REVISITED if isinstance(gnd[0], Mapping) and "easy" in gnd[0] else CLASSIC
    return tuple(
        _Row(source, number, name).parse(row, layout, database)
        for number, (name, row) in enumerate(zip(names, gnd, strict=True))
    )


@dataclass(frozen=True)
class _Row:
    """One row under check; its fields are what a message must name."""

    source: str
    number: int
    name: str

    def fail(self, what: str) -> NoReturn:
        raise SolarError(f"{self.source}: query {self.number} ({cut(self.name)}): {what}")

    def parse(self, row: object, layout: tuple[str, ...], database: int | None) -> Query:
        if not isinstance(row, Mapping):
            self.fail("is not a dict")
        if missing := [label for label in layout if label not in row]:
            self.fail(f"has no {', '.join(missing)}")
        labels = {label: self.positions(row[label], label, database) for label in layout}
        everything = np.concatenate(list(labels.values()))
        positions, counts = np.unique(everything, return_counts=True)
        if len(positions) != len(everything):
            twice = positions[counts > 1][0]
            fields = [label for label in layout if twice in labels[label]]
            self.fail(f"position {twice} stands twice ({' and '.join(fields)})")
        return Query(self.name, self.box(row.get("bbx")), labels)

    def positions(self, values: object, label: str, database: int | None) -> Positions:
        if isinstance(values, np.ndarray):
            values = values.tolist()
        if not isinstance(values, Sequence) or isinstance(values, str):
            self.fail(f"{label}: is not a list")
        for value in values:
            if not isinstance(value, int) or isinstance(value, bool):
                self.fail(f"{label}: {shown(value)} is not a position in the database")
            if value < 0 or (value >= database if database is not None else value >= 2**62):
                self.fail(f"{label}: {value} is outside the database of {database} photos")
        return np.sort(np.array(values, np.int64))

    def box(self, values: object) -> Box | None:
        if values is None:
            return None
        if isinstance(values, np.ndarray):
            values = values.tolist()
        if not isinstance(values, Sequence) or not all(_finite(value) for value in values):
            self.fail(f"bbx: {shown(values)} is not four finite numbers")
        if len(values) != 4:
            self.fail(f"bbx: {len(values)} numbers, not four")
        x1, y1, x2, y2 = (float(value) for value in values)
        if x1 >= x2 or y1 >= y2:
            self.fail(f"bbx: {shown(values)} is not x1 < x2, y1 < y2")
        return x1, y1, x2, y2


def _finite(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _names(raw: Mapping[Any, Any], field: str, source: str) -> tuple[str, ...]:
    names = raw.get(field)
    if not isinstance(names, Sequence) or isinstance(names, str) or not names:
        raise SolarError(f"{source}: {field} is not a list of names")
    for name in names:
        if not isinstance(name, str) or not name:
            raise SolarError(f"{source}: {field}: {shown(name)} is not a name")
    if field == "imlist" and len(set(names)) != len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise SolarError(f"{source}: {field}: {shown(twice)} stands twice")
    return tuple(names)
