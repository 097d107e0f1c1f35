"""Visual place recognition: recall@N of photos that were taken within metres of the query.

A folder holds `database/` and `queries/`. Where a photo was taken stands in its name, as
`@UTM_east@UTM_north@….jpg` (the names of VPR-datasets-downloader: Pitts30k, Tokyo 24/7, MSLS,
SF-XL, …), or in `database.csv` and `queries.csv` beside the folders: the column `path`, below the
folder, and `easting,northing` (also `utm_east,utm_north`) in metres, or `latitude,longitude`
(`lat,lon`) in degrees. A query near no photo of the database counts as not found, as in
VPR-methods-evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solar.datasets.ground_truth import Figures, GroundTruth, Query
from solar.datasets.photos import LabelledSet
from solar.datasets.places.rows import MOST_BYTES, Problems, open_table, photo_path
from solar.errors import SolarError, UsageError
from solar.files import printable, require_file, shown
from solar.photos import find_photos
from solar.typing import AnyPath, Ids

METRES = 25.0
FIGURES = Figures((1, 5, 10, 20), every=True)

_EARTH = 6_371_008.8  # metres: the mean radius
_METRES_COLUMNS = (("easting", "northing"), ("utm_east", "utm_north"))
_DEGREES_COLUMNS = (("latitude", "longitude"), ("lat", "lon"))

Positions = NDArray[np.float64]


def open_vpr(
    root: AnyPath,
    metres: float = METRES,
    *,
    database: str = "database",
    queries: str = "queries",
) -> LabelledSet:
    """A data set of visual place recognition; see the module.

    Args:
        root: holds both folders.
        metres: within which a photo shows the query's place.
        database: name of the folder of the database.
        queries: name of that of the queries.

    Raises:
        UsageError: the distance is not positive.
        SolarError: it is not known where a photo was taken, one folder has metres and the other
            degrees, or no query was taken near a photo of the database; names it.
    """
    if not 0 < metres < math.inf:
        raise UsageError(f"{metres:g} metres: give a positive number")
    folder = Path(root)
    names, at = _positions(folder, database)
    asked, where = _positions(folder, queries)
    if at.shape[1] != where.shape[1]:
        raise SolarError(f"{folder}: {database} and {queries}: one has metres, the other degrees")
    none = np.empty(0, np.int64)
    found = [
        Query(name, None, {"ok": near, "junk": none})
        for name, near in zip(asked, _near(where, at, metres), strict=True)
    ]
    if not any(len(query.labels["ok"]) for query in found):
        what = f"no query was taken within {metres:g} m of a photo in {database}"
        raise SolarError(f"{what}: give more metres, or look at the positions", folder)
    truth = GroundTruth(folder.resolve().name, tuple(names), tuple(found), FIGURES)
    return LabelledSet(truth, [folder / name for name in names], [folder / name for name in asked])


def _positions(root: Path, name: str) -> tuple[list[str], Positions]:
    """Names below the root, and where each was taken: (N, 2) metres, or (N, 3) on the globe."""
    table = root / f"{name}.csv"
    if table.exists():
        return _from_table(table, root, name)
    paths = find_photos(root / name)
    if not paths:
        raise SolarError("holds no photos", root / name)
    names = [path.relative_to(root).as_posix() for path in paths]
    return names, np.array([_from_name(path) for path in paths])


def _from_name(path: Path) -> tuple[float, float]:
    fields = path.name.split("@")
    try:
        east, north = float(fields[1]), float(fields[2])
    except (IndexError, ValueError) as error:
        what = "its name does not say where it was taken, as @UTM_east@UTM_north@.jpg"
        raise SolarError(f"{what}, and there is no table of positions", path) from error
    if not math.isfinite(east + north):
        raise SolarError("its name has no finite position", path)
    return east, north


def _from_table(table: Path, root: Path, name: str) -> tuple[list[str], Positions]:
    require_file(table, MOST_BYTES)
    problems = Problems()
    wanted = "the columns are path,easting,northing or path,latitude,longitude"
    header, rows = open_table(table, problems, wanted)
    pairs = (*_METRES_COLUMNS, *_DEGREES_COLUMNS)
    columns = next((pair for pair in pairs if set(pair) <= set(header)), None)
    if columns is None or "path" not in header:
        raise SolarError(f"{printable(table)}: row 1: {wanted}")
    path, first, second = (header.index(column) for column in ("path", *columns))
    names, values = [], []
    for row, fields in rows:
        try:
            names.append(f"{name}/{photo_path(fields[path], root / name)}")
            values.append(_numbers(fields[first], fields[second], columns in _DEGREES_COLUMNS))
        except ValueError as error:
            raise SolarError(f"{printable(table)}: row {row}: {error}") from error
    if problems.count:
        raise SolarError(str(problems.kept[0]))
    if not names:
        raise SolarError(f"{printable(table)}: names no photo")
    if len(set(names)) != len(names):
        raise SolarError(f"{printable(table)}: names a photo twice")
    found = np.array(values)
    return names, _on_globe(found) if columns in _DEGREES_COLUMNS else found


def _numbers(first: str, second: str, degrees: bool) -> tuple[float, float]:
    try:
        values = float(first), float(second)
    except ValueError as error:
        raise ValueError(f"{shown(first)}, {shown(second)} are not two numbers") from error
    if not math.isfinite(sum(values)):
        raise ValueError("a position is finite")
    if degrees and not (abs(values[0]) <= 90 and abs(values[1]) <= 180):
        raise ValueError(f"{first}, {second} are not degrees north and east")
    return values


def _on_globe(degrees: Positions) -> Positions:
    """(N, 3) metres from the middle of the earth; over some metres, chords are as long as arcs."""
    north, east = np.deg2rad(degrees).T
    return _EARTH * np.stack(
        [np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)], axis=1
    )


def _near(asked: Positions, database: Positions, metres: float) -> Sequence[Ids]:
    """For each position, the rows of the database within so many metres, rising."""
    order = np.argsort(database[:, 0], kind="stable")
    along = database[order, 0]
    first = np.searchsorted(along, asked[:, 0] - metres, "left")
    last = np.searchsorted(along, asked[:, 0] + metres, "right")
    found = []
    for position, start, end in zip(asked, first.tolist(), last.tolist(), strict=True):
        rows = order[start:end]
        away = np.linalg.norm(database[rows] - position, axis=1)
        found.append(np.sort(rows[away <= metres]).astype(np.int64))
    return found
