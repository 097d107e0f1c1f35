"""solar index: photos into an index."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from solar.cli.console import err, out, print_json, progress, ready
from solar.cli.console import scales as parse_scales

if TYPE_CHECKING:
    from solar.index import AddReport

SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("index", epilog="Example: solar index ~/Pictures --to my.index")(index)


def index(
    photos: Annotated[list[Path], typer.Argument(help="Photos and folders of photos.")],
    to: Annotated[Path, typer.Option(help="The index: a folder, made if it is not there.")],
    model: Annotated[
        str | None, typer.Option(help="Named model, model folder or .pth file. [solar-r18]")
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(min=32, help="Limit of the longest side. [the model's]")
    ] = None,
    scales: Annotated[str | None, typer.Option(help="As 1,1.4142,0.7071. [the model's]")] = None,
    local: Annotated[
        str | None,
        typer.Option(
            help="Also keep local descriptors, for `solar search --rerank geometric`: rootsift, "
            "or a local model's name, folder or .pth file; once is enough. [none]"
        ),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Drop photos whose files are gone.")
    ] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="Also try again what was skipped before.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Describe photos and keep their descriptors; only new and changed ones are described.

    An interrupted run goes on where it stopped.
    """
    from solar.index import Index

    sizes = parse_scales(scales)
    if to.is_file() or (to.is_dir() and any(to.iterdir())):
        kept = Index.open(to, model, image_size, sizes)
    else:
        kept = Index.create(to, ready(model or "solar-r18"), image_size, sizes)
    if local is not None:
        kept.keep_local(local)
    with progress("describing") as show:
        report = kept.add(photos, progress=show, retry_failed=retry)
    dropped = kept.remove(report.vanished) if prune else 0
    if as_json:
        totals = {"index": str(to), "photos": len(kept), "dropped": dropped}
        print_json({**totals, **asdict(report)})
    else:
        _print(report, to, len(kept), dropped)


def _print(report: AddReport, to: Path, total: int, dropped: int) -> None:
    counts = [
        f"{len(paths)} {word}"
        for word in ("added", "changed", "unchanged")
        if (paths := getattr(report, word))
    ]
    out.print(f"[bold]{escape(str(to))}[/]: {total} photos ({', '.join(counts) or 'none new'})")
    if dropped:
        out.print(f"  {dropped} dropped, their files are gone")
    elif report.vanished:
        out.print(f"  {len(report.vanished)} files are gone; --prune drops them from the index")
    for path, same in report.duplicates[:SHOWN]:
        out.print(f"  same bytes: {escape(path)} = {escape(same)}", soft_wrap=True)
    for _, reason in report.failed[:SHOWN]:
        err.print(f"  skipped {escape(reason)}", soft_wrap=True)
    for _, reason in report.without_features[:SHOWN]:
        err.print(f"  no local descriptors: {escape(reason)}", soft_wrap=True)
    if len(report.failed) > SHOWN:
        err.print(f"  ... {len(report.failed)} skipped in all; see: solar info {escape(str(to))}")
