"""Google Landmarks v2, retrieval (Weyand, Araujo, Cao, Sim, CVPR 2020): mAP@100.

`index.csv`, or any list with a column `id`, names the database; `retrieval_solution_v2.1.csv` has
`id,images,Usage`: a query, what it should find with spaces between, and `Public` (to choose by),
`Private` (to report) or `Ignored`. A photo is `index/I/D/0/ID0….jpg`, or `index/ID.jpg`, and
likewise in `test/`. Average precision is that of the first 100 places, over the lesser of 100 and
all there is to find.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from solar.datasets.ground_truth import Figures, GroundTruth, Query
from solar.datasets.photos import LabelledSet
from solar.datasets.places.csv import google_path, is_nested
from solar.datasets.places.rows import MOST_BYTES, Problems, open_table
from solar.errors import SolarError, UsageError
from solar.files import printable, require_file, shown
from solar.typing import AnyPath

INDEX = ("index.csv", "index_image_to_landmark.csv")
SOLUTION = ("retrieval_solution_v2.1.csv", "retrieval_solution_v2.csv", "retrieval_solution.csv")
USAGES = ("private", "public")
NOTHING = "None"
"""What stands for the images of a query that has none; such ones are ignored."""

FIGURES = Figures((1, 10, 100), cut=100)


def open_gldv2(root: AnyPath, usage: str = "private") -> LabelledSet:
    """The retrieval task; see the module.

    Args:
        root: the folder that holds the lists, `index/` and `test/`.
        usage: `private` or `public`: which queries.

    Raises:
        UsageError: another usage.
        SolarError: a list is missing, or one of its rows is wrong; names it.
    """
    if usage not in USAGES:
        raise UsageError(f"usage {shown(usage)}: use {' or '.join(USAGES)}")
    folder = Path(root)
    database = tuple(name for _, (name,) in _rows(_found(folder, INDEX), ("id",)))
    if not database:
        raise SolarError("names no photo", _found(folder, INDEX))
    position = {name: row for row, name in enumerate(database)}
    solution, queries = _found(folder, SOLUTION), []
    seen: dict[str, int] = {}
    if len(position) != len(database):
        raise SolarError(f"{folder}: the list of the index names a photo twice")
    for row, (name, images, found) in _rows(solution, ("id", "images", "usage")):
        if found.lower() not in (*USAGES, "ignored"):
            what = f"Usage {shown(found)}: is Public, Private or Ignored"
            raise SolarError(f"{printable(solution)}: row {row}: {what}")
        if (earlier := seen.setdefault(name, row)) != row:
            what = f"{shown(name)} stands in row {earlier}, too"
            raise SolarError(f"{printable(solution)}: row {row}: {what}")
        if found.lower() == usage:
            queries.append(_query(name, images, position, f"{printable(solution)}: row {row}"))
    if not queries:
        raise SolarError(f"{printable(solution)}: holds no {usage} queries")
    truth = GroundTruth(f"gldv2-{usage}", database, tuple(queries), FIGURES)
    return LabelledSet(
        truth,
        _paths(folder / "index", database),
        _paths(folder / "test", [query.name for query in queries]),
    )


def _query(name: str, images: str, position: dict[str, int], where: str) -> Query:
    wanted = list(dict.fromkeys(images.split() if images != NOTHING else ()))
    if missing := [each for each in wanted if each not in position]:
        raise SolarError(f"{where}: {shown(missing[0])} is not in the index")
    if not wanted:
        raise SolarError(f"{where}: {shown(name)} has nothing to find")
    ok = np.sort(np.array([position[each] for each in wanted], np.int64))
    return Query(name, None, {"ok": ok, "junk": np.empty(0, np.int64)})


def _found(folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        for path in (folder / name, folder / "metadata" / name):
            if path.exists():
                return path
    raise SolarError(f"{folder}: no {names[0]}: put it there")


def _rows(source: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """Row numbers and the fields of some columns."""
    require_file(source, MOST_BYTES)
    problems = Problems()
    header, rows = open_table(source, problems, f"the columns are {','.join(columns)}")
    if missing := [column for column in columns if column not in header]:
        raise SolarError(f"{printable(source)}: row 1: no column {' and '.join(missing)}")
    at = [header.index(column) for column in columns]
    for row, fields in rows:
        yield row, [fields[column] for column in at]
    if problems.count:
        raise SolarError(str(problems.kept[0]))


def _paths(folder: Path, names: tuple[str, ...] | list[str]) -> list[Path]:
    nested = is_nested(folder)
    try:
        return [folder / google_path(name, nested) for name in names]
    except ValueError as error:
        raise SolarError(f"{folder}: {error}") from error
