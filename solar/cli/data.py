"""solar data: data sets onto this disk, and what is in them."""

from __future__ import annotations

from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from solar.cli.console import err, out, print_json, progress
from solar.errors import SolarError

if TYPE_CHECKING:
    from solar.datasets.places.check import Contents, Looked
    from solar.datasets.places.rows import Problems

SHOWN = 20
"""Problems of each kind that are printed; --json prints more."""

app = typer.Typer(
    help="Get published data sets; check labelled ones.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def register(parent: typer.Typer) -> None:
    """Add the group and its commands."""
    app.callback()(_group)
    app.command("get", epilog="Example: solar data get rparis6k --root data/rparis6k")(get)
    app.command("check", epilog="Example: solar data check mine.csv --photos photos --open")(check)
    parent.add_typer(app, name="data")


def _group() -> None:
    """Get published data sets; check labelled ones."""


def get(
    name: Annotated[str, typer.Argument(help="oxford5k, paris6k, roxford5k or rparis6k.")],
    root: Annotated[Path, typer.Option(help="Its folder; files that are there already are used.")],
) -> None:
    """Fetch what is missing of a data set: ground truth and photos. Resumes."""
    from solar.datasets import sources

    with progress("fetching") as show:
        truth = sources.get(name, root, progress=lambda _, done, total: show(done, total))
    count = f"{len(truth.database)} photos, {len(truth.queries)} queries"
    out.print(f"{escape(str(root))}: {count}, all there")


def check(
    source: Annotated[
        Path,
        typer.Argument(
            help="A folder whose sub-folders are places; a .csv with path,place[,box]; Google "
            "Landmarks' train.csv or train_clean.csv; a .jsonl of pairs (query, positive); "
            "retrieval-SfM-120k.pkl.",
        ),
    ],
    photos: Annotated[
        Path | None, typer.Option(help="Folder of the photos, if not the list's own.")
    ] = None,
    boxes: Annotated[
        list[Path] | None,
        typer.Option(help="A file id,box of Google Landmarks v1; may be given again."),
    ] = None,
    decode: Annotated[bool, typer.Option("--open", help="Open every photo; takes longer.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Count a labelled data set's photos and places, and list its errors by row.

    Exit code 1 if anything is wrong.
    """
    from solar.datasets.places import read_places
    from solar.datasets.places.check import contents, look

    with progress("reading"):
        places, problems = read_places(source, photos=photos, boxes=boxes or ())
    with progress("opening photos" if decode else "finding photos") as show:
        looked = look(places, decode, show)
    found = contents(places)
    if as_json:
        print_json(_document(source, found, problems, looked, decode))
    else:
        _print(found, problems, looked, decode)
    _judge(source, found, problems, looked)


def _judge(source: Path, found: Contents, problems: Problems, looked: Looked) -> None:
    """Raise one line if anything is wrong."""
    wrong = {
        "rows with errors": problems.count,
        "missing photos": looked.missing.count,
        "photos that cannot be used": looked.unreadable.count,
    }
    listed = ", ".join(f"{what}: {count}" for what, count in wrong.items() if count)
    if listed:
        all_missing = looked.missing.count == found.photos and not problems.count
        folder = "is --photos the folder that the paths start from?"
        advice = folder if all_missing else "correct these or leave them out"
        raise SolarError(f"{source}: {listed}; {advice}")
    if not found.photos:
        raise SolarError(f"{source}: holds no photos")


def _document(
    source: Path, found: Contents, problems: Problems, looked: Looked, decoded: bool
) -> dict[str, Any]:
    def listed(problems: Problems) -> dict[str, Any]:
        first = [{**asdict(problem), "file": str(problem.file)} for problem in problems.kept]
        return {"count": problems.count, "first": first}

    return {
        "source": str(source),
        **asdict(found),
        "single": found.by_size.get(1, 0),
        "repeated": problems.repeated,
        "row_errors": listed(problems),
        "missing": listed(looked.missing),
        "unreadable": listed(looked.unreadable) if decoded else None,
    }


def _print(found: Contents, problems: Problems, looked: Looked, decoded: bool) -> None:
    from solar.files import printable

    table = Table(box=None, show_header=False)
    table.add_row("photos", str(found.photos))
    table.add_row("places", str(found.places))
    spread = f"{found.least} to {found.most}, median {found.median:g}"
    table.add_row("photos per place", spread)
    table.add_row("places by photos", _histogram(found.by_size))
    largest = (f"{printable(name)} ({count})" for name, count in found.largest.items())
    table.add_row("largest places", escape(", ".join(largest)))
    table.add_row("places of one photo", str(found.by_size.get(1, 0)))
    table.add_row("pairs", "any two of a place" if found.pairs is None else str(found.pairs))
    table.add_row("photos with a box", str(found.boxes))
    table.add_row("rows with errors", str(problems.count))
    table.add_row("repeated rows", str(problems.repeated))
    table.add_row("missing photos", str(looked.missing.count))
    unreadable = str(looked.unreadable.count) if decoded else "not looked at; --open does"
    table.add_row("unreadable photos", unreadable)
    out.print(table)
    for kind in (problems, looked.missing, looked.unreadable):
        for problem in kind.kept[:SHOWN]:
            err.print(escape(str(problem)), soft_wrap=True)
        if kind.count > SHOWN:
            err.print(f"… and {kind.count - SHOWN} more like these")


def _histogram(by_size: dict[int, int]) -> str:
    """Numbers of places by their photos, such as `1: 3, 2: 8, 3-4: 20, 1000+: 1`."""
    from solar.datasets.places.check import SIZES

    names = {
        low: f"{low}" if high == low + 1 else f"{low}-{high - 1}" for low, high in pairwise(SIZES)
    }
    names[SIZES[-1]] = f"{SIZES[-1]}+"
    return ", ".join(f"{names[size]}: {count}" for size, count in sorted(by_size.items()))
