"""What a million, a hundred million and a billion photos take: arithmetic, from measured figures.

    python -m benchmarks.arithmetic [--photos 1e6,1e8,1e9] [--photos-per-second 2.87] [--days 7]
        [--memory-gb 64] [--core-hour 0.05] [--gb-month 0.023] [--searches-per-second 10]

Prices and machines are what you say; the defaults stand for none in particular. `FIGURES` are
what other commands of this repository printed, named beside each; bytes of a photo in the
catalogue are measured here. What is assumed beyond that is printed below the tables.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from solar.extraction import Described, Extraction, Failed
from solar.index import Index
from solar.index.vectors import kind_named
from solar.photos import Box, Photo

DIMENSIONS = 512
CORES = 2
"""Of the machine that was measured: AMD EPYC (Zen 3), 26 November 2026."""

PHOTOS_PER_SECOND = 2.87
"""`solar-r18` by OpenVINO, 12-megapixel JPEG, 448 px, three scales: `python -m benchmarks.run`."""

KEYPOINT_BYTES = 19_000
"""Of a photo whose keypoints are kept: `python benchmarks/features.py`."""


@dataclass(frozen=True)
class Searched:
    """What searching a million photos takes, 32 at a time: `python -m benchmarks.kinds FOLDER`.

    Attributes:
        kind: of vectors.
        setting: lists and candidates.
        per_second: searches, by both cores.
        recall: of the ten nearest.
        memory: bytes of a row that are to be in memory, of its bytes on disk; None for all.
    """

    kind: str
    setting: str
    per_second: float | None
    recall: float
    memory: float | None = None


FIGURES = (
    Searched("exact", "all", 28, 1.0, 2 * DIMENSIONS),
    Searched("float16", "all", 28, 1.0),
    Searched("sq8", "all", 29, 0.997),
    Searched("rabitq", "all codes, 1,000", 81, 0.957, DIMENSIONS / 8 + 12),
    Searched("ivf-rabitq", "1,024, 400", 28, 0.909, DIMENSIONS / 8 + 12),
    Searched("ivf-rabitq", "256, 400", 104, 0.767, DIMENSIONS / 8 + 12),
    Searched("ivf-pq", "1,024, 400", 77, 0.955, DIMENSIONS / 8 + 4),
    Searched("ivf-pq", "256, 400", 104, 0.803, DIMENSIONS / 8 + 4),
    # HNSW of M 24 keeps rows and links in memory, see docs/milvus.md.
    Searched("milvus", "HNSW", None, math.nan, 4 * DIMENSIONS + 8 * 24 + 16),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--photos", default="1e6,1e8,1e9")
    parser.add_argument("--photos-per-second", type=float, default=PHOTOS_PER_SECOND)
    parser.add_argument("--days", type=float, default=7, help="for describing all photos")
    parser.add_argument("--memory-gb", type=float, default=64, help="of a machine; 2/3 hold rows")
    parser.add_argument("--core-hour", type=float, default=0.05, help="price of an hour of a core")
    parser.add_argument("--gb-month", type=float, default=0.023, help="price of a GB for a month")
    parser.add_argument("--searches-per-second", type=float, default=10, help="to be answered")
    parser.add_argument("--milvus-per-second", type=float, help="searches of a million, two cores")
    given = parser.parse_args()
    photos = [float(count) for count in given.photos.split(",")]
    catalogue = catalogue_bytes()
    print("\n".join([*describing(given, photos), "", *searching(given, photos, catalogue), ""]))
    print(
        f"Catalogue: {catalogue:.0f} bytes a photo, measured; keypoints, if kept: "
        f"{KEYPOINT_BYTES:,} more.\nAssumed: seconds of a search rise with the photos (the same "
        "part of them is looked at), memory holds\nwhat is scanned, and machines divide photos "
        "evenly. Prices are parameters, not quotations."
    )


def describing(given: argparse.Namespace, photos: list[float]) -> list[str]:
    """A table of what describing takes."""
    lines = [
        f"| photos | machine-hours | machines, {given.days:g} days | price | descriptors |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    for count in photos:
        hours = count / given.photos_per_second / 3600
        machines = math.ceil(hours / (24 * given.days))
        price = hours * CORES * given.core_hour
        size = count * 4 * DIMENSIONS
        lines.append(
            f"| {count:,.0f} | {hours:,.0f} | {machines:,} | {price:,.0f} | {_size(size)} |"
        )
    return lines


def searching(given: argparse.Namespace, photos: list[float], catalogue: float) -> list[str]:
    """A table of what an index takes, and a search in it."""
    lines = [
        "| photos | kind | lists, candidates | recall@10 | on disk | a month | in memory | "
        f"machines for it; for {given.searches_per_second:g}/s | core-s a search | 1,000 cost |",
        "| ---: | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for count in photos:
        for each in FIGURES:
            row = kind_named(each.kind).row_bytes(DIMENSIONS)
            disk = count * (row + catalogue)
            memory = count * (row if each.memory is None else each.memory)
            machines = math.ceil(memory / (given.memory_gb * 1e9 * 2 / 3))
            rate = given.milvus_per_second if each.kind == "milvus" else each.per_second
            busy, seconds, price = "–", "–", "–"
            if rate:
                core_seconds = CORES / rate * count / 1e6
                busy = f"{math.ceil(core_seconds * given.searches_per_second / CORES):,}"
                seconds = f"{core_seconds:,.3g}"
                price = f"{1000 * core_seconds / 3600 * given.core_hour:,.2g}"
            recall = "–" if math.isnan(each.recall) else f"{each.recall:.3f}"
            month = f"{disk / 1e9 * given.gb_month:,.2f}"
            cells = (
                *(f"{count:,.0f}", each.kind, each.setting, recall, _size(disk), month),
                *(_size(memory), f"{machines:,}; {busy}", seconds, price),
            )
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def catalogue_bytes(count: int = 20_000) -> float:
    """Bytes of a photo in a catalogue, by one that is made and thrown away."""
    rows = np.eye(1, 8, dtype=np.float32).repeat(count, 0)
    with tempfile.TemporaryDirectory() as folder:
        index = Index.create(Path(folder) / "my.index", _Named(), local=None)
        names = [f"/photos/{n // 1000:06}/IMG_{n:08}.jpg" for n in range(count)]
        index.add_descriptors(names, rows, _Named.extraction)
        return (index.folder / "catalogue-000001.db").stat().st_size / count


class _Named:
    """An extractor that is only named."""

    extraction = Extraction("generated", "0" * 64, 8, 64, (1.0,))

    def describe(
        self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
    ) -> Iterator[Described | Failed]:
        """Describe nothing."""
        return iter(())


def _size(count: float) -> str:
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if count >= unit:
            return f"{count / unit:,.3g} {name}"
    return f"{count:,.0f} bytes"


if __name__ == "__main__":
    main()
