"""The files of a report: JSON for programs, Markdown and a page for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from solar.evaluation.report.table import Table
from solar.files.atomic import write_atomically
from solar.typing import AnyPath
from solar.web.html import write_html

JSON, MARKDOWN, PAGE = "report.json", "report.md", "report.html"


def write_files(
    folder: AnyPath,
    document: Mapping[str, Any],
    markdown: str,
    pictures: Mapping[str, str] | None = None,
) -> None:
    """Write `report.json`, `report.md` and pictures.

    Args:
        folder: made if missing.
        document: JSON values.
        markdown: for people.
        pictures: SVG documents by file name, shown at the end of the Markdown.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    pictures = pictures or {}
    shown = "".join(f"\n![{name}]({name})\n" for name in pictures)
    text = json.dumps(document, indent=1, allow_nan=False)
    for name, content in {JSON: text, MARKDOWN: markdown + shown, **pictures}.items():
        with write_atomically(Path(folder, name)) as file:
            file.write(content.encode())


def write_report_page(
    folder: AnyPath,
    title: str,
    tables: Sequence[Table],
    *,
    note: str = "",
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
        note: on how they are to be read.
        charts: SVG elements, made here.
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
        note=note,
        charts=[Markup(chart) for chart in charts],  # noqa: S704 - their texts are escaped
        settings=settings,
        strips=strips,
        queries=queries,
    )
    return path
