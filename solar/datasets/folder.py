"""Any folder as a data set: its sub-folders are places, or a CSV names pairs of one place."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from solar.datasets.ground_truth import GroundTruth, Query
from solar.errors import SolarError
from solar.photos import find_photos

COLUMNS = ("query", "positive")


def places(root: str | Path) -> GroundTruth:
    """Sub-folders are places: each photo is a query in turn, and the others of its place positives.

    The query itself is taken out of its ranking. Photos that are alone in their place, or lie in
    the folder itself, are only ever found by mistake.

    Raises:
        SolarError: there are no photos, or no place has two.
    """
    root = Path(root)
    names = _names(root)
    members = defaultdict(list)
    for position, name in enumerate(names):
        if "/" in name:
            members[name.split("/")[0]].append(position)
    queries = [
        _query(names, position, [other for other in members[place] if other != position])
        for place in members
        if len(members[place]) > 1
        for position in members[place]
    ]
    if not queries:
        raise SolarError(f"{root}: no sub-folder holds two photos: sub-folders are places")
    return GroundTruth(root.resolve().name, tuple(names), tuple(queries))


def pairs(root: str | Path, table: str | Path) -> GroundTruth:
    """A CSV with the columns ``query`` and ``positive``: paths below the folder, a pair per row.

    All photos below the folder are the database.

    Args:
        root: folder of the photos.
        table: the CSV; a query may stand in many rows.

    Raises:
        SolarError: the CSV or a row of it is wrong; names the row.
    """
    root, table = Path(root), Path(table)
    names = _names(root)
    position = {name: number for number, name in enumerate(names)}
    positives: dict[int, list[int]] = defaultdict(list)
    for line, row in _rows(table):
        for name in row:
            if name not in position:
                raise SolarError(f"{table}: row {line}: no photo {name!r} below {root}")
        query, positive = (position[name] for name in row)
        if query == positive:
            raise SolarError(f"{table}: row {line}: {row[0]!r} is a pair with itself")
        if positive in positives[query]:
            raise SolarError(f"{table}: row {line}: this pair stands twice")
        positives[query].append(positive)
    if not positives:
        raise SolarError(f"{table}: holds no pairs")
    queries = tuple(_query(names, query, found) for query, found in positives.items())
    return GroundTruth(table.stem, tuple(names), queries)


def _names(root: Path) -> list[str]:
    names = sorted(path.relative_to(root).as_posix() for path in find_photos(root))
    if not names:
        raise SolarError(f"{root}: no photos below this folder")
    return names


def _query(names: Sequence[str], position: int, positives: Sequence[int]) -> Query:
    labels = {"ok": np.array(sorted(positives), np.int64), "junk": np.array([position], np.int64)}
    return Query(names[position], None, labels)


def _rows(table: Path) -> Iterator[tuple[int, tuple[str, str]]]:
    """Line numbers and pairs of paths."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if missing := [c for c in COLUMNS if c not in (reader.fieldnames or ())]:
                raise SolarError(f"{table}: row 1: no column {' and '.join(missing)}")
            for row in reader:
                values = [row[column] for column in COLUMNS]
                if not all(values):
                    raise SolarError(f"{table}: row {reader.line_num}: query or positive is empty")
                query, positive = (str(PurePosixPath(v.replace("\\", "/"))) for v in values)
                yield reader.line_num, (query, positive)
    except OSError as error:
        raise SolarError(f"{table}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SolarError(f"{table}: not a CSV in UTF-8 ({error})") from error
