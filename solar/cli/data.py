"""solar data: data sets onto this disk, and what is in them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solar.cli.console import err, out, print_json, progress, table
from solar.errors import some

if TYPE_CHECKING:
    from solar.datasets.places.check import Checked

SHOWN = 20
"""Problems of each kind that are printed; --json prints more."""

app = typer.Typer(
    help="Get published data sets; check labelled ones.",
    no_args_is_help=True,
    rich_markup_mode=None,
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
    name: Annotated[
        str,
        typer.Argument(
            help="oxford5k, paris6k, roxford5k, rparis6k; revisitop1m (a million distractors, "
            "some 400 GB); retrieval-SfM-120k or gl18 (to train on)."
        ),
    ],
    root: Annotated[Path, typer.Option(help="Its folder; files that are there already are used.")],
) -> None:
    """Fetch what is missing of a data set: its lists and photos. Resumes."""
    from solar.datasets import sources

    with progress("fetching") as show:
        truth = sources.get(name, root, progress=lambda _, done, total: show(done, total))
    if truth is None:
        out.print(f"{root}: lists and {sources.DATASETS[name].folder}/, all unpacked")
    else:
        count = f"{len(truth.database)} photos, {len(truth.queries)} queries"
        out.print(f"{root}: {count}, all there")
    if unchecked := sources.DATASETS[name].unchecked:
        out.print(f"no checksum is published for {some(unchecked)}")


def check(
    source: Annotated[
        Path,
        typer.Argument(
            help="A folder whose sub-folders are places; a .csv with path,place[,box]; Google "
            "Landmarks' train.csv or train_clean.csv; a .jsonl of pairs (query, positive); "
            "retrieval-SfM-120k.pkl or -whiten.pkl.",
        ),
    ],
    photos: Annotated[
        Path | None, typer.Option(help="Folder of the photos. [the list's own]")
    ] = None,
    boxes: Annotated[
        list[Path] | None,
        typer.Option(help="A file id,box of Google Landmarks v1; may be given again. [none]"),
    ] = None,
    decode: Annotated[bool, typer.Option("--open", help="Open every photo; takes longer.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Count a labelled data set's photos and places, and list its errors by row.

    Exit code 1 if anything is wrong.
    """
    from solar.datasets.places.check import check as checked

    with progress("opening photos" if decode else "finding photos") as show:
        found = checked(source, photos=photos, boxes=boxes or (), decode=decode, progress=show)
    if as_json:
        print_json(found.to_json())
    else:
        _print(found)
    found.require_sound()


def _print(checked: Checked) -> None:
    found, problems, unreadable = checked.contents, checked.problems, checked.unreadable
    largest = (f"{name} ({count})" for name, count in found.largest.items())
    rows = [
        ("photos", str(found.photos)),
        ("places", str(found.places)),
        ("photos per place", f"{found.least} to {found.most}, median {found.median:g}"),
        ("places by photos", _histogram(found.by_size)),
        ("largest places", ", ".join(largest)),
        ("places of one photo", str(found.by_size.get(1, 0))),
        ("pairs", "any two of a place" if found.pairs is None else str(found.pairs)),
        ("photos with a box", str(found.boxes)),
        ("rows with errors", str(problems.count)),
        ("repeated rows", str(problems.repeated)),
        ("rows without a landmark, left out", str(problems.unlabelled)),
        ("missing photos", str(checked.missing.count)),
        ("unreadable photos", str(unreadable.count) if unreadable else "see with --open"),
    ]
    table(rows)
    for kind in (problems, checked.missing, *([unreadable] if unreadable else [])):
        for problem in kind.kept[:SHOWN]:
            err.print(str(problem))
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
