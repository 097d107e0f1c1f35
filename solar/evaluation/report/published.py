"""Published figures, to stand beside one's own.

Beside each stands where it comes from, and whether it was read in a copy of that source; the
others are as quoted elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PATCH_BENCHMARKS = ("phototour", "hpatches")


@dataclass(frozen=True)
class PublishedMap:
    """One method's mAP on one data set.

    Attributes:
        method: name, backbone, what it was trained on.
        map: percent by protocol.
        source: where the figure stands.
        unverified: quoted from memory of the literature, not read in the source.
    """

    method: str
    map: Mapping[str, float]
    source: str
    unverified: bool

    @property
    def label(self) -> str:
        """For a table."""
        return f"{self.method} (unverified)" if self.unverified else self.method


def published_maps(dataset: str) -> list[PublishedMap]:
    """Published figures for ``roxford5k``, ``rparis6k+r1m``, …; none for other data sets."""
    return [
        PublishedMap(row["method"], row["map"][dataset], row["source"], row["unverified"])
        for row in _read("published_maps.json")
        if dataset in row["map"]
    ]


def published_patches(benchmark: str) -> list[tuple[str, dict[str, Any]]]:
    """The entries of one of `PATCH_BENCHMARKS`, per cent, each with what a table calls it."""
    return [
        (str(entry["name"]) + ("" if entry["verified"] else " (unverified)"), entry)
        for entry in _read("published_patches.json")[benchmark]
    ]


@cache
def _read(name: str) -> Any:
    return json.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))
