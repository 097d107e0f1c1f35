"""What a benchmark of patches or matching found: JSON, tables, pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from solar.evaluation.report.table import Table
from solar.files.atomic import write_atomically
from solar.typing import AnyPath


@dataclass(frozen=True)
class PatchReport:
    """The result of one benchmark.

    Attributes:
        document: JSON values.
        tables: what people look at first.
        note: on how the figures are to be read.
        pictures: SVG documents by file name.
    """

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
        """Write `report.json`, `report.md` and the pictures into a folder, made if missing."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        shown = "".join(f"\n![{name}]({name})\n" for name in self.pictures)
        files = {
            "report.json": json.dumps(self.to_json(), indent=1, allow_nan=False),
            "report.md": self.to_markdown() + shown,
            **self.pictures,
        }
        for name, text in files.items():
            with write_atomically(Path(folder, name)) as file:
                file.write(text.encode())
