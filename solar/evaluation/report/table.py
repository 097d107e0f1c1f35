"""Tables of figures as data, for whatever shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Rows of cells, each as it is printed; the first column says what the row is.

    Attributes:
        heads: of the columns.
        rows: each with a cell for every column.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]

    def to_markdown(self) -> str:
        """A Markdown table, figures to the right."""
        rule = ["---", *["---:"] * (len(self.heads) - 1)]
        lines = [[_cell(head) for head in self.heads], rule]
        lines += [[_cell(cell) for cell in row] for row in self.rows]
        return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def percent(value: float | None, digits: int = 2) -> str:
    """0 to 1 as a percentage, as the field prints it; a dash for none."""
    return figure(None if value is None else 100 * value, digits)


def figure(value: float | None, digits: int = 2) -> str:
    """A number as tables print it; a dash for none."""
    return "–" if value is None else f"{value:.{digits}f}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
