"""Rows of lists that nobody has checked yet: one per line, each error kept by the row's number."""

from __future__ import annotations

import codecs
import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from solar.errors import UsageError
from solar.files import printable, shown
from solar.photos import Box

MAX_LINE = 1 << 20
"""Bytes; the longest line of Google's train_clean.csv has some 200,000."""

MOST_BYTES = 8 << 30

KEPT = 10_000
"""Problems of which more than the number is kept."""

_DRIVE = re.compile("[A-Za-z]:")
_BETWEEN = re.compile(r"\s*[,;]\s*|\s+")


@dataclass(frozen=True)
class Problem:
    """What is wrong with a row.

    Attributes:
        file: that holds the row, or that is wrong itself.
        row: counted from 1, the header included; None: the file has no rows.
        reason: a few words.
    """

    file: Path
    row: int | None
    reason: str

    def __str__(self) -> str:
        row = "" if self.row is None else f" row {self.row}:"
        return f"{printable(str(self.file))}:{row} {self.reason}"


@dataclass
class Problems:
    """Everything wrong with a source.

    Attributes:
        count: of all problems.
        repeated: how many of them are rows that say what an earlier one says.
        unlabelled: rows that name no place and were left out; no problem.
        kept: the first of them.
    """

    count: int = 0
    repeated: int = 0
    unlabelled: int = 0
    kept: list[Problem] = field(default_factory=list)

    def add(self, file: Path, row: int | None, reason: str) -> None:
        """Note one."""
        self.count += 1
        if len(self.kept) < KEPT:
            self.kept.append(Problem(file, row, reason))

    def add_repeated(self, file: Path, rows: Sequence[tuple[int, int]], what: str) -> None:
        """Note rows, each with an earlier one that says the same."""
        self.repeated += len(rows)
        for row, earlier in rows:
            self.add(file, row, f"the same {what} as in row {earlier}")


def read_lines(path: Path, problems: Problems) -> Iterator[tuple[int, str]]:
    """The lines of a text in UTF-8 with their numbers, in bounded memory.

    Args:
        path: of the text; a byte order mark and ends of Windows lines are taken off.
        problems: gets the lines that are too long, hold NUL bytes or carriage returns, or are not
            UTF-8.

    Yields:
        Number from 1 and text of each other line that is not blank.
    """
    with path.open("rb") as file:
        row = 0
        while line := file.readline(MAX_LINE):
            row += 1
            if len(line) == MAX_LINE and not line.endswith(b"\n"):
                problems.add(path, row, f"longer than {MAX_LINE >> 20} MiB: no row of a list")
                while line and not line.endswith(b"\n"):
                    line = file.readline(MAX_LINE)
                continue
            if row == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            if b"\0" in line:
                problems.add(path, row, "holds a NUL byte: save the file as UTF-8")
                continue
            try:
                text = line.decode().rstrip("\r\n")
            except UnicodeDecodeError:
                problems.add(path, row, "not UTF-8: save the file as UTF-8")
                continue
            if "\r" in text:
                problems.add(path, row, "holds a carriage return: end lines as Unix or Windows do")
                continue
            if text and not text.isspace():
                yield row, text


def open_table(
    path: Path, problems: Problems, wanted: str
) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """A table of text, whose fields commas, semicolons or tabs part: its header says which.

    Args:
        path: of the table, in UTF-8, a row per line.
        problems: gets the rows with errors.
        wanted: which columns it should have, for messages.

    Returns:
        The names of the columns in lower case, without the spaces around them; and the rows below,
        as many fields as the header in each, with their numbers.

    Raises:
        UsageError: there is no header, or two columns have one name.
    """
    lines, count = read_lines(path, problems), problems.count
    name = printable(path)
    _, line = next(lines, (0, ""))
    if not line or problems.count > count:
        raise UsageError(f"{name}: row 1: no header in UTF-8: {wanted}")
    separator = max(",;\t", key=line.count)
    try:
        header = split_row(line.lower(), separator)
    except ValueError as error:
        raise UsageError(f"{name}: row 1: {error}: {wanted}") from error
    if twice := sorted({column for column in header if header.count(column) > 1}):
        raise UsageError(f"{name}: row 1: two columns {shown(twice[0])}: {wanted}")
    return header, _rows(path, lines, header, separator, problems)


