"""What a run must know of what it trains, and who follows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from solar.models.checkpoints import AnyDescriptor

State = dict[str, Any]
Line = Mapping[str, Any]
"""Of the log: one JSON object."""
Progress = Callable[[str, int, int], None]
"""Told what is done, how much of it, and of how much."""
Picture = tuple[str, NDArray[np.uint8]]
"""Its name and its pixels (H, W, 3)."""


class Task(Protocol):
    """One kind of training: retrieval, patches, distillation, or one's own.

    Whatever is random must depend on the seed, the epoch and the step alone, so that a run which
    was killed goes on exactly. Epochs are numbered from 0 here, from 1 in logs and messages.

    Attributes:
        modules: all that is trained or counted, on its device: what a checkpoint keeps.
        optimizer: its groups may have a "factor" on the rate.
        epochs: how many.
        max_steps: of all epochs together, after which the run ends; None for no limit.
        best_by: figure of `close_epoch` whose greatest value chooses the weights that are kept;
            None keeps the last. The start, if `begin` measures it, is epoch 0.
        dtype: of the weights in the finished folder.
    """

    modules: nn.Module
    optimizer: torch.optim.Optimizer
    epochs: int
    max_steps: int | None = None
    best_by: str | None = None
    dtype: torch.dtype = torch.float32

    def begin(self) -> Line:
        """Before a new run's first step, in the first process, whose modules the others get.

        Returns:
            What the log says of it.
        """
        return {}

    def open_epoch(self, epoch: int) -> Line:
        """Find out what an epoch needs beside its number, in all processes.

        Returns:
            What the log says of it; nothing if nothing has to be found out.
        """
        return {}

    def epoch_state(self) -> State:
        """What `open_epoch` has found out, as a checkpoint can keep it."""
        return {}

    def restore_epoch(self, state: State) -> None:
        """Take what `open_epoch` had found out before the run was killed."""
        return None

    def steps(self, epoch: int) -> int:
        """Steps of an epoch; of one that is not open yet, by estimate."""
        ...

    def batches(self, epoch: int, first: int) -> Iterable[Any]:
        """What `backward` takes in each step of an open epoch, from step `first` on."""
        ...

    def rate(self, epoch: int, step: int) -> float:
        """The learning rate of a step."""
        ...

    def backward(self, batch: Any) -> dict[str, float]:
        """Add the gradient of a step's loss, summed over all processes.

        Returns:
            The parts of the loss, the same in every process and however many there are.
        """
        ...

    def figures(self) -> Line:
        """What else the log says of a step."""
        return {}

    def close_epoch(self, epoch: int, last: bool) -> Line:
        """Validate, in the first process.

        Args:
            epoch: that is done.
            last: no other follows.

        Returns:
            Figures, for the log.
        """
        return {}

    def samples(self) -> Iterator[Picture]:
        """Pictures of what an open epoch trains on."""
        return iter(())

    def views(self) -> Iterator[Picture]:
        """Pictures of what the network does after an epoch."""
        return iter(())

    def result(self) -> AnyDescriptor:
        """The finished network, its provenance filled in; `modules` hold what is to be kept."""
        ...


class Watcher:
    """What follows a run, in the first process; every method may be overridden, none needs to."""

    def progress(self, what: str, done: int, total: int) -> None:
        """Of something that takes long."""

    def line(self, line: Line) -> None:
        """What has just been written to the log."""

    def pictures(self, epoch: int, pictures: Iterator[Picture]) -> None:
        """Pictures of an epoch, made as they are asked for."""
