"""solar data: published data sets onto this disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from solar.cli.console import out, progress

app = typer.Typer(
    help="Get published data sets.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def register(parent: typer.Typer) -> None:
    """Add the group and its commands."""
    app.callback()(_group)
    app.command("get", epilog="Example: solar data get rparis6k --root data/rparis6k")(get)
    parent.add_typer(app, name="data")


def _group() -> None:
    """Get published data sets."""


def get(
    name: Annotated[str, typer.Argument(help="oxford5k, paris6k, roxford5k or rparis6k.")],
    root: Annotated[Path, typer.Option(help="Its folder; files that are there already are used.")],
) -> None:
    """Fetch what is missing of a data set: ground truth and photos. Resumes."""
    from solar.evaluation import sources

    with progress("fetching") as show:
        truth = sources.get(name, root, progress=lambda _, done, total: show(done, total))
    count = f"{len(truth.database)} photos, {len(truth.queries)} queries"
    out.print(f"{escape(str(root))}: {count}, all there")
