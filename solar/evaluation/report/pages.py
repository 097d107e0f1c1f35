"""A report as a page to look at: figures, curves, and the first hits of each query, framed."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

from PIL import Image

from solar.datasets.photos import LabelledSet
from solar.errors import PhotoError, UsageError
from solar.evaluation.report.charts import line_chart
from solar.evaluation.report.published import figures
from solar.evaluation.report.report import Hit, Report, percent
from solar.files.atomic import write_atomically
from solar.photos import Box, open_photo, prepare

SHOWN_QUERIES = 100
THUMBNAIL = 160

# Frame and words by label: what the ground truth says of a hit.
_RIGHT, _WRONG, _IGNORED = ("right", "✓"), ("wrong", "✗"), ("ignored", "○")
_FRAMES = {
    "easy": _RIGHT,
    "hard": _RIGHT,
    "ok": _RIGHT,
    "wrong": _WRONG,
    "distractor": _WRONG,
    "junk": _IGNORED,
}

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #888;
  --right: #16a34a; --wrong: #dc2626; --ignored: #9ca3af; --query: #f59e0b; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 1240px; padding: 24px; }
h1 { font-size: 22px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 28px 0 8px; }
p { color: var(--soft); margin: 0 0 16px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin-bottom: 16px; }
th, td { border-bottom: 1px solid var(--line); padding: 4px 14px 4px 0; text-align: left;
  overflow-wrap: anywhere; vertical-align: top; }
.own { font-weight: 600; } .charts { display: flex; flex-wrap: wrap; gap: 24px; }
.charts svg { flex: 1 1 380px; max-width: 560px; } .scroll { overflow-x: auto; }
.strip { display: grid; grid-template-columns: repeat(11, minmax(84px, 1fr)); gap: 6px;
  padding: 4px 0 16px; }
figure { margin: 0; } figcaption { font-size: 12px; color: var(--soft); }
.tile { border: 4px solid var(--line); border-radius: 4px; height: 92px; overflow: hidden;
  display: grid; place-items: center; font-size: 12px; color: var(--soft); }
.tile img { width: 100%; height: 92px; object-fit: cover; display: block; }
.right .tile { border-color: var(--right); }
.wrong .tile { border-color: var(--wrong); } .ignored .tile { border-color: var(--ignored); }
.query .tile { border-color: var(--query); }
"""


def write_page(
    report: Report, folder: str | Path, photos: LabelledSet, *, crop: bool = True
) -> Path:
    """Write ``report.html``: thumbnails inside, no script, no network.

    Queries with the lowest AP come first, at most 100 of them.

    Args:
        report: what to show.
        folder: where to write.
        photos: that were ranked.
        crop: queries were cropped to their boxes.

    Returns:
        The page's path.
    """
    truth, boxes = photos.ground_truth, photos.boxes(crop)
    names = [*truth.database, *(query.name for query in truth.queries)]
    paths = dict(zip(names, [*photos.database, *photos.queries], strict=True))
    album = _Album(paths.__getitem__)
    body = [
        f"<h1>{escape(report.dataset)}: {escape(str(report.protocol.get('model')))}</h1>",
        _figures(report),
        f'<div class="charts">{"".join(charts(report))}</div>',
        "<h2>First hits</h2>",
        *_strips(report, album, boxes),
        "<h2>Settings</h2>",
        _table([(name, str(value)) for name, value in report.protocol.items()]),
    ]
    path = Path(folder) / "report.html"
    document = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(report.dataset)}</title><style>{_STYLE}</style></head><body>"
        + "\n".join(body)
        + "</body></html>\n"
    )
    with write_atomically(path) as file:
        file.write(document.encode("utf-8", "replace"))  # a file name need not be UTF-8
    return path


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
            name: [(d, m) for d in sizes if (m := report.by_dimension[d][name]) is not None]
            for name in report.results
        }
        drawn.append(
            line_chart("mAP by dimensions", "dimensions", "mAP", by_size,
                       x_ticks=sizes, y_ticks=tenths, even=True)
        )  # fmt: skip
    return drawn


