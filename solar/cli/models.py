"""solar models and solar convert: which models there are, and their formats."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from solar.cli.console import out, print_json, ready


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("models", epilog="Example: solar models --json")(models)
    app.command("convert", epilog="Example: solar convert published.pth my-model/")(convert)


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the named models: what each is, its licence, and whether it is on this machine."""
    from solar.models.registry import MODELS

    if as_json:
        rows = [{**asdict(m), "path": str(m.path), "here": m.path.exists()} for m in MODELS]
        print_json({"models": rows})
        return
    table = Table("name", "kind", "D", "what", "trained on", "licence", "here", box=None)
    for m in MODELS:
        here = "yes" if m.path.exists() else "no"
        row = (m.name, m.kind, str(m.dimensions), m.description, m.training_data, m.licence, here)
        table.add_row(*map(escape, row))
    out.print(table)


def convert(
    source: Annotated[str, typer.Argument(help="Named model, model folder or .pth file.")],
    target: Annotated[Path, typer.Argument(help="A new folder, or a file that ends in .pth.")],
) -> None:
    """Turn a published .pth file into a folder of safetensors and JSON, or back."""
    from solar.models.checkpoints import load_any, save

    model = load_any(ready(source))
    save(model, target)
    out.print(escape(f"{target}: {model.summary}"))
