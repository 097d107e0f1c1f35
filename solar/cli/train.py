"""solar train: a network from one's own photos."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from solar.cli.console import out, ready
from solar.errors import UsageError

if TYPE_CHECKING:
    from solar.training.retrieval.dry_run import Estimate


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train", epilog="Example: solar train my-recipe.toml --to runs/mine --dry-run")(
        train
    )


def train(
    recipe: Annotated[Path, typer.Argument(help="A TOML file; see recipes/own-photos.toml.")],
    to: Annotated[
        Path | None, typer.Option(help="Folder of log, checkpoint and model [runs/RECIPE].")
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
    device: Annotated[str | None, typer.Option(help="cpu or cuda [a GPU if there is one].")] = None,
) -> None:
    """Train a network; several GPUs or machines with torchrun -m solar train ..."""
    from solar.training.run.tables import read_toml

    tables, folder = read_toml(recipe), to or Path("runs") / recipe.stem
    model = tables.get("model")
    if isinstance(model, dict) and model.get("kind") == "local":
        if dry_run or tensorboard or device:
            raise UsageError("--dry-run, --tensorboard and --device are for global networks")
        _train_local(tables, recipe.parent, folder, resume)
        return
    if dry_run and (resume or tensorboard):
        raise UsageError("--dry-run keeps nothing: leave --resume and --tensorboard out")
    options = {"resume": resume, "dry": dry_run, "board": tensorboard}
    _train_global(tables, recipe.parent, folder, device, **options)


def _train_global(
    tables: Mapping[str, Any],
    base: Path,
    to: Path,
    device: str | None,
    *,
    resume: bool,
    dry: bool,
    board: bool,
) -> None:
    from solar.cli.training_progress import console_watcher
    from solar.training.retrieval.dry_run import dry_run
    from solar.training.retrieval.recipe import read_recipe
    from solar.training.retrieval.training import Watcher, train
    from solar.training.run.processes import join_processes

    recipe = read_recipe(tables, base)
    with join_processes(device) as processes, console_watcher(processes.first) as console:
        if processes.first:
            ready(recipe.model.start)
        processes.wait()
        if dry:
            estimate = dry_run(recipe, processes, console)
            if processes.first:
                out.print(_sentence(estimate), soft_wrap=True)
            return
        watchers: list[Watcher] = [console]
        if board and processes.first:
            from solar.training.run.board import BoardWatcher

            watchers.append(BoardWatcher(to))
        model = train(recipe, to, resume=resume, processes=processes, watchers=watchers)
    if processes.first:
        done = f"{model}: solar index PHOTOS --to my.index --model {model}"
        out.print(escape(done), soft_wrap=True)


def _train_local(tables: Mapping[str, Any], base: Path, to: Path, resume: bool) -> None:
    from solar.training.patches import training as local_training

    def report(line: Mapping[str, Any]) -> None:
        out.print(escape(", ".join(f"{name} {value}" for name, value in line.items())))

    model = local_training.train(tables, base, to, resume=resume, report=report)
    out.print(escape(f"{model}: solar match A.jpg B.jpg --descriptor {model}"))


def _sentence(estimate: Estimate) -> str:
    memory = "" if estimate.memory is None else f"{estimate.memory / 1e9:.1f} GB at the peak; "
    return (
        f"{estimate.mined_per_second:.1f} photos/s mined, "
        f"{estimate.images_per_second:.1f} images/s trained on, {memory}the whole recipe takes "
        f"about {estimate.seconds / 3600:.1f} h and its validations"
    )
