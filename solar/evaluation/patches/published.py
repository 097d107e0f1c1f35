"""Published figures of patch descriptors, to print beside one's own.

`published.json` says where each comes from. "verified" means that the figure was read in
a copy of that source; the others are as quoted elsewhere, and their lines say so.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

BENCHMARKS = ("phototour", "hpatches")


@cache
def figures(benchmark: str) -> list[tuple[str, dict[str, Any]]]:
    """The entries of one of `BENCHMARKS`, per cent, each with what a table calls it."""
    text = (files("solar.evaluation.patches") / "published.json").read_text(encoding="utf-8")
    return [
        (str(entry["name"]) + ("" if entry["verified"] else " (unverified)"), entry)
        for entry in json.loads(text)[benchmark]
    ]


def sources() -> list[str]:
    """A line for every published figure: data set, name, source."""
    return [
        f"{benchmark}, {name}: {entry['source']}"
        for benchmark in BENCHMARKS
        for name, entry in figures(benchmark)
    ]
