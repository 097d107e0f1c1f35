"""Published figures of patch descriptors, to print beside one's own.

`published.json` says where each comes from. "verified" means that the figure was read in
a copy of that source; the others are as quoted elsewhere, and their lines say so.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from solar.evaluation.patches.hpatches.results import HPatchesRow
from solar.evaluation.patches.phototour import PhotoTourRow


@cache
def _data() -> dict[str, list[dict[str, Any]]]:
    text = (files("solar.evaluation.patches") / "published.json").read_text(encoding="utf-8")
    data: dict[str, list[dict[str, Any]]] = json.loads(text)
    return data


def published_phototour() -> list[PhotoTourRow]:
    """FPR95 of published descriptors, per cent."""
    return [
        PhotoTourRow(_title(entry), tuple(entry["columns"] or [None] * 6), entry["mean"])
        for entry in _data()["phototour"]
    ]


def published_hpatches() -> list[HPatchesRow]:
    """Imbalanced verification AP and matching mAP on the full split, per cent."""
    return [
        HPatchesRow(_title(entry), entry["verification"], entry["matching"])
        for entry in _data()["hpatches"]
    ]


def sources() -> list[str]:
    """A line for every published figure: data set, name, source."""
    return [
        f"{data_set}, {_title(entry)}: {entry['source']}"
        for data_set, entries in _data().items()
        for entry in entries
    ]


def _title(entry: dict[str, Any]) -> str:
    return str(entry["name"]) + ("" if entry["verified"] else " (unverified)")
