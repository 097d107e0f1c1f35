"""What a benchmark of patches or matching found: JSON, tables, pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from solar.evaluation.report import Table, write_files, write_report_page
from solar.typing import AnyPath


@dataclass(frozen=True)
class PatchReport:
    """The result of one benchmark.

    Attributes:
        title: of what.
        document: JSON values.
        tables: what people look at first.
        note: on how the figures are to be read.
        pictures: SVG documents by file name.
    """

    title: str
    document: Mapping[str, Any]
    tables: Sequence[Table]
    note: str = ""
    pictures: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return dict(self.document)

    def to_markdown(self) -> str:
        """The tables and the note."""
        note = [self.note] if self.note else []
        return "\n".join([*(table.to_markdown() for table in self.tables), *note])

    def write(self, folder: AnyPath) -> None:
        """Write JSON, Markdown, a page and the pictures into a folder, made if missing."""
        write_files(folder, self.to_json(), self.to_markdown(), self.pictures)
        charts = list(self.pictures.values())
        write_report_page(folder, self.title, self.tables, note=self.note, charts=charts)
