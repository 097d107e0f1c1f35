"""Tables of figures as data, for whatever shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """Rows of cells, each as it is printed; the first column says what the row is.

    Attributes:
        heads: of the columns.
        rows: each with a cell for every column.
        legend: what the words and figures of the table mean, shown below it.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    legend: Mapping[str, str] = field(default_factory=dict)

    def to_markdown(self) -> str:
        """A Markdown table, figures to the right, and its legend."""
        rule = ["---", *["---:"] * (len(self.heads) - 1)]
        lines = [[_cell(head) for head in self.heads], rule]
        lines += [[_cell(cell) for cell in row] for row in self.rows]
        table = "".join("| " + " | ".join(line) + " |\n" for line in lines)
        legend = "".join(f"- {word}: {meaning}\n" for word, meaning in self.legend.items())
        return f"{table}\n{legend}" if legend else table


def percent(value: float | None, digits: int = 2) -> str:
    """0 to 1 as a percentage, as the field prints it; a dash for none."""
    return figure(None if value is None else 100 * value, digits)


def figure(value: float | None, digits: int = 2) -> str:
    """A number as tables print it; a dash for none."""
    return "–" if value is None else f"{value:.{digits}f}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
