"""Ten steps of a training, to know what the rest will take."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from solar.training.retrieval.recipe import Recipe
from solar.training.retrieval.sampling import Draw
from solar.training.retrieval.training import Training, Watcher
from solar.training.run.folder import RunFolder
from solar.training.run.processes import Processes

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
    recipe: Recipe, processes: Processes | None = None, watcher: Watcher | None = None
) -> Estimate:
    """Mine a small pool, train ten steps, keep nothing.

    Args:
        recipe: of the training.
        processes: this process among all.
        watcher: told about everything.
    """
    processes = processes or Processes()
    with TemporaryDirectory() as folder:
        run = RunFolder(Path(folder), recipe, resume=False)
        run.open()
        training = Training(recipe, run, processes, [watcher] if watcher else [])
        drawn = training.draw()
        mined = training.mine(_few(drawn, STEPS * recipe.optimiser.tuples))
        started = time.monotonic()
        for _ in islice(training.steps(mined.tuples), STEPS):
            pass
        seconds = time.monotonic() - started
    size = 2 + recipe.tuples.negatives
    per_image = seconds / (len(mined.tuples) * size)
    per_photo = mined.seconds / mined.photos
    photos = len(np.unique(np.concatenate([drawn.queries, drawn.positives, drawn.pool])))
    epoch = photos * per_photo + len(drawn.queries) * size * per_image
    return Estimate(
        1 / per_photo, 1 / per_image, _peak_memory(processes), epoch * recipe.optimiser.epochs
    )


def _few(drawn: Draw, queries: int) -> Draw:
    """The first queries, and a part of the pool from all of its sources."""
    every = -(-len(drawn.pool) // POOL)
    return Draw(drawn.queries[:queries], drawn.positives[:queries], drawn.pool[::every])


def _peak_memory(processes: Processes) -> int | None:
    if processes.device.type == "cuda":
        return torch.cuda.max_memory_allocated(processes.device)
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
