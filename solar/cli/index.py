"""solar index: photos into an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solar.cli.console import Plain, err, keeping, out, print_json, progress, ready
from solar.cli.console import scales as parse_scales
from solar.cli.options import AsJson, Device, ImageSize, Precision, Scales
from solar.errors import UsageError
from solar.files import shown

if TYPE_CHECKING:
    from solar.index import AddReport, Index

SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("index", epilog="Example: solar index ~/Pictures --to my.index")(index)


def index(
    to: Annotated[Path, typer.Option(help="The index: a folder, made if it is not there.")],
    photos: Annotated[
        list[Path] | None,
        typer.Argument(help="Photos and folders of photos. [none, if an option changes the index]"),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Named model, model folder or .pth file; without PHOTOS, another one describes "
            "all photos anew. [solar-r18]"
        ),
    ] = None,
    image_size: ImageSize = None,
    scales: Scales = None,
    local: Annotated[
        str | None,
        typer.Option(
            help="Also keep keypoints, by which `solar search` verifies what it finds: "
            "solar-local, rootsift, or a local model's folder or .pth file; once is enough. Takes "
            "about as much time again, and 70 KB a photo. [none]"
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            help="Leave out files and folders of this name, as 'export' or 'small-*'; with a "
            "slash, of this path below PHOTOS. Hidden ones, bins and the thumbnails of storage "
            "systems are left out anyway, unless they are given as PHOTOS."
        ),
    ] = None,
    check: Annotated[
        str,
        typer.Option(
            help="How changes are noticed. times: by size and times of files; content: by "
            "reading all of them, which finds changes that keep both."
        ),
    ] = "times",
    moved: Annotated[
        list[str] | None, typer.Option(help="OLD=NEW: a folder of photos lies elsewhere now.")
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Drop photos whose files are gone.")
    ] = False,
    prune_missing_root: Annotated[
        bool,
        typer.Option(
            "--prune-missing-root",
            help="Also drop those of folders that are missing, empty or more than half gone.",
        ),
    ] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="Also try again what was skipped before.")
    ] = False,
    device: Device = "auto",
    precision: Precision = "auto",
    as_json: AsJson = False,
) -> None:
    """Describe photos and keep their descriptors; only new and changed ones are described.

    An interrupted run goes on where it stopped.
    """
    from solar.index import Index

    if check not in ("times", "content"):
        raise UsageError(f"--check {shown(check)}: use times or content")
    given = photos or []
    exists = to.is_file() or (to.is_dir() and any(to.iterdir()))
    if not given and not (exists and (model or local or moved)):
        raise UsageError("PHOTOS: say which, or an option that changes an index that is there")
    sizes, asked = parse_scales(scales), None if model is None else ready(model)
    anew = exists and not given and model is not None
    if exists:
        settings = (None,) * 3 if anew else (asked, image_size, sizes)
        kept = Index.open(to, *settings, device=device, precision=precision)
    else:
        refuse_missing(given)
        name = asked or ready("solar-r18")
        kept = Index.create(to, name, image_size, sizes, device=device, precision=precision)
    for pair in moved or []:
        _move(kept, pair)
    what = f"{to} keeps what was described: the same command goes on with the rest"
    with keeping(what), progress("indexing") as show:
        if anew and asked is not None:
            report = kept.renew(asked, show, image_size, sizes)
            given = []
        if local is not None:
            kept.keep_features(local)
            given = given or [Path(photo.path) for photo in kept.photos()]
        if given or not anew:
            report = kept.add(
                given,
                progress=show,
                exclude=exclude or (),
                retry_failed=retry,
                check_content=check == "content",
            )
    gone = report.vanished if prune or prune_missing_root else []
    gone = [*gone, *report.unreachable] if prune_missing_root else gone
    dropped = kept.remove(gone) if gone else 0
    copies = kept.info().copies
    if as_json:
        totals = {"index": str(to), "photos": len(kept), "dropped": dropped, "copies": copies}
        print_json({**totals, **asdict(report)})
    else:
        _print(report, to, len(kept), dropped)
        _print_copies(report, to, copies)
        _print_missing(report, to)
    if not (report.added or report.changed or report.unchanged) and (
        report.failed or report.still_failed
    ):
        raise typer.Exit(1)


def refuse_missing(photos: Sequence[Path]) -> None:
    """Make no index for a mistyped folder.

    Raises:
        UsageError: one of the paths does not exist.
    """
    for path in photos:
        if not path.exists() and not path.is_symlink():
            raise UsageError("no such file or folder", path)


def _move(kept: Index, pair: str) -> None:
    old, found, new = pair.partition("=")
    if not (old and found and new):
        raise UsageError(f"--moved {pair:.60}: expected OLD=NEW")
    count = kept.move(old, new)
    err.print(f"{count} photos of {old} are in {new} now")


def _print(report: AddReport, to: Path, total: int, dropped: int) -> None:
    counts = [
        f"{len(paths):,} {word}"
        for word in ("added", "changed", "unchanged")
        if (paths := getattr(report, word))
    ]
    out.print(f"{to}: {_photos(total)} ({', '.join(counts) or 'none found'})")
    for root in report.roots:
        out.print(f"  new folder: {root}")
    _some([f"moved: {old} is {new} now" for old, new in report.moved], "moved", out)
    if dropped:
        out.print(f"  {dropped:,} dropped, their files are gone")
    elif report.vanished:
        gone = f"{len(report.vanished):,} photos are gone from their folders"
        out.print(f"  {gone}; --prune drops them from the index")
    if report.unreachable and not dropped:
        out.print(
            f"  {len(report.unreachable):,} photos are out of reach: their folder is missing, "
            "empty or more than half gone; --prune-missing-root drops them, --moved OLD=NEW finds "
            "them"
        )


def _print_copies(report: AddReport, to: Path, copies: Sequence[Sequence[str]]) -> None:
    if count := sum(len(group) - 1 for group in copies):
        new = f", {len(report.duplicates):,} of them new" if report.duplicates else ""
        line = f"{_photos(count)} the same as another, byte for byte{new}"
        out.print(f"  {line}; listed by: solar info {to}")


def _print_missing(report: AddReport, to: Path) -> None:
    """What is not in the index, or not with all that belongs to it, and why."""
    for line in report.left_out:
        err.print(f"  {line}")
    _some([f"skipped {reason}" for _, reason in report.failed], "skipped", err)
    without = [f"no keypoints: {reason}" for _, reason in report.without_features]
    _some(without, "without keypoints", err)
    if report.still_failed:
        line = f"{len(report.still_failed):,} skipped before; why, says: solar info {to}"
        err.print(f"  {line}; --retry tries them again")


def _some(lines: Sequence[str], what: str, console: Plain) -> None:
    """The first lines of many, and how many there are."""
    for line in lines[:SHOWN]:
        console.print(f"  {line}")
    if len(lines) > SHOWN:
        console.print(f"  … {len(lines):,} {what} in all; all of them: --json")


def _photos(count: int) -> str:
    return "1 photo" if count == 1 else f"{count:,} photos"