def _figures(report: Report) -> str:
    names = list(report.results)
    rows = [("", *(f"mAP {name}" for name in names), "mP@1 / 5 / 10", "source")]
    precision = "; ".join(
        f"{name} " + " / ".join(percent(p) for p in report.results[name].mp_at.values())
        for name in names
    )
    own = (
        str(report.protocol.get("model")),
        *(percent(report.results[name].map) for name in names),
        precision,
        "this report",
    )
    for figure in figures(report.published_as()):
        maps = (f"{figure.map[name]:g}" if name in figure.map else "–" for name in names)
        rows.append((figure.label, *maps, "", figure.source))
    return _table([rows[0], own, *rows[1:]], head=True)


def _table(rows: Sequence[Sequence[str]], head: bool = False) -> str:
    lines = []
    for number, row in enumerate(rows):
        tag = "th" if head and number == 0 else "td"
        cells = "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row)
        lines.append(
            f'<tr class="own">{cells}</tr>' if head and number == 1 else f"<tr>{cells}</tr>"
        )
    return f'<div class="scroll"><table>{"".join(lines)}</table></div>'


def _strips(report: Report, album: _Album, boxes: Sequence[Box | None]) -> list[str]:
    # The strictest figure that each query has decides the order.
    def worst(query: int) -> float:
        found = [result.ap[query] for result in report.results.values()]
        return min((ap for ap in found if ap is not None), default=1.0)

    order = sorted(range(len(report.queries)), key=lambda query: (worst(query), query))
    shown = order[:SHOWN_QUERIES]
    cut = "" if len(shown) == len(order) else f"; {len(shown)} of {len(order)} are shown"
    lines = [
        f"<p>Queries with the lowest AP first{cut}. Green ✓: a positive; red ✗: none; "
        "grey ○: not counted.</p>"
    ]
    for query in shown:
        name = report.queries[query]
        ap = ", ".join(f"{p} {percent(r.ap[query])}" for p, r in report.results.items())
        tiles = [_tile("query", album.picture(name, boxes[query]), "query")]
        tiles += [_hit(rank, hit, album) for rank, hit in enumerate(report.ranks[query], 1)]
        lines.append(
            f'<b>{escape(name)}</b> <span>AP {ap}</span><div class="scroll strip">'
            f"{''.join(tiles)}</div>"
        )
    return lines


def _hit(rank: int, hit: Hit, album: _Album) -> str:
    frame, mark = _FRAMES[hit.label]
    picture = "distractor" if hit.label == "distractor" else album.picture(hit.photo, None)
    return _tile(frame, picture, f"{rank} {mark} {hit.label}", hit.photo)


def _tile(frame: str, picture: str, caption: str, title: str = "") -> str:
    return (
        f'<figure class="{frame}" title="{escape(title)}"><div class="tile">{picture}</div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


class _Album:
    """Thumbnails; a photo that many queries find is decoded once."""

    def __init__(self, photo: Callable[[str], Path]) -> None:
        self.photo = photo
        self.made: dict[tuple[str, Box | None], str] = {}

    def picture(self, name: str, box: Box | None) -> str:
        if (name, box) not in self.made:
            self.made[name, box] = self.draw(name, box)
        return self.made[name, box]

    def draw(self, name: str, box: Box | None) -> str:
        try:
            image = open_photo(self.photo(name))
            if box is not None:
                image = prepare(image, max(image.size), box)
        except (PhotoError, UsageError):
            return f"{escape(name)}: cannot be opened"
        data = base64.b64encode(_jpeg(image)).decode()
        return f'<img alt="{escape(name)}" src="data:image/jpeg;base64,{data}">'


def _jpeg(image: Image.Image) -> bytes:
    image.thumbnail((3 * THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
