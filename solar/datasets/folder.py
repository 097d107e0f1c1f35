"""Any folder as a data set: its sub-folders are places, or a CSV names pairs of one place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from solar.datasets.ground_truth import GroundTruth, Query
from solar.datasets.photos import LabelledSet
from solar.datasets.places.places import open_places
from solar.datasets.places.rows import Problems, read_lines, read_table, split_row
from solar.errors import SolarError
from solar.files import printable
from solar.photos import find_photos
from solar.typing import AnyPath

COLUMNS = ("query", "positive")


def open_folder(root: AnyPath, pairs: AnyPath | None = None) -> LabelledSet:
    """A folder of photos, with labels.

    Without a table, sub-folders are places, as `open_places` reads them: each photo is a query in
    turn, and the others of its place positives. Photos that are alone in their place are only ever
    found by mistake. The query itself is taken out of its ranking.

    Args:
        root: the folder.
        pairs: a CSV with the columns `query` and `positive`: paths below the folder, a pair per
            row. All photos below the folder are the database then.

    Raises:
        SolarError: there is nothing to find, a photo lies in no place, or a row of the CSV is
            wrong; names it.
    """
    root = Path(root)
    truth = _places(root) if pairs is None else _pairs(root, Path(pairs))
    names = [*truth.database, *(query.name for query in truth.queries)]
    paths = [root / name for name in names]
    return LabelledSet(truth, paths[: len(truth.database)], paths[len(truth.database) :])


def _places(root: Path) -> GroundTruth:
    places = open_places(root)
    names = [places.path(n).relative_to(root).as_posix() for n in range(len(places))]
    members = [np.flatnonzero(places.places == place) for place in range(len(places.names))]
    queries = [
        _query(names, position, [other for other in found if other != position])
        for found in (each.tolist() for each in members if len(each) > 1)
        for position in found
    ]
    if not queries:
        raise SolarError(f"{root}: no sub-folder holds two photos: sub-folders are places")
    return GroundTruth(root.resolve().name, tuple(names), tuple(queries))


def _pairs(root: Path, table: Path) -> GroundTruth:
    names = [path.relative_to(root).as_posix() for path in find_photos(root)]
    position = {name: number for number, name in enumerate(names)}
    positives: dict[int, list[int]] = defaultdict(list)
    for row, pair in _rows(table):
        for name in pair:
            if name not in position:
                raise SolarError(f"{table}: row {row}: no photo {name!r:.80} below {root}")
        query, positive = (position[name] for name in pair)
        if query == positive:
            raise SolarError(f"{table}: row {row}: {pair[0]!r} is a pair with itself")
        if positive in positives[query]:
            raise SolarError(f"{table}: row {row}: this pair stands twice")
        positives[query].append(positive)
    if not positives:
        raise SolarError(f"{table}: holds no pairs")
    queries = tuple(_query(names, query, found) for query, found in positives.items())
    return GroundTruth(table.stem, tuple(names), queries)


def _query(names: Sequence[str], position: int, positives: Sequence[int]) -> Query:
    labels = {"ok": np.array(sorted(positives), np.int64), "junk": np.array([position], np.int64)}
    return Query(names[position], None, labels)


def _rows(table: Path) -> Iterator[tuple[int, list[str]]]:
    """Row numbers and pairs of paths."""
    problems = Problems()
    try:
        lines = read_lines(table, problems)
        header = split_row(next(lines, (1, ""))[1])
        if missing := [column for column in COLUMNS if column not in header]:
            raise SolarError(f"{table}: row 1: no column {' and '.join(missing)}")
        for row, fields in read_table(table, lines, header, problems):
            pair = [fields[header.index(column)] for column in COLUMNS]
            if not all(pair):
                raise SolarError(f"{table}: row {row}: query or positive is empty")
            yield row, [str(PurePosixPath(path.replace("\\", "/"))) for path in pair]
    except OSError as error:
        raise SolarError(f"{printable(str(table))}: cannot be read ({error.strerror})") from error
    if problems.count:
        raise SolarError(str(problems.kept[0]))
