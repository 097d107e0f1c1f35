"""solar train: a network from one's own photos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solar.cli.console import err, out, print_json
from solar.cli.options import Device
from solar.errors import UsageError
from solar.files import read_toml

if TYPE_CHECKING:
    from solar.training.retrieval.dry_run import Estimate
    from solar.training.run.task import Watcher
    from solar.training.train import TrainReport

_NEXT = {
    "retrieval": "solar index PHOTOS --to my.index --model {}",
    "patches": "solar match A.jpg B.jpg --descriptor {}",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train", epilog="Example: solar train my-recipe.toml --to runs/mine --dry-run")(
        train
    )


def train(
    recipe: Annotated[Path, typer.Argument(help="A TOML file; see recipes/own-photos.toml.")],
    to: Annotated[
        Path | None, typer.Option(help="Folder of log, checkpoint and model. [runs/RECIPE]")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the folder, exactly.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Train 10 steps; print memory and time for the rest.")
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write losses, tuples and attention maps, too.")
    ] = False,
    device: Device = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Train a network; several GPUs or machines with torchrun -m solar train ..."""
    tables = read_toml(recipe, UsageError)  # before torch is loaded
    from solar.cli.training_progress import console_watcher, duration
    from solar.training import train as training
    from solar.training.retrieval.dry_run import dry_run as estimated
    from solar.training.retrieval.recipe import RetrievalRecipe

    if dry_run and (resume or tensorboard):
        raise UsageError("--dry-run keeps nothing: leave --resume and --tensorboard out")
    read, to = training.read_recipe(tables, recipe.parent), to or Path("runs") / recipe.stem
    first = training.is_first_process()
    with console_watcher(err if as_json else out, first) as console:
        if dry_run:
            if not isinstance(read, RetrievalRecipe):
                raise UsageError("--dry-run is for recipes of retrieval")
            estimate = estimated(read, device=device, watchers=[console])
            if first and as_json:
                print_json(vars(estimate))
            elif first:
                out.print(_sentence(estimate, duration))
            return
        watchers: list[Watcher] = [console]
        if tensorboard:
            from solar.training.run.board import BoardWatcher

            watchers.append(BoardWatcher(to))
        report = training.train(read, to, resume=resume, device=device, watchers=watchers)
    if first and as_json:
        print_json(report.to_json())
    elif first:
        _print(report, to)


def _print(report: TrainReport, to: Path) -> None:
    if report.already_finished:
        out.print(f"{to}: already finished, nothing is left to do")
    elif "map" in report.figures:
        best = f"epoch {report.best_epoch} of {report.epochs}, the best one"
        start = "the start: no epoch was better"
        out.print(f"the weights kept are those of {best if report.best_epoch else start}")
    out.print(f"{report.model}: {_NEXT[report.task].format(report.model)}")


def _sentence(estimate: Estimate, duration: Callable[[float], str]) -> str:
    memory = "" if estimate.memory is None else f"{estimate.memory / 1e9:.1f} GB at the peak; "
    return (
        f"{estimate.mined_per_second:.1f} photos/s mined, "
        f"{estimate.images_per_second:.1f} images/s trained on, {memory}the whole recipe takes "
        f"about {duration(estimate.seconds / 60)} and its validations"
    )
