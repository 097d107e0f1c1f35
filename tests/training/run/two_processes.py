"""What each of two processes does in a test: gradients, mining, a whole training.

torchrun --nproc-per-node 2 -m tests.training.run.two_processes RECIPE.toml FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from solar.models.checkpoints import load
from solar.training.retrieval.epoch import mine
from solar.training.retrieval.gradients import backward, tuple_loss
from solar.training.retrieval.recipe import LossSettings, RetrievalRecipe
from solar.training.retrieval.start import starting_model
from solar.training.retrieval.tuples import TrainingPhotos
from solar.training.run.processes import Processes, join_processes
from solar.training.train import train_among
from tests.training.small import retrieval

TUPLES = (1, 2, 3)  # fewer than processes, as many, an odd number


def main(file: Path, folder: Path) -> None:
    """Write what this process finds to `FOLDER/RANK.pt`, and a training to `FOLDER/run`."""
    torch.set_num_threads(1)
    recipe = retrieval(file, file.parent)
    with join_processes("cpu") as processes:
        found = [gradients(recipe, count, processes) for count in TUPLES]
        result = {"gradients": found, "tuples": mined(recipe, processes)}
        result["lines"] = processes.gather_lines([f"of {processes.rank}", "of each"])
        rows = torch.arange(15).reshape(5, 3)
        result["rows"] = processes.gather(rows[processes.share(5)], 5)
        train_among(processes, recipe, folder / "run")
        torch.save(result, folder / f"{processes.rank}.pt")


def gradients(
    recipe: RetrievalRecipe, count: int, processes: Processes
) -> tuple[dict[str, float], list[torch.Tensor]]:
    """Losses and gradients of so many tuples of four random images."""
    model = load(recipe.model.start)
    torch.manual_seed(count)
    images = torch.randn(count, 4, 3, 40, 40)[processes.share(count)].flatten(0, 1)
    labels = torch.tensor([-1, 1, 0, 0] * count)
    criterion = tuple_loss(LossSettings())
    losses = backward(model, list(images), criterion, labels, chunk=3, processes=processes)
    return losses, [p.grad for p in model.parameters() if p.grad is not None]


def mined(recipe: RetrievalRecipe, processes: Processes) -> torch.Tensor:
    """The tuples of an epoch."""
    photos = TrainingPhotos(recipe)
    drawn = photos.draw(np.random.default_rng(3))
    model = starting_model(recipe)
    found = mine(model, photos, drawn, recipe, processes, lambda what, done, total: None)
    return torch.from_numpy(found.tuples.photos)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
