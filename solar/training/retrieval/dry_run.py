"""Ten steps of a training, to know what the rest will take."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from solar.files.memory import peak_memory
from solar.training.retrieval.recipe import RetrievalRecipe
from solar.training.retrieval.sampling import Draw
from solar.training.retrieval.task import RetrievalTask
from solar.training.run.folder import RunFolder
from solar.training.run.processes import Processes, join_processes
from solar.training.run.run import Run, told
from solar.training.run.task import Watcher

STEPS = 10
POOL = 256  # photos, enough to know how fast they are described


@dataclass(frozen=True)
class Estimate:
    """What a training takes on this machine.

    Attributes:
        mined_per_second: photos described for the pool.
        images_per_second: of tuples, trained on.
        memory: peak in bytes, of the GPU if there is one, else of this process; None on Windows.
        seconds: for the whole recipe, without validation.
    """

    mined_per_second: float
    images_per_second: float
    memory: int | None
    seconds: float


def dry_run(
    recipe: RetrievalRecipe, *, device: str = "auto", watchers: Sequence[Watcher] = ()
) -> Estimate:
    """Mine a small pool, train ten steps, keep nothing; under `torchrun` in several processes.

    Args:
        recipe: of the training.
        device: as for `solar.train`.
        watchers: told about everything.

    Raises:
        UsageError: the recipe, the photos or the device do not allow it.
    """
    with join_processes(device) as processes:
        return _estimate(recipe, processes, watchers)


def _estimate(
    recipe: RetrievalRecipe, processes: Processes, watchers: Sequence[Watcher]
) -> Estimate:
    task = RetrievalTask(recipe, processes, told(watchers, processes))
    drawn = task.draw(0)
    mined = task.take(_few(drawn, STEPS * recipe.optimiser.tuples), 0)
    with TemporaryDirectory() as folder:
        run = Run(task, RunFolder(Path(folder), recipe, resume=False), processes, watchers)
        started = time.monotonic()
        for _ in islice(run.steps(), STEPS):
            pass
        seconds = time.monotonic() - started
    size = 2 + recipe.tuples.negatives
    per_image = seconds / (len(mined.tuples) * size)
    per_photo = mined.seconds / mined.photos
    photos = len(np.unique(np.concatenate([drawn.queries, drawn.positives, drawn.pool])))
    epoch = photos * per_photo + len(drawn.queries) * size * per_image
    epochs: float = recipe.optimiser.epochs
    if recipe.optimiser.max_steps is not None:
        epochs = min(
            epochs, recipe.optimiser.max_steps * recipe.optimiser.tuples / len(drawn.queries)
        )
    return Estimate(1 / per_photo, 1 / per_image, _peak_memory(processes), epoch * epochs)


def _few(drawn: Draw, queries: int) -> Draw:
    """The first queries, and a part of the pool from all of its sources."""
    every = -(-len(drawn.pool) // POOL)
    return Draw(drawn.queries[:queries], drawn.positives[:queries], drawn.pool[::every])


def _peak_memory(processes: Processes) -> int | None:
    if processes.device.type == "cuda":
        return torch.cuda.max_memory_allocated(processes.device)
    return peak_memory()
