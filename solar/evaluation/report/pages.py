"""A retrieval report as a page: figures, curves, and the first hits of each query, framed."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from solar.datasets.photos import LabelledSet
from solar.evaluation.report.charts import line_chart
from solar.evaluation.report.report import LabelledHit, Report
from solar.evaluation.report.table import percent
from solar.evaluation.report.writing import write_report_page
from solar.photos.thumbnails import Thumbnail, thumbnail
from solar.typing import AnyPath

SHOWN_QUERIES = 100
_SIDE = 200

# Frame and mark by label: what the ground truth says of a hit.
_RIGHT, _WRONG, _IGNORED = ("right", "✓"), ("wrong", "✗"), ("ignored", "○")
_FRAMES = {
    "easy": _RIGHT,
    "hard": _RIGHT,
    "ok": _RIGHT,
    "wrong": _WRONG,
    "distractor": _WRONG,
    "junk": _IGNORED,
}


def write_page(report: Report, folder: AnyPath, photos: LabelledSet, *, crop: bool = True) -> Path:
    """Write `report.html`; queries with the lowest AP come first, at most 100 of them.

    Args:
        report: what to show.
        folder: where to write.
        photos: that were ranked.
        crop: queries were cropped to their boxes.

    Returns:
        The page's path.
    """
    paths = dict(zip(photos.ground_truth.database, photos.database, strict=True))
    boxes, turned = photos.boxes(crop), report.protocol.get("decoding") != "stored"

    @cache  # a photo that many queries find is decoded once
    def picture(name: str) -> Thumbnail | None:
        return thumbnail(paths[name], side=_SIDE, turned=turned)

    def tile(rank: int, hit: LabelledHit) -> dict[str, object]:
        frame, mark = _FRAMES[hit.label]
        known = hit.label != "distractor"
        inliers = "" if hit.inliers is None else f" · {hit.inliers} inliers"
        probable = "" if hit.probability is None else f" · {hit.probability:.0%}"
        return {
            "frame": frame,
            "caption": f"{rank} {mark} {hit.label}{probable}{inliers}",
            "name": hit.photo,
            "photo": picture(hit.photo) if known else None,
            "known": known,
        }

    def strip(query: int) -> dict[str, object]:
        name, box = report.queries[query], boxes[query]
        asked = photos.queries[query]
        photo = thumbnail(asked, box, crop=box is not None, side=_SIDE, turned=turned)
        first = {"frame": "query", "caption": "query", "name": name, "photo": photo, "known": True}
        hits = [tile(rank, hit) for rank, hit in enumerate(report.ranks[query], 1)]
        ap = ", ".join(f"{p} {percent(r.ap[query])}" for p, r in report.results.items())
        return {"name": name, "ap": ap, "tiles": [first, *hits]}

    return write_report_page(
        folder,
        report.title,
        report.tables(),
        charts=charts(report),
        settings=report.settings(),
        strips=[strip(query) for query in _worst_first(report)[:SHOWN_QUERIES]],
        queries=len(report.queries),
    )


def charts(report: Report) -> list[str]:
    """Precision over recall, and mAP over dimensions where the report has it, as SVG."""
    tenths = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    curves = {
        name: [(i / 100, p) for i, p in enumerate(result.precision) if p is not None]
        for name, result in report.results.items()
    }
    drawn = [
        line_chart("Precision over recall", "recall", "precision", curves,
                   x_ticks=tenths, y_ticks=tenths)
    ]  # fmt: skip
    if len(report.by_dimension) > 1:
        sizes = sorted(report.by_dimension)
        by_size = {
            name: [(d, m) for d in sizes if (m := report.by_dimension[d][name].map) is not None]
            for name in report.results
        }
        drawn.append(
            line_chart("mAP by dimensions", "dimensions", "mAP", by_size,
                       x_ticks=sizes, y_ticks=tenths, even=True)
        )  # fmt: skip
    return drawn


def _worst_first(report: Report) -> list[int]:
    """The queries by the strictest figure that each has."""

    def worst(query: int) -> float:
        found = [result.ap[query] for result in report.results.values()]
        return min((ap for ap in found if ap is not None), default=1.0)

    return sorted(range(len(report.queries)), key=lambda query: (worst(query), query))
