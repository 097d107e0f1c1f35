"""solar tune: how much an approximate index must look at."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solar.cli.console import out, print_json, progress, table
from solar.cli.options import AsJson, Overwrite
from solar.files import claim_output
from solar.files.atomic import write_atomically

if TYPE_CHECKING:
    from solar.index.tuning import Setting, Tuning

_WIDTH, _HEIGHT, _EDGE = 640, 400, 60


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("tune", epilog="Example: solar tune my.index --recall 0.95 --to tune.svg")(tune)


def tune(
    index: Annotated[Path, typer.Argument(help="An index made by `solar index`.")],
    recall: Annotated[
        float,
        typer.Option(help="Part of the ten nearest photos that searches shall find, 0 to 1."),
    ] = 0.95,
    queries: Annotated[
        int, typer.Option(help="How many photos of the index are searched for.")
    ] = 100,
    to: Annotated[
        Path | None, typer.Option(help="Draw the trade-off: an .svg file. [none]")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Measure what an approximate index finds, and keep the fastest setting that finds enough."""
    from solar.index import Index

    if to is not None:
        claim_output(to, suffixes=(".svg",), overwrite=overwrite, made_by=_is_svg)
    with progress("measuring") as show:
        found = Index.open(index).tune(recall, queries, show)
    if to is not None:
        with write_atomically(to) as file:
            file.write(_drawn(found).encode())
    if as_json:
        print_json({"index": str(index), **asdict(found)})
        return
    out.print(
        f"{index}: {found.photos:,} photos of kind {found.kind}; comparing all takes "
        f"{found.exact_milliseconds:.1f} ms"
    )
    table([_row(each, chosen=each == found.chosen) for each in found.settings])
    if found.chosen.recall_at_10 < recall:
        out.print(f"nothing finds {recall:.0%}: the best is kept")


def _row(setting: Setting, *, chosen: bool) -> tuple[str, str]:
    return (
        f"{setting.milliseconds:.2f} ms",
        f"recall@10 {setting.recall_at_10:.3f}, @100 {setting.recall_at_100:.3f} "
        f"({setting.probes:,} lists, {setting.candidates} candidates)"
        + (": kept from now on" if chosen else ""),
    )


def _is_svg(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(5) == b"<svg "


def _drawn(found: Tuning) -> str:
    """Recall over milliseconds, on a logarithmic scale, as SVG."""
    from math import log10

    times = [each.milliseconds for each in found.settings] + [found.exact_milliseconds]
    least, most = log10(min(times) * 0.8), log10(max(times) * 1.25)

    def at(milliseconds: float, recall: float) -> tuple[float, float]:
        across = (log10(milliseconds) - least) / (most - least)
        return (
            _EDGE + across * (_WIDTH - 2 * _EDGE),
            _HEIGHT - _EDGE - recall * (_HEIGHT - 2 * _EDGE),
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>'
    ]
    for recall in (0, 0.25, 0.5, 0.75, 0.9, 1):
        _, y = at(found.exact_milliseconds, recall)
        parts.append(
            f'<path d="M{_EDGE} {y:.1f}H{_WIDTH - _EDGE}" stroke="#ddd"/>'
            f'<text x="{_EDGE - 6}" y="{y + 4:.1f}" text-anchor="end">{recall:g}</text>'
        )
    for name, color in (("recall_at_10", "#06c"), ("recall_at_100", "#c60")):
        points = [at(each.milliseconds, getattr(each, name)) for each in found.settings]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in points]
    x, y = at(found.chosen.milliseconds, found.chosen.recall_at_10)
    parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="7" fill="none" stroke="#06c"/>')
    for milliseconds in times:
        x, _ = at(milliseconds, 0)
        parts.append(
            f'<text x="{x:.1f}" y="{_HEIGHT - _EDGE + 18}" text-anchor="end" '
            f'transform="rotate(-40 {x:.1f} {_HEIGHT - _EDGE + 18})">{milliseconds:.2g}</text>'
        )
    x, y = at(found.exact_milliseconds, 1)
    parts.append(f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="#333"/>')
    parts.append(
        f'<text x="{_EDGE}" y="24">{found.photos:,} photos, {found.kind}: recall@10 (blue) and '
        f"@100 (orange) over milliseconds; square: comparing all; ring: kept</text></svg>\n"
    )
    return "".join(parts)
