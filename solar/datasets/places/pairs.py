"""Photos known to match, as lines of JSON: pairs, and the places that follow from them."""

from __future__ import annotations

from array import array
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solar.datasets.places.rows import Problems, photo_path, read_lines
from solar.datasets.places.table import Places, PlacesBuilder
from solar.files import parse_json


def read_pairs(source: Path, photos: Path, problems: Problems) -> Places:
    """Read lines `{"query": "a.jpg", "positive": "b.jpg"}`; other keys are passed over.

    Photos that pairs join, directly or through others, show one place. It bears the name of the
    photo that comes first.

    Args:
        source: the file, in UTF-8, a pair per line.
        photos: folder of the photos.
        problems: gets the lines with errors.
    """
    numbers: dict[str, int] = {}
    pairs, rows, first_rows = array("q"), array("q"), array("q")
    for row, line in read_lines(source, problems):
        try:
            names = _pair(line, photos)
            for name in names:
                name.encode()  # JSON can spell letters that no file name has
        except ValueError as error:
            problems.add(source, row, str(error))
            continue
        for name in names:
            if name not in numbers:
                first_rows.append(row)
                numbers[name] = len(numbers)
        pairs.extend(numbers[name] for name in names)
        rows.append(row)
    table = np.frombuffer(pairs, np.int64).reshape(-1, 2)
    repeated = _repeated(table, np.frombuffer(rows, np.int64), len(numbers))
    problems.add_repeated(source, repeated, "pair")
    builder, paths = PlacesBuilder(), list(numbers)
    for number, first in enumerate(joined(len(paths), table)):
        builder.add(paths[number], paths[first], first_rows[number])
    return builder.build(source, photos, pairs=table)


def _pair(line: str, photos: Path) -> tuple[str, str]:
    try:
        item = parse_json(line)
    except ValueError as error:
        raise ValueError("not a line of JSON") from error
    if not isinstance(item, dict):
        raise ValueError("not an object with query and positive")
    query, positive = _path(item, "query", photos), _path(item, "positive", photos)
    if query == positive:
        raise ValueError("a pair of a photo with itself")
    return query, positive


def _path(item: dict[str, object], key: str, photos: Path) -> str:
    value = item.get(key)
    if not isinstance(value, str):
        raise ValueError(f"no text {key!r}")
    return photo_path(value, photos)


def joined(count: int, pairs: NDArray[np.int64]) -> list[int]:
    """For each of so many photos, the first of those that pairs join it to; else itself."""
    parents = array("q", range(count))
    for first, second in pairs.tolist():
        _join(parents, first, second)
    return [_root(parents, number) for number in range(count)]


def _join(parents: array[int], first: int, second: int) -> None:
    """Make one place of two; the photo that comes first stays the root of its tree."""
    first, second = sorted((_root(parents, first), _root(parents, second)))
    parents[second] = first


def _root(parents: array[int], number: int) -> int:
    """Follow a tree upwards, halving the way for the next time."""
    while parents[number] != number:
        parents[number] = parents[parents[number]]
        number = parents[number]
    return number


def _repeated(
    pairs: NDArray[np.int64], rows: NDArray[np.int64], count: int
) -> list[tuple[int, int]]:
    """(row, first row) of pairs that stand again, either way round."""
    keys = pairs.min(axis=1) * count + pairs.max(axis=1) if len(pairs) else rows
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[inverse] != np.arange(len(keys)))
    return list(zip(rows[again].tolist(), rows[first[inverse[again]]].tolist(), strict=True))
