"""Reports of patch evaluations: JSON, a Markdown table, curves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from solar.evaluation.patches.homography_results import HomographyResult
from solar.evaluation.report.charts import COLOURS, line_chart
from solar.files.atomic import write_atomically


def write_report(
    folder: str | Path,
    document: Mapping[str, Any],
    markdown: str,
    pictures: Mapping[str, str] | None = None,
) -> None:
    """Write `report.json`, `report.md` and SVG pictures.

    Args:
        folder: made if missing.
        document: JSON values.
        markdown: tables.
        pictures: SVG documents by file name, shown at the end of `report.md`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    shown = "".join(f"\n![{name}]({name})\n" for name in pictures or {})
    files = {
        "report.json": json.dumps(document, indent=1, allow_nan=False),
        "report.md": markdown + shown,
        **(pictures or {}),
    }
    for name, text in files.items():
        with write_atomically(folder / name) as file:
            file.write(text.encode())


def accuracy_chart(results: Mapping[str, HomographyResult]) -> str:
    """An SVG of mean matching accuracy at 1 to 10 pixels, a line a descriptor.

    Of more descriptors than a chart has colours, the first ones; its title says so.
    """
    drawn = list(results.items())[: len(COLOURS)]
    lines = {
        name: [(float(pixels), accuracy) for pixels, accuracy in enumerate(result.accuracy, 1)]
        for name, result in drawn
    }
    rest = len(results) - len(drawn)
    return line_chart(
        "mean matching accuracy" + (f" (first {len(drawn)} of {len(results)})" if rest else ""),
        "pixels",
        "accuracy",
        lines,
        x_ticks=range(1, 11),
        y_ticks=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
    )