def _rows(
    path: Path,
    lines: Iterator[tuple[int, str]],
    header: Sequence[str],
    separator: str,
    problems: Problems,
) -> Iterator[tuple[int, list[str]]]:
    for row, line in lines:
        try:
            fields = split_row(line, separator)
        except ValueError as error:
            problems.add(path, row, str(error))
            continue
        if "box" in header and len(fields) == len(header) + 3:  # its commas are not quoted
            at = header.index("box")
            fields[at : at + 4] = [" ".join(fields[at : at + 4])]
        if len(fields) == len(header):
            yield row, fields
        else:
            count = "1 field" if len(fields) == 1 else f"{len(fields)} fields"
            problems.add(path, row, f"{count}, but the header has {len(header)}")


def split_row(line: str, separator: str = ",") -> list[str]:
    """The fields of one line of a CSV, without the spaces around them.

    Raises:
        ValueError: the quotes are wrong; says how.
    """
    if '"' not in line:
        return [text.strip() for text in line.split(separator)]
    try:
        (fields,) = csv.reader([line], strict=True, delimiter=separator, skipinitialspace=True)
    except csv.Error as error:
        reason = str(error)
        if reason == "unexpected end of data":
            reason = "a quote that this line does not close"
        raise ValueError(f"not a row of a CSV ({reason})") from error
    return [text.strip() for text in fields]


def photo_path(text: str, photos: Path) -> str:
    """A path of a list, made plain: forward slashes, no empty and no `.` parts.

    Args:
        text: a path below the photos' folder, or an absolute one that leads there.
        photos: their folder.

    Raises:
        ValueError: it is empty, or leads out of the photos' folder.
    """
    if not text:
        raise ValueError("the path is empty")
    text = text.replace("\\", "/")
    if text[0] == "/" or _DRIVE.match(text):
        folder, _, name = text.rpartition("/")
        spelled = (text, f"{_real(folder)}/{name}")  # the latter where links lead there
        below = (t[len(r) :] for t in spelled for r in _spellings(photos) if t.startswith(r))
        if (found := next(below, None)) is None:
            raise ValueError(
                f"{shown(text)} is an absolute path that is not below the photos' folder"
            )
        text = found
    parts = text.split("/")
    if ".." in parts:
        raise ValueError(f"{shown(text)} leads out of the photos' folder: leave out the '..'")
    if "" in parts or "." in parts:
        text = "/".join(part for part in parts if part not in ("", "."))
    if not text or "\0" in text:
        raise ValueError("not the path of a photo")
    return text


@lru_cache(maxsize=8)
def _spellings(photos: Path) -> tuple[str, ...]:
    """How absolute paths into a folder may begin."""
    return tuple(
        f"{path.as_posix().rstrip('/')}/" for path in (photos.absolute(), photos.resolve())
    )


@lru_cache(maxsize=4096)
def _real(folder: str) -> str:
    try:
        return Path(folder).resolve().as_posix().rstrip("/")
    except (OSError, ValueError, RuntimeError):  # a null character, links in a circle
        return folder


def read_box(text: str) -> Box:
    """Four numbers with spaces or commas between them, in order.

    Raises:
        ValueError: they are not four finite numbers, first < third and second < fourth.
    """
    try:
        first, second, third, fourth = map(float, _BETWEEN.split(text.strip(" []()")))
    except ValueError as error:
        raise ValueError(f"box {shown(text)}: expected four numbers, spaces between") from error
    if not (math.isfinite(first + second + third + fourth) and first < third and second < fourth):
        raise ValueError(f"box {shown(text)} holds nothing: the first corner comes first")
    return first, second, third, fourth
