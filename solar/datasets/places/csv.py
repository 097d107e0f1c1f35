"""Lists of photos and places as CSV: one's own, and those of Google Landmarks v1 and v2."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from solar.datasets.places.rows import (
    Problems,
    open_table,
    photo_path,
    read_box,
)
from solar.datasets.places.table import Places, PlacesBuilder
from solar.errors import UsageError
from solar.files import shown
from solar.photos import Box

COLUMNS = "path,place[,box] (box: x1 y1 x2 y2), id,url,landmark_id or landmark_id,images"

_CORNERS = ("x1", "y1", "x2", "y2")
_ID = re.compile("[0-9A-Za-z_-]{3,64}")
Rows = Iterator[tuple[int, list[str]]]


def read_csv(source: Path, photos: Path, boxes: Sequence[Path], problems: Problems) -> Places:
    """Read any of the lists; its columns say which it is.

    Other columns are passed over, and so are case and spaces in the header. Semicolons and tabs
    part fields as well as commas.

    - `path,place[,box]`: one's own. The box is `x1 y1 x2 y2` in pixels, empty for a whole photo,
      or stands in columns of these names; paths are below the photos' folder, or absolute.
    - `id,url,landmark_id`: `train.csv` of Google Landmarks v1 and v2; rows whose landmark is
      `None` are left out and counted.
    - `landmark_id,images`: `train_clean.csv` of Google Landmarks v2, ids with spaces between.

    A photo of Google Landmarks is `ID.jpg`, or `I/D/0/ID0….jpg` where the photos' folder has
    sub-folders of one letter or digit.

    Args:
        source: the list, in UTF-8, a row per line.
        photos: folder of the photos.
        boxes: lists `id,box` for `train.csv`; a box is `ymin xmin ymax xmax` in shares of the
            photo's height and width, as published for Google Landmarks v1.
        problems: gets the rows with errors.

    Raises:
        UsageError: the columns are none of these, or boxes are given with another list.
    """
    header, rows = open_table(source, problems, f"a CSV has the columns {COLUMNS}")
    if boxes and not {"id", "landmark_id"} <= set(header):
        raise UsageError(
            f"{boxes[0]}: boxes belong to Google's train.csv (id,url,landmark_id), not to {source}"
        )
    builder = PlacesBuilder()
    if {"path", "place"} <= set(header):
        _add_own(source, rows, header, builder, photos, problems)
    elif {"id", "landmark_id"} <= set(header):
        known = _read_boxes(boxes, problems)
        _add_google(source, rows, header, builder, known, photos, problems)
    elif {"landmark_id", "images"} <= set(header):
        _add_clean(source, rows, header, builder, photos, problems)
    else:
        raise UsageError(
            f"{source}: row 1: {shown(','.join(header))} are columns of no list known here: "
            f"a CSV has the columns {COLUMNS}"
        )
    problems.add_repeated(source, builder.repeated(), "photo and box")
    return builder.build(source, photos, relative=bool(boxes))


def _add_own(
    source: Path,
    rows: Rows,
    header: Sequence[str],
    builder: PlacesBuilder,
    photos: Path,
    problems: Problems,
) -> None:
    path, place = header.index("path"), header.index("place")
    corners = ("box",) if "box" in header else _CORNERS if set(_CORNERS) <= set(header) else ()
    box = [header.index(column) for column in corners]
    for row, fields in rows:
        try:
            if not fields[place]:
                raise ValueError("the place is empty")
            text = " ".join(fields[column] for column in box).strip()
            part = read_box(text) if text else None
            builder.add(photo_path(fields[path], photos), fields[place], row, part)
        except ValueError as error:
            problems.add(source, row, str(error))


def _add_google(
    source: Path,
    rows: Rows,
    header: Sequence[str],
    builder: PlacesBuilder,
    boxes: dict[str, Box],
    photos: Path,
    problems: Problems,
) -> None:
    column, landmark, nested = header.index("id"), header.index("landmark_id"), is_nested(photos)
    for row, fields in rows:
        name = fields[column]
        if fields[landmark].lower() == "none":
            problems.unlabelled += 1
            continue
        try:
            place = _landmark(fields[landmark])
            builder.add(google_path(name, nested), place, row, boxes.get(name))
        except ValueError as error:
            problems.add(source, row, str(error))


def _add_clean(
    source: Path,
    rows: Rows,
    header: Sequence[str],
    builder: PlacesBuilder,
    photos: Path,
    problems: Problems,
) -> None:
    landmark, images, nested = (
        header.index("landmark_id"),
        header.index("images"),
        is_nested(photos),
    )
    for row, fields in rows:
        try:
            place = _landmark(fields[landmark])
            if not fields[images]:
                raise ValueError("the landmark has no images")
            for path in [google_path(name, nested) for name in fields[images].split()]:
                builder.add(path, place, row)
        except ValueError as error:
            problems.add(source, row, str(error))


def _landmark(text: str) -> str:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"landmark_id {shown(text)} is not a whole number")
    return text


def google_path(name: str, nested: bool) -> str:
    """Where a photo of Google Landmarks lies below its folder.

    Args:
        name: its id.
        nested: in folders named after its first three letters.

    Raises:
        ValueError: it is no id.
    """
    if not _ID.fullmatch(name):
        raise ValueError(f"{shown(name)} is not the id of a photo")
    return f"{name[0]}/{name[1]}/{name[2]}/{name}.jpg" if nested else f"{name}.jpg"


def is_nested(photos: Path) -> bool:
    """Whether photos lie in folders named after the first three letters of their ids."""
    return any((photos / letter).is_dir() for letter in "0123456789abcdef")


def _read_boxes(files: Sequence[Path], problems: Problems) -> dict[str, Box]:
    """Boxes by photo id, as shares of width and height: x1, y1, x2, y2."""
    boxes: dict[str, Box] = {}
    for file in files:
        header, rows = open_table(file, problems, "boxes have the columns id,box")
        if not {"id", "box"} <= set(header):
            raise UsageError(f"{file}: row 1: boxes have the columns id,box")
        name, box = header.index("id"), header.index("box")
        for row, fields in rows:
            try:
                if fields[name] in boxes:
                    raise ValueError(f"a second box for {shown(fields[name])}")
                y1, x1, y2, x2 = read_box(fields[box])
                if min(x2, y2) <= 0 or max(x1, y1) >= 1:
                    raise ValueError(
                        f"box {shown(fields[box])} lies outside the photo, which is 0 0 1 1"
                    )
                boxes[fields[name]] = x1, y1, x2, y2
            except ValueError as error:
                problems.add(file, row, str(error))
    return boxes
