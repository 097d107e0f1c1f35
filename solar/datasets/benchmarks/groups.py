"""Benchmarks whose photos come in groups: INRIA Holidays, UKBench, Stanford Online Products.

Holidays (Jégou, Douze, Schmid, ECCV 2008): 1,491 photos `NNNNNN.jpg` of 500 groups, by all digits
but the last two; each group's first, `NNNN00`, is its query, and does not count in its own ranking.
mAP by the trapezoidal rule.

UKBench (Nistér, Stewénius, CVPR 2006): 10,200 photos `ukbenchNNNNN.jpg`, four in a row of one
object. Each is a query, and itself one of the four to find. N-S is 4 x the precision at 4.

Stanford Online Products (Song, Xiang, Jegelka, Savarese, CVPR 2016): the photos that
`Ebay_test.txt` lists. Each is a query, and does not count in its own ranking. Recall at 1, 10, 100
and 1,000.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path

import numpy as np

from solar.datasets.ground_truth import Figures, GroundTruth, Query
from solar.datasets.photos import LabelledSet
from solar.datasets.places.rows import MOST_BYTES, Problems, photo_path, read_lines
from solar.errors import SolarError
from solar.files import printable, require_file, shown
from solar.photos import find_photos
from solar.typing import AnyPath

LIST = "Ebay_test.txt"

_HOLIDAYS = re.compile(r"(\d{4,6})(\d\d)")
_UKBENCH = re.compile(r"(?:ukbench)?(\d{5})")


def open_holidays(root: AnyPath) -> LabelledSet:
    """INRIA Holidays; see the module.

    Raises:
        SolarError: a photo has another name, two have one number, a group lacks its query, or none
            holds a query and another photo.
    """
    names = _numbered(Path(root), _HOLIDAYS, "100000.jpg")
    members = _groups(match[1] for _, match in names)
    asked = {match[1] for _, match in names if match[2] == "00"}
    if lone := [group for group, rows in members.items() if len(rows) > 1 and group not in asked]:
        raise SolarError(f"{root}: lacks {lone[0]}00.jpg, the query of its group")
    queries = [
        _query(names, row, [other for other in members[match[1]] if other != row], itself=False)
        for row, (_, match) in enumerate(names)
        if match[2] == "00" and len(members[match[1]]) > 1
    ]
    return _set("holidays", Path(root), [name for name, _ in names], queries, Figures())


def open_ukbench(root: AnyPath) -> LabelledSet:
    """UKBench; see the module.

    Raises:
        SolarError: a photo has another name, or an object has not four photos.
    """
    names = _numbered(Path(root), _UKBENCH, "ukbench00000.jpg")
    members = _groups(int(match[1]) // 4 for _, match in names)
    for number, rows in members.items():
        if len(rows) != 4:
            raise SolarError(f"{root}: object {number} has {len(rows)} photos, not four")
    queries = [
        _query(names, row, members[int(match[1]) // 4], itself=True)
        for row, (_, match) in enumerate(names)
    ]
    return _set("ukbench", Path(root), [name for name, _ in names], queries, Figures((1, 4)))


def open_products(root: AnyPath, table: str = LIST) -> LabelledSet:
    """Stanford Online Products; see the module.

    Args:
        root: the folder that holds the list and the photos.
        table: name of the list: a header, then `image_id class_id super_class_id path` with spaces
            between.

    Raises:
        SolarError: the list is missing, or one of its rows is wrong; names it.
    """
    folder, source = Path(root), Path(root, table)
    rows = [(path, group) for group, path in _products(source, folder)]
    if not rows:
        raise SolarError("names no photo", source)
    members = _groups(group for _, group in rows)
    queries = [
        _query(rows, row, [other for other in members[group] if other != row], itself=False)
        for row, (_, group) in enumerate(rows)
        if len(members[group]) > 1
    ]
    figures = Figures((1, 10, 100, 1000))
    return _set("products", folder, [name for name, _ in rows], queries, figures)


def _products(source: Path, folder: Path) -> Iterable[tuple[str, str]]:
    """Class and path of each row."""
    require_file(source, MOST_BYTES)
    problems = Problems()
    seen: dict[str, int] = {}
    for row, line in read_lines(source, problems):
        fields = line.split()
        if row == 1 and fields[-1:] == ["path"]:
            continue
        if len(fields) != 4 or not all(field.isdigit() for field in fields[:3]):
            what = f"{shown(line)} is not image_id class_id super_class_id path"
            raise SolarError(f"{printable(source)}: row {row}: {what}")
        try:
            path = photo_path(fields[3], folder)
            if (earlier := seen.setdefault(path, row)) != row:
                raise ValueError(f"{shown(path)} stands in row {earlier}, too")
        except ValueError as error:
            raise SolarError(f"{printable(source)}: row {row}: {error}") from error
        yield fields[1], path
    if problems.count:
        raise SolarError(str(problems.kept[0]))


def _numbered(
    root: Path, pattern: re.Pattern[str], example: str
) -> list[tuple[str, re.Match[str]]]:
    """The photos below a folder, in the order of their names, with the digits of these."""
    named = []
    for path in sorted(find_photos(root), key=lambda path: path.name):
        match = pattern.fullmatch(path.stem)
        if match is None:
            raise SolarError(f"{root}: {shown(path.name)} is no name such as {example}")
        named.append((path.relative_to(root).as_posix(), match))
    seen: dict[str, str] = {}
    for name, match in named:
        if (other := seen.setdefault(match[0].removeprefix("ukbench"), name)) != name:
            raise SolarError(
                f"{root}: {shown(other)} and {shown(name)} are one photo by their names"
            )
    return named


def _groups(keys: Iterable[Hashable]) -> dict[Hashable, list[int]]:
    """Rows by group."""
    members: dict[Hashable, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        members[key].append(row)
    return members


def _query(
    photos: Sequence[tuple[str, object]], row: int, positives: Sequence[int], *, itself: bool
) -> Query:
    junk = [] if itself else [row]
    labels = {"ok": np.array(positives, np.int64), "junk": np.array(junk, np.int64)}
    return Query(photos[row][0], None, labels)


def _set(
    dataset: str, root: Path, names: Sequence[str], queries: Sequence[Query], figures: Figures
) -> LabelledSet:
    if not queries:
        raise SolarError(f"{root}: no photo has anything to find: is this the folder of {dataset}?")
    truth = GroundTruth(dataset, tuple(names), tuple(queries), figures)
    asked = [root / query.name for query in queries]
    return LabelledSet(truth, [root / name for name in names], asked)
