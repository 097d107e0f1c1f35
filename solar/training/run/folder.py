"""The folder of a run: its log, its checkpoint, its best weights so far, its result."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from solar.errors import CheckpointError, SolarError, UsageError
from solar.files.atomic import write_atomically
from solar.training.run.tables import compared
from solar.training.run.task import Line, State


class RunFolder:
    """`log.jsonl`, `state.pt`, `best-EPOCH.pt`, and in the end the folder `model`.

    A run that was killed before its first checkpoint has not begun: it starts anew.

    Args:
        path: of the folder.
        recipe: of the run, a dataclass.
        resume: go on with the run that the folder holds.

    Raises:
        UsageError: the folder holds a run and `resume` is not asked for, holds none and it is, or
            the run's recipe is another.
        CheckpointError: the checkpoint is damaged.
    """

    def __init__(self, path: Path, recipe: object, *, resume: bool) -> None:
        self.path = path
        self._recipe = json.dumps(compared(recipe), sort_keys=True)
        self.state: State | None = None
        if resume:
            self.state = self._read()
        elif (path / "state.pt").exists() or self.finished:
            raise UsageError(f"{path}: holds a run; --resume goes on with it, or choose another")

    @property
    def model(self) -> Path:
        """Where the finished network lies."""
        return self.path / "model"

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.model.exists()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Say of a disk that is full, or takes no more for another reason, what is kept.

        Raises:
            SolarError: instead of what the disk and torch say.
        """
        try:
            yield
        except (OSError, RuntimeError, SolarError) as error:
            cause: BaseException | None = error  # torch hides it behind an error of its own
            while cause is not None and not isinstance(cause, OSError):
                cause = cause.__cause__ or cause.__context__
            if cause is None:
                raise
            reason = f"cannot be written ({cause.strerror or cause}): make room, then"
            kept = "start anew: no checkpoint was written yet"
            if self.state:
                at = self.state["epoch"] + 1, self.state["step"]
                kept = "go on with --resume, from epoch {}, step {}".format(*at)
            raise SolarError(f"{reason} {kept}", self.path) from error

    def open(self) -> None:
        """Make the folder; take lines out of the log that the checkpoint does not know yet."""
        with self.writing():
            self.path.mkdir(parents=True, exist_ok=True)
            with (self.path / "log.jsonl").open("ab") as log:
                log.truncate(min(self.state["log"] if self.state else 0, log.tell()))

    def log(self, line: Line) -> None:
        """Add a line to the log."""
        with self.writing(), (self.path / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")

    def save(self, state: State) -> None:
        """Write the checkpoint: all that the run needs to go on exactly.

        Args:
            state: with `best_epoch`, whose weights are kept; those of other epochs are removed.
        """
        with self.writing():
            with (self.path / "log.jsonl").open("ab") as log:
                size = log.tell()
                os.fsync(log.fileno())
            with write_atomically(self.path / "state.pt") as file:
                torch.save({**state, "recipe": self._recipe, "log": size}, file)
        self.state = {"epoch": state["epoch"], "step": state["step"]}
        for weights in self.path.glob("best-*.pt"):
            if weights != self._best(state["best_epoch"]):
                weights.unlink()

    def save_best(self, epoch: int, weights: Mapping[str, Tensor]) -> None:
        """Write the best weights so far; those before stay until the checkpoint names these."""
        with self.writing(), write_atomically(self._best(epoch)) as file:
            torch.save(dict(weights), file)

    def best(self, epoch: int) -> dict[str, Tensor]:
        """The best weights, of that epoch."""
        weights: dict[str, Tensor] = torch.load(
            self._best(epoch), weights_only=True, map_location="cpu"
        )
        return weights

    def _best(self, epoch: int) -> Path:
        return self.path / f"best-{epoch}.pt"

    def _read(self) -> State:
        path = self.path / "state.pt"
        if not path.exists():
            raise UsageError(f"{self.path}: holds no checkpoint to resume; leave --resume out")
        try:
            state: State = torch.load(path, weights_only=True, map_location="cpu")
            recipe = json.loads(state["recipe"])
        except (OSError, RuntimeError, ValueError, EOFError, KeyError, TypeError) as error:
            raise CheckpointError(f"{path}: not a checkpoint of a training ({error})") from error
        except pickle.UnpicklingError as error:
            raise CheckpointError(f"{path}: not a checkpoint of a training") from error
        if odd := ", ".join(_differences(recipe, json.loads(self._recipe))):
            what = f"was begun with another recipe: {odd}"
            raise UsageError(f"{self.path}: {what}; set it back, or train to another folder")
        return state


def _differences(old: object, new: object, name: str = "") -> Iterator[str]:
    """The entries that two recipes do not share, in words."""
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        old, new = ({str(n): v for n, v in enumerate(values, 1)} for values in (old, new))
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(old.get(key), new.get(key), f"{name} {key}".strip())
    elif old != new:
        yield f"{name} was {json.dumps(old)}, is {json.dumps(new)}"
