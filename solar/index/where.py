"""Filters by what the catalogue knows: a small language, parsed into a condition of SQL.

    filter     = all {"or" all}
    all        = part {"and" part}
    part       = "not" part | "(" filter ")" | comparison
    comparison = "taken" order date | number order value | text like 'words'
               | "gps" "within" DISTANCE "of" LATITUDE "," LONGITUDE | "has" fact
    order      = "=" | "!=" | "<" | "<=" | ">" | ">="
    like       = "~" (contains) | "!~" | "=" | "!="
    number     = "width" | "height" (pixels, upright) | "bytes"
    text       = "folder" | "name" | "path" | "camera"
    fact       = "taken" | "zone" | "gps" | "camera"
    date       = 2020 | 2020-06 | 2020-06-15 | 2020-06-15T14:30[:05][Z | +02:00]
    DISTANCE   = a number with m, km or mi

A date without a clock is all of that year, month or day. Without a zone it is compared with the
camera's clock; with one, with the instant, which is known where the photo's zone is. Text is
compared without regard to case. A comparison with what a photo does not say is false.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from solar.errors import UsageError
from solar.files import cut, shown
from solar.index._dates import DATE, period
from solar.index._functions import EARTH, folded

LONGEST = 2000
"""Characters of a filter."""
_DEEPEST = 40

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")|(?P<value>[+-]?[0-9.][0-9A-Za-z:.+-]*)"
    r"|(?P<word>[A-Za-z_]+)|(?P<sign><=|>=|!=|!~|[=<>~(),])|(?P<other>\S))"
)
_DISTANCE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(m|km|mi)", re.I)
_METRES = {"m": 1.0, "km": 1000.0, "mi": 1609.344}
_ORDERS = ("=", "!=", "<", "<=", ">", ">=")
_NUMBERS = {"width": "width", "height": "height", "bytes": "nullif(size, -1)"}
_TEXTS = {
    "folder": "solar_folder(root, path)",
    "name": "solar_name(path)",
    "path": "solar_path(root, path)",
    "camera": "solar_folded(camera)",
}
_FACTS = {"taken": "taken", "zone": "zone", "gps": "latitude", "camera": "camera"}
_FIELDS = ("taken", *_NUMBERS, *_TEXTS, "gps", "has")
_UTC = "strftime('%Y-%m-%dT%H:%M:%S', taken, (-zone) || ' minutes')"


@dataclass(frozen=True)
class Where:
    """A filter, ready to be asked.

    Attributes:
        condition: of SQL, on the table of photos, with the functions of `functions`. Its parameters
            are ?2, ?3, …, so that ?1 stays free.
        values: of these parameters.
    """

    condition: str
    values: tuple[object, ...]

    @classmethod
    def parse(cls, text: str) -> Where:
        """Read a filter.

        Raises:
            UsageError: it cannot be read; says at which column and what could stand there.
        """
        return _Parser(text).parsed()


class _Token(NamedTuple):
    kind: str
    text: str
    column: int


class _Parser:
    """Reads one filter, from the left, by recursive descent."""

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            raise UsageError(f"--where: {len(text)} characters, at most {LONGEST} are read")
        self._tokens = list(_tokens(text))
        self._at = self._depth = 0
        self._values: list[object] = []

    def parsed(self) -> Where:
        condition = self._filter()
        if self._next.kind != "end":
            self._expected("and, or, or the end")
        return Where(condition, tuple(self._values))

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at += token.kind != "end"
        return token

    def _is(self, *texts: str) -> bool:
        """Whether one of some words or signs comes next; takes it if so."""
        token = self._next
        found = token.kind in ("word", "sign") and token.text.lower() in texts
        self._at += found
        return found

    def _expected(self, what: str, token: _Token | None = None) -> NoReturn:
        token = token or self._next
        found = "the end" if token.kind == "end" else cut(token.text)
        raise UsageError(f"--where, column {token.column}: {what} should stand here, not {found}")

    def _wrong(self, token: _Token, why: str) -> NoReturn:
        raise UsageError(f"--where, column {token.column}: {shown(token.text)} {why}")

    def _value(self, value: object) -> str:
        self._values.append(value)
        return f"?{len(self._values) + 1}"

    def _filter(self) -> str:
        parts = [self._all()]
        while self._is("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"

    def _all(self) -> str:
        parts = [self._part()]
        while self._is("and"):
            parts.append(self._part())
        return parts[0] if len(parts) == 1 else f"({' AND '.join(parts)})"

    def _part(self) -> str:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise UsageError(
                f"--where, column {self._next.column}: more than {_DEEPEST} brackets and nots "
                "inside one another"
            )
        if self._is("not"):
            condition = f"NOT {self._part()}"
        elif self._is("("):
            condition = self._filter()
            if not self._is(")"):
                self._expected("and, or, or )")
        else:
            condition = f"coalesce({self._comparison()}, 0)"
        self._depth -= 1
        return condition

    def _comparison(self) -> str:
        token = self._take()
        field = token.text.lower()
        if token.kind != "word" or field not in _FIELDS:
            self._expected(f"one of {', '.join(_FIELDS)}, not or (", token)
        if field == "has":
            return self._has()
        if field == "gps":
            return self._within()
        if field in _TEXTS:
            return self._like(_TEXTS[field])
        sign = self._sign(_ORDERS)
        return self._when(sign) if field == "taken" else self._number(_NUMBERS[field], sign)

    def _sign(self, allowed: tuple[str, ...]) -> str:
        token = self._take()
        if token.kind != "sign" or token.text not in allowed:
            self._expected(f"one of {' '.join(allowed)}", token)
        return token.text

    def _has(self) -> str:
        token = self._take()
        if token.text.lower() not in _FACTS:
            self._expected(f"one of {', '.join(_FACTS)}", token)
        return f"{_FACTS[token.text.lower()]} IS NOT NULL"

    def _like(self, column: str) -> str:
        sign = self._sign(("~", "!~", "=", "!="))
        token = self._take()
        if token.kind != "text":
            self._expected("text in quotes, as 'paris',", token)
        quote = token.text[0]
        words = folded(token.text[1:-1].replace(2 * quote, quote))
        if not words:
            self._wrong(token, "is empty: write what to look for between the quotes")
        value = self._value(
            words.rstrip("/") or "/" if "folder" in column and "=" in sign else words
        )
        if "=" in sign:
            return f"{column} {sign} {value}"
        return f"instr({column}, {value}) {'=' if sign == '!~' else '>'} 0"

    def _number(self, column: str, sign: str) -> str:
        return f"{column} {sign} {self._value(self._decimal('a number'))}"

    def _decimal(self, what: str) -> float:
        token = self._take()
        if token.kind != "value":
            self._expected(what, token)
        try:
            found = float(token.text)
        except ValueError:
            self._wrong(token, f"is not {what}")
        if not math.isfinite(found):
            self._wrong(token, f"is not {what}")
        return found

    def _within(self) -> str:
        if not self._is("within"):
            self._expected("within, as in: gps within 5km of 48.85,2.29,")
        token = self._take()
        found = _DISTANCE.fullmatch(token.text)
        if token.kind != "value" or found is None:
            self._expected("a distance with its unit, as 500m, 5km or 3mi,", token)
        reach = float(found[1]) * _METRES[found[2].lower()]
        if not self._is("of"):
            self._expected("of, as in: gps within 5km of 48.85,2.29,")
        start = self._next
        latitude = self._decimal("a latitude in degrees")
        if not self._is(","):
            self._expected("a comma, then the longitude,")
        longitude = self._decimal("a longitude in degrees")
        if abs(latitude) > 90 or abs(longitude) > 180:
            why = "is not on earth: latitude is first, -90 to 90, then longitude, -180 to 180"
            self._wrong(start, why)
        margin = math.degrees(reach / EARTH) * (1 + 1e-9) + 1e-9  # So that few are computed.
        low, high, far = map(self._value, (latitude - margin, latitude + margin, reach))
        here = f"{self._value(latitude)}, {self._value(longitude)}"
        near = f"solar_metres(latitude, longitude, {here}) <= {far}"
        return f"(latitude BETWEEN {low} AND {high} AND {near})"

    def _when(self, sign: str) -> str:
        token = self._take()
        found = DATE.fullmatch(token.text)
        if token.kind != "value" or found is None:
            self._expected("a date, as 2020, 2020-06, 2020-06-15 or 2020-06-15T14:30,", token)
        try:
            start, end = period(found)
        except (ValueError, OverflowError):
            self._wrong(token, "is a date that no calendar has")
        column = _UTC if found[7] else "taken"
        if sign in ("=", "!="):
            low, high = self._value(start), self._value(end)
            inside = f"({column} >= {low} AND {column} < {high})"
            return inside if sign == "=" else f"NOT {inside}"
        bound = self._value(end if sign in ("<=", ">") else start)
        return f"{column} {'<' if sign[0] == '<' else '>='} {bound}"


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while found := _TOKEN.match(text, at):
        kind = str(found.lastgroup)
        start = found.start(kind)
        if kind == "other":
            what = "a quote that is not closed" if found[kind] in "'\"" else "cannot stand here"
            raise UsageError(f"--where, column {start + 1}: {shown(found[kind])}: {what}")
        yield _Token(kind, found[kind], start + 1)
        at = found.end()
    yield _Token("end", "", len(text.rstrip()) + 1)
