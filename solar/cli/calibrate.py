"""solar calibrate: how probable a hit is, learned from labelled photos and kept with a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from solar.cli.console import out, print_json, progress, ready, table
from solar.cli.options import AsJson, Device, Engine


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("calibrate", epilog="Example: solar calibrate my-model/ places/ paintings/")(
        calibrate
    )


def calibrate(
    model: Annotated[str, typer.Argument(help="A model folder, or a named model with --to.")],
    places: Annotated[
        list[Path],
        typer.Argument(
            help="Folders whose sub-folders are places, folders with a ground truth (gnd_*), or "
            "CSVs with the columns query and positive beside their photos. Not photos that the "
            "network was trained on.",
            metavar="PLACES...",
        ),
    ],
    to: Annotated[
        Path | None, typer.Option(help="A new folder for the calibrated model. [MODEL itself]")
    ] = None,
    local: Annotated[
        str, typer.Option(help="What describes keypoints, as for `solar index`.")
    ] = "rootsift",
    engine: Engine = "auto",
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Learn how probable it is that a hit shows the same place, and keep it with the model.

    `solar search` shows it then, and --min-probability leaves out what is less probable. Indexes
    stay as they are: descriptors do not change.
    """
    from solar.evaluation.retrieval.calibration import calibrate as learn

    with progress("describing") as show:
        found = learn(
            ready(model), places, to, local=local, engine=engine, device=device, progress=show
        )
    figures = [
        {"dataset": name, "verified": verified, **each.figures()}
        for (name, verified), each in found.reliability.items()
    ]
    if as_json:
        what = {"folder": str(found.folder), "calibration": found.calibration.to_json()}
        print_json({**what, "figures": figures})
        return
    rows = [
        [str(name), "yes" if verified else "no", *(f"{figure:.3f}" for figure in rest)]
        for name, verified, *rest in (each.values() for each in figures)
    ]
    table(rows, ["learned from", "verified", "error", "Brier gain", "AUROC"])
    out.print(f"{found.folder}: calibrated; solar search says how probable its hits are")
