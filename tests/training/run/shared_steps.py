"""What each of two processes does in a test: a few steps of patches and of distillation.

torchrun --nproc-per-node 2 -m tests.training.run.shared_steps PHOTOS FOLDER
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from solar.training.distillation.task import DistillationTask
from solar.training.patches.recipe import PatchTraining
from solar.training.run.folder import RunFolder
from solar.training.run.processes import Processes, join_processes
from solar.training.run.run import Run
from tests.training.distillation.test_task import small
from tests.training.patches.test_task import run as train_patches

POINTS = 5  # shared unevenly


def main(photos: Path, folder: Path) -> None:
    """Write what this process ends with to `FOLDER/RANK.pt`."""
    torch.set_num_threads(1)
    with join_processes("cpu") as processes:
        torch.save(taught(photos, folder, processes), folder / f"{processes.rank}.pt")


def taught(photos: Path, folder: Path, processes: Processes) -> dict[str, Any]:
    """The weights after a few steps of each, logged in `FOLDER/patches`, `…/maps`, `…/distilled`.

    Maps are those that L2-Net's loss compares, beside descriptors.
    """
    training = PatchTraining(4, POINTS, learning_rate=1e-3, validate_every=2, precision="float32")
    local = train_patches(folder / "patches", training, (5,), processes)
    by_maps = replace(training, loss="l2net", learning_rate=1e-4)
    compared = train_patches(folder / "maps", by_maps, (5,), processes)
    phases = [{"crops": 15, "side": 64}]
    recipe = small(photos, batch=5, precision="float32", learning_rate=1e-4, phases=phases)
    task = DistillationTask(recipe, processes, lambda *_: None)
    at = RunFolder(folder / "distilled", recipe, resume=False)
    Run(task, at, processes).finish()
    return {
        "patches": local.state_dict(),
        "maps": compared.state_dict(),
        "distilled": task.modules.state_dict(),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
