"""Any folder as a data set: its sub-folders are places, or a CSV names pairs of one place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from solar.datasets.ground_truth import GroundTruth, Query
from solar.datasets.photos import LabelledSet, open_dataset
from solar.datasets.places.places import open_places
from solar.datasets.places.rows import MOST_BYTES, Problems, open_table, photo_path
from solar.errors import SolarError
from solar.files import printable, require_file, shown
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
        pairs: a CSV with the columns `query` and `positive`: paths below the folder, or absolute
            ones, a pair per row. All photos below the folder are the database then.

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
    for row, pair in _rows(table, root):
        for name in pair:
            if name not in position:
                raise SolarError(f"{table}: row {row}: no photo {shown(name)} below {root}")
        query, positive = (position[name] for name in pair)
        if query == positive:
            raise SolarError(f"{table}: row {row}: {shown(pair[0])} is a pair with itself")
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


def _rows(table: Path, root: Path) -> Iterator[tuple[int, list[str]]]:
    """Row numbers and pairs of paths."""
    problems = Problems()
    require_file(table, MOST_BYTES)
    header, rows = open_table(table, problems, "the columns are query,positive")
    if missing := [column for column in COLUMNS if column not in header]:
        raise SolarError(f"{printable(table)}: row 1: no column {' and '.join(missing)}")
    for row, fields in rows:
        try:
            yield row, [photo_path(fields[header.index(column)], root) for column in COLUMNS]
        except ValueError as error:
            raise SolarError(f"{printable(table)}: row {row}: {error}") from error
    if problems.count:
        raise SolarError(str(problems.kept[0]))


def open_labelled(photos: AnyPath) -> LabelledSet:
    """A folder of places, a folder with a ground truth, or a CSV of pairs beside its photos.

    Raises:
        SolarError: as `open_folder` and `open_dataset`.
    """
    path = Path(photos)
    if path.suffix.lower() == ".csv":
        return open_folder(path.parent, path)
    return open_dataset(path) if any(path.glob("gnd_*")) else open_folder(path)
