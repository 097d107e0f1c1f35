"""`solar serve`: a page and an HTTP API over an index."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from solar.cli.console import err
from solar.cli.options import Device, Engine, Exclude, IndexModel, Precision, Sweep


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve", epilog="Example: solar serve my.index --open")(serve)


def serve(
    index: Annotated[Path, typer.Argument(help="An index made by `solar index`.")],
    host: Annotated[
        str,
        typer.Option(help="Address to listen at; another than this machine's own takes a token."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 is any that is free.")] = 8000,
    browse: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    token_file: Annotated[
        Path | None,
        typer.Option(help="File of the token that searching takes. [SOLAR_TOKEN, or none]"),
    ] = None,
    write_token_file: Annotated[
        Path | None,
        typer.Option(
            help="File of the token that changing the index takes. [SOLAR_WRITE_TOKEN, or none: "
            "nobody can]"
        ),
    ] = None,
    write: Annotated[
        bool,
        typer.Option(
            "--write", help="Without tokens: let whoever is on this machine change the index."
        ),
    ] = False,
    uploads: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Keep photos that are sent to be added here. [take none]"
        ),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Add photos that come into the folders of the index."),
    ] = False,
    sweep: Sweep = None,
    exclude: Exclude = None,
    fetch: Annotated[
        bool,
        typer.Option(
            "--fetch",
            help="Also take photos by their address, http or https, which this machine then asks; "
            "never of private networks.",
        ),
    ] = False,
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--name",
            metavar="HOST",
            help="A host name that this service is called by, as behind a proxy. [none]",
        ),
    ] = None,
    model: IndexModel = None,
    engine: Engine = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Answer searches over HTTP, and show a page to search with, until it is stopped.

    The page is at the address that is printed, the API below it at /api/v1, described by
    /api/v1/openapi.json. It writes one JSON line for each answer.
    """
    from solar.errors import naming_extras

    with naming_extras():
        from solar.web.api.run import serve as run
    from solar.web.api.settings import READ_TOKEN, WRITE_TOKEN, Settings, token_from

    settings = Settings(
        index=index,
        host=host,
        port=port,
        read_token=token_from(token_file, READ_TOKEN),
        write_token=token_from(write_token_file, WRITE_TOKEN),
        write=write,
        uploads=uploads,
        watch=watch,
        exclude=tuple(exclude or ()),
        sweep=sweep,
        fetch=fetch,
        names=tuple(names or ()),
        model=model,
        engine=engine,
        device=device,
        precision=precision,
    )
    run(settings, lambda address: err.print(f"serving {index} at {address}"), browse=browse)
