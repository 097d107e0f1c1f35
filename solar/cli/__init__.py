"""The command `solar`: one small file per command, no logic of its own."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

import typer

import solar
from solar.cli import (
    attend,
    data,
    describe,
    evaluate,
    evaluate_patches,
    index,
    maintain,
    match,
    models,
    search,
    train,
    whiten,
)
from solar.errors import SolarError, UsageError


@dataclass
class _Settings:
    debug: bool = False


_settings = _Settings()
app = typer.Typer(
    name="solar",
    help="Find the same place again in anyone's photos.",
    epilog="Begin with: solar index PHOTOS --to my.index, then: solar search my.index QUERY.jpg",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_ROOMS = (index, search, maintain, describe, attend, match, models, evaluate, data, train, whiten)
for _room in _ROOMS:
    _room.register(app)
evaluate_patches.register(evaluate.app)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"solar {solar.__version__}")
        raise typer.Exit


@app.callback()
def _common(
    debug: Annotated[bool, typer.Option("--debug", help="Show the stack trace of errors.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    _settings.debug = debug


def main() -> None:
    """Run the command line: exit code 2 for a wrong call, 1 for a failure."""
    try:
        app()
    except (SolarError, OSError) as error:
        if _settings.debug:
            raise
        typer.echo(f"solar: {error}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except KeyboardInterrupt:
        typer.echo("solar: interrupted; what was finished is kept", err=True)
        sys.exit(130)
