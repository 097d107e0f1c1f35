"""The folder of a training: its log, its checkpoint, its best weights so far."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from solar.errors import CheckpointError, UsageError
from solar.files import write_atomically
from solar.training.recipe import Recipe

State = dict[str, Any]


class RunFolder:
    """`log.jsonl`, `state.pt`, `best.pt`, and in the end the folder `model`.

    Args:
        path: of the folder.
        recipe: of the run.
        resume: go on with the run that the folder holds.

    Raises:
        UsageError: the folder holds a run and `resume` is not asked for, holds none and it is, or
            the run's recipe is another.
        CheckpointError: the checkpoint is damaged.
    """

    def __init__(self, path: Path, recipe: Recipe, *, resume: bool) -> None:
        self.path = path
        self._recipe = json.dumps({**asdict(recipe), "base": ""}, sort_keys=True)
        self.state: State | None = None
        if resume:
            self.state = self._read()
        elif (path / "log.jsonl").exists():
            raise UsageError(f"{path}: holds a run; --resume goes on with it, or choose another")

    @property
    def model(self) -> Path:
        """Where the finished network lies."""
        return self.path / "model"

    def open(self) -> None:
        """Make the folder; take lines out of the log that the checkpoint does not know yet."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "log.jsonl").open("ab") as log:
            log.truncate(self.state["log"] if self.state else 0)

    def log(self, line: Mapping[str, Any]) -> None:
        """Add a line to the log."""
        with (self.path / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")

    def save(self, state: State) -> None:
        """Write the checkpoint: all that the run needs to go on exactly."""
        size = (self.path / "log.jsonl").stat().st_size
        with write_atomically(self.path / "state.pt") as file:
            torch.save({**state, "recipe": self._recipe, "log": size}, file)

    def save_best(self, weights: Mapping[str, Tensor]) -> None:
        """Write the best weights so far."""
        with write_atomically(self.path / "best.pt") as file:
            torch.save(dict(weights), file)

    def best(self) -> dict[str, Tensor]:
        """The best weights so far."""
        weights: dict[str, Tensor] = torch.load(
            self.path / "best.pt", weights_only=True, map_location="cpu"
        )
        return weights

    def _read(self) -> State:
        path = self.path / "state.pt"
        if not path.exists():
            raise UsageError(f"{self.path}: holds no checkpoint to resume; leave --resume out")
        try:
            state: State = torch.load(path, weights_only=True, map_location="cpu")
            recipe = state["recipe"]
        except (RuntimeError, KeyError, TypeError, EOFError, OSError, ValueError) as error:
            raise CheckpointError(f"{path}: not a checkpoint of a training ({error})") from error
        if recipe != self._recipe:
            odd = _difference(json.loads(recipe), json.loads(self._recipe))
            raise UsageError(f"{self.path}: was begun with another recipe ({odd}); choose another")
        return state


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    for name in sorted(old.keys() | new.keys()):
        before, now = old.get(name), new.get(name)
        if before == now:
            continue
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            return f"{name} {_difference(before, now)}"
        return f"{name} was {json.dumps(before)}"
    return "in nothing"
