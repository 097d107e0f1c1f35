"""Distil the recipe's network from a teacher; resumes by itself."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from teachers import teacher

from solar.cli.console import out
from solar.cli.training_progress import console_watcher
from solar.errors import UsageError
from solar.files import read_toml
from solar.training.distillation.recipe import DistillationRecipe
from solar.training.train import read_recipe, train

RECIPE = Path(__file__).with_name("recipe.toml")


def main() -> None:
    """Read the options, distil, print progress."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="folder of the recipe's folders")
    parser.add_argument("--teacher", required=True, help="see teachers.py")
    parser.add_argument("--to", type=Path, required=True, help="folder of log and model")
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--start", type=Path, help="state.pt of an earlier run, or a model folder")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    tables = read_toml(options.recipe, UsageError)
    tables.pop("finish", None)  # for finish.py
    if options.start:
        tables["distillation"]["start"] = str(options.start.resolve())
    recipe = read_recipe(tables, options.photos)
    assert isinstance(recipe, DistillationRecipe)  # noqa: S101 - narrows the type
    recipe = replace(recipe, teacher=teacher(options.teacher))
    resume = (options.to / "state.pt").exists()
    with console_watcher(out, first=True) as console:
        train(recipe, options.to, resume=resume, device=options.device, watchers=[console])


if __name__ == "__main__":
    main()
