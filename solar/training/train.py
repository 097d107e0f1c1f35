"""`solar.train`: a network from a recipe, whatever its task."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from solar.errors import UsageError
from solar.files import read_toml
from solar.training.distillation.recipe import DistillationRecipe
from solar.training.distillation.task import DistillationTask
from solar.training.patches.recipe import PatchRecipe
from solar.training.patches.task import PatchTask
from solar.training.retrieval.recipe import RetrievalRecipe
from solar.training.retrieval.task import RetrievalTask
from solar.training.run.folder import RunFolder
from solar.training.run.processes import Processes, join_processes
from solar.training.run.run import Run, told
from solar.training.run.tables import read_table
from solar.training.run.task import Progress, Task, Watcher

Recipe = RetrievalRecipe | PatchRecipe | DistillationRecipe

_KINDS: dict[str, tuple[type[Recipe], Callable[[Any, Processes, Progress], Task]]] = {
    "retrieval": (RetrievalRecipe, RetrievalTask),
    "patches": (PatchRecipe, PatchTask),
    "distillation": (DistillationRecipe, DistillationTask),
}
"""What the key `task` of a recipe may be: how it is read, and what it trains."""


@dataclass(frozen=True)
class TrainReport:
    """What a training came to.

    Attributes:
        model: folder of the finished network.
        task: "retrieval", "patches" or "distillation".
        epochs: of the recipe.
        best_epoch: whose weights were kept, counted from 1; 0 for those of the start.
        figures: of the validation after it, by name.
        minutes: that the training took, all of its calls together.
        already_finished: whether nothing was left to do.
    """

    model: Path
    task: str
    epochs: int
    best_epoch: int
    figures: Mapping[str, float]
    minutes: float
    already_finished: bool

    def to_json(self) -> dict[str, object]:
        """Everything, as JSON can hold it."""
        return {**vars(self), "model": str(self.model), "figures": dict(self.figures)}


def read_recipe(source: str | Path | Mapping[str, Any], base: Path | None = None) -> Recipe:
    """A recipe of any task.

    Args:
        source: a TOML file, or its tables; the key `task` is "retrieval" where it is left out.
        base: the folder that relative paths refer to; None for that of the file.

    Raises:
        UsageError: an unknown task, table or key, or a value of a wrong type or out of range.
    """
    if isinstance(source, str | Path):
        base, source = base or Path(source).parent, read_toml(source, UsageError)
    kind = source.get("task", "retrieval")
    if kind not in _KINDS:
        raise UsageError(f"recipe: task {kind!r}: use {' or '.join(map(repr, _KINDS))}")
    tables = {name: table for name, table in source.items() if name != "task"}
    recipe: Recipe = read_table(_KINDS[kind][0], tables)
    return replace(recipe, base=base or Path())


def train(
    recipe: Recipe | str | Path,
    to: str | Path,
    *,
    resume: bool = False,
    device: str = "auto",
    watchers: Sequence[Watcher] = (),
) -> TrainReport:
    """Train a network as a recipe says; under `torchrun` in several processes.

    Args:
        recipe: everything that the result depends on, or its TOML file.
        to: folder of the log, the checkpoint and the result; to resume, all machines must see it.
        resume: go on with the run that the folder holds, exactly.
        device: "auto" for a GPU where there is one, "cpu", "cuda", "cuda:1" or "mps".
        watchers: told about everything.

    Raises:
        UsageError: the folder, the recipe, the photos or the device do not allow it.
        CheckpointError: the checkpoint, or what training starts from, is damaged.
        SolarError: the loss is no longer finite, or photos cannot be used.
    """
    if isinstance(recipe, str | Path):
        recipe = read_recipe(recipe)
    with join_processes(device) as processes:
        return train_among(processes, recipe, Path(to), resume=resume, watchers=watchers)


def train_among(
    processes: Processes,
    recipe: Recipe,
    to: Path,
    *,
    resume: bool = False,
    watchers: Sequence[Watcher] = (),
) -> TrainReport:
    """As `train`, in a process that has joined the others already."""
    folder = RunFolder(to, recipe, resume=resume)
    finished, state = folder.finished, folder.state
    kind, build = next((name, b) for name, (r, b) in _KINDS.items() if isinstance(recipe, r))
    if not (finished and state):
        run = Run(build(recipe, processes, told(watchers, processes)), folder, processes, watchers)
        run.finish()
        state = vars(run)
    return TrainReport(
        folder.model,
        kind,
        state["epoch"],
        state["best_epoch"],
        state["figures"],
        state["minutes"],
        finished,
    )


def is_first_process() -> bool:
    """Whether this process is the one that reports; known before the others are joined."""
    return os.environ.get("RANK", "0") == "0"
