"""The files of a report: JSON for programs, Markdown and a page for people."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from solar.evaluation.report.table import Table
from solar.files.atomic import write_atomically
from solar.typing import AnyPath
from solar.web.html import write_html

JSON, MARKDOWN, PAGE = "report.json", "report.md", "report.html"


@dataclass(frozen=True)
class PatchReport:
    """The result of a benchmark of patches or of matching.

    Attributes:
        title: of what.
        document: JSON values: `benchmark`, `protocol`, the result, and what `compare` compares:
            `figures` by name, each with its `value`, and its `parts` and their `units` where it is
            a mean of some.
        tables: what people look at first.
        pictures: SVG documents, and JPEG bytes, by file name.
    """

    title: str
    document: Mapping[str, Any]
    tables: Sequence[Table]
    pictures: Mapping[str, str | bytes] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return dict(self.document)

    def to_markdown(self) -> str:
        """The tables."""
        return "\n".join(table.to_markdown() for table in self.tables)

    def write(self, folder: AnyPath) -> None:
        """Write JSON, Markdown, a page and the pictures into a folder, made if missing."""
        write_files(folder, self.to_json(), self.to_markdown(), self.pictures)
        charts = [_shown(name, picture) for name, picture in self.pictures.items()]
        write_report_page(folder, self.title, self.tables, charts=charts)


def write_files(
    folder: AnyPath,
    document: Mapping[str, Any],
    markdown: str,
    pictures: Mapping[str, str | bytes] | None = None,
) -> None:
    """Write `report.json`, `report.md` and pictures.

    Args:
        folder: made if missing.
        document: JSON values.
        markdown: for people.
        pictures: by file name, shown at the end of the Markdown.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    pictures = pictures or {}
    shown = "".join(f"\n![{name}]({name})\n" for name in pictures)
    text = json.dumps(document, indent=1, allow_nan=False)
    for name, content in {JSON: text, MARKDOWN: markdown + shown, **pictures}.items():
        with write_atomically(Path(folder, name)) as file:
            file.write(content if isinstance(content, bytes) else content.encode())


def write_report_page(
    folder: AnyPath,
    title: str,
    tables: Sequence[Table],
    *,
    charts: Sequence[str] = (),
    settings: Table | None = None,
    strips: Sequence[object] = (),
    queries: int = 0,
) -> Path:
    """Write `report.html`: no script, no network.

    Args:
        folder: where to write.
        title: of the page.
        tables: of the figures.
        charts: elements of HTML, made here.
        settings: at the end.
        strips: first hits of queries, as the template shows them.
        queries: how many there are in all.

    Returns:
        The page's path.
    """
    path = Path(folder, PAGE)
    write_html(
        path,
        PAGE,
        title=title,
        tables=tables,
        charts=[Markup(chart) for chart in charts],  # noqa: S704 - their texts are escaped
        settings=settings,
        strips=strips,
        queries=queries,
    )
    return path


def _shown(name: str, picture: str | bytes) -> str:
    if isinstance(picture, str):
        return picture
    data = b64encode(picture).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="{escape(name)}" class="wide">'
