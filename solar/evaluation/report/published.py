"""Published retrieval figures, to stand beside one's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
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


def figures(dataset: str) -> list[Figure]:
    """Published figures for ``roxford5k``, ``rparis6k+r1m``, …; none for other data sets."""
    path = Path(__file__).with_name("published.json")
    return [
        Figure(row["method"], row["map"][dataset], row["source"], row["unverified"])
        for row in json.loads(path.read_text(encoding="utf-8"))
        if dataset in row["map"]
    ]
