"""Names and pieces of hostile files in messages: on one line, short, fit for any terminal."""

from __future__ import annotations

import os
import reprlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from solar.typing import AnyPath


MOST = 60


def printable(name: AnyPath) -> str:
    """A name whole, on one line: line breaks, escapes and broken letters are written out."""
    text = os.fspath(name)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown(value: object) -> str:
    """A value out of a file, as Python writes it, in at most 60 characters.

    Lists that nest exponentially or hold themselves cost no more than others.
    """
    return cut(_brief.repr(value))


def cut(text: object, most: int = MOST) -> str:
    """A text on one line and not too long: for what other libraries say of a file."""
    line = printable(" ".join(str(text)[: 4 * most].split()))
    return line if len(line) <= most else f"{line[: most - 1]}…"


def numbered(count: int, noun: str) -> str:
    """A number and what it counts: "1 photo", "2,000 photos"."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


class _Brief(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxdict, self.maxlist, self.maxtuple = 2, 3, 4, 4
        self.maxstring = self.maxother = MOST

    def repr_int(self, x: int, level: int) -> str:
        """Python refuses to write out numbers that are long enough."""
        return str(x) if x.bit_length() < 128 else f"a number of {x.bit_length()} bits"


_brief = _Brief()
