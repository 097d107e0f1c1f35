"""A training that takes seconds: few small photos, few steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from solar.models.checkpoints import load
from solar.models.global_descriptor import GlobalDescriptor
from solar.training.retrieval.recipe import RetrievalRecipe
from solar.training.retrieval.task import RetrievalTask
from solar.training.run.processes import Processes
from solar.training.train import read_recipe, train
from tests.scenes import album, scene

SIZES = (3, 2, 2, 1, 2)  # photos of each place
TIMES = {"seconds", "minutes", "minutes_left"}  # what two equal runs do not share


def small_tables(folder: Path, start: Path) -> dict[str, Any]:
    """Make places, photos without labels and places to validate with; a recipe's tables.

    At 64 pixels the last map has four positions: with one, p and attention have no gradient.
    """
    for place, count in enumerate(SIZES):
        (folder / f"places/{place}").mkdir(parents=True)
        for number in range(count):
            scene(10 * place + number, (80, 60)).save(folder / f"places/{place}/{number}.png")
    album(folder / "photos", 4, (72, 90))
    for place in range(2):
        album(folder / f"validation/{place}", 2, (64 + 16 * place, 64))
    return {
        "model": {"start": str(start), "freeze": "conv4_x"},
        "photos": [
            {"places": "places", "queries": 5, "pool": 8},
            {"folder": "photos", "queries": 2, "pool": 4},
        ],
        "tuples": {"negatives": 2, "image_size": 64, "pool_image_size": 64},
        "optimiser": {
            "epochs": 2,
            "tuples": 2,
            "learning_rate": 1e-4,
            "precision": "float32",
            "workers": 0,
        },
        "validation": {"places": "validation", "image_size": 32, "scales": [1.0]},
    }


def small_recipe(folder: Path, start: Path, **changed: dict[str, Any]) -> RetrievalRecipe:
    """The recipe of `small_tables`, entries of its tables changed."""
    tables = small_tables(folder, start)
    for name, entries in changed.items():
        tables[name] = {**tables.get(name, {}), **entries}
    return retrieval(tables, folder)


def retrieval(tables: dict[str, Any] | Path, folder: Path) -> RetrievalRecipe:
    """A recipe of retrieval."""
    recipe = read_recipe(tables, folder)
    assert isinstance(recipe, RetrievalRecipe)
    return recipe


def begun(recipe: RetrievalRecipe) -> RetrievalTask:
    """The task of a recipe, alone on the CPU."""
    return RetrievalTask(recipe, Processes(), lambda *_: None)


def trained(recipe: RetrievalRecipe, to: Path) -> GlobalDescriptor:
    """What a training on the CPU makes."""
    return load(train(recipe, to, device="cpu").model)


def toml(tables: dict[str, Any]) -> str:
    """Tables as TOML; JSON writes the values alike."""
    parts = []
    for name, table in tables.items():
        for entries in table if isinstance(table, list) else [table]:
            parts.append(f"[[{name}]]" if isinstance(table, list) else f"[{name}]")
            parts += [f"{key} = {json.dumps(value)}" for key, value in entries.items()]
    return "\n".join(parts) + "\n"


def log_of(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's log without times."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in TIMES} for line in lines]
