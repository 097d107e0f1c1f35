"""Distil the recipe's network from a teacher, from random initial weights; resumes by itself."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from recipe import RECIPE, architecture, distillation
from teachers import teacher

from solar.models.global_descriptor import GlobalDescriptor
from solar.photos import find_photos
from solar.training.distillation.crops import Photos
from solar.training.distillation.distillation import distill
from solar.training.run.tables import read_toml


def main() -> None:
    """Read the options, distil, print progress."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="folder of the recipe's folders")
    parser.add_argument("--teacher", required=True, help=".tflite file or torchvision network")
    parser.add_argument("--to", type=Path, required=True, help="folder of checkpoint and log")
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--start", type=Path, help="checkpoint of an earlier run to go on from")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    recipe = read_toml(options.recipe)
    torch.set_num_threads(options.threads)
    config = distillation(recipe)
    torch.manual_seed(config.seed)
    student = GlobalDescriptor(architecture(recipe), name=options.to.name)
    photos = [
        Photos(find_photos(options.photos / name), weight)
        for name, weight in recipe["photos"].items()
    ]
    seer = teacher(options.teacher, options.threads)
    distill(student, seer, photos, config, options.to, show, options.start)


def show(line: dict[str, Any]) -> None:
    """One line of progress."""
    losses = " ".join(f"{name} {line[name]:.3f}" for name in ("descriptor", "map", "relations"))
    done = f"{line['crops']}/{line['of']}"
    rest = f"{line['crops_per_second']:.0f}/s, {line['remaining_s'] / 60:.0f} min left"
    print(f"{done} {losses} ({rest})", flush=True)


if __name__ == "__main__":
    main()
