"""One training over several processes, GPUs or machines, as `torchrun` starts them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, autograd, distributed, nn

from solar.models.device import choose_device

PATIENCE = timedelta(days=1)  # for the first process, which validates alone


@dataclass(frozen=True)
class Processes:
    """This process among all.

    Attributes:
        rank: number of this one.
        count: of all.
        device: that this one computes on.
    """

    rank: int = 0
    count: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and reports."""
        return self.rank == 0

    def share(self, total: int) -> slice:
        """This process's part of so many things: in one piece, sizes differ by one at most."""
        return slice(*(total * k // self.count for k in (self.rank, self.rank + 1)))

    def gather(self, rows: Tensor, total: int) -> Tensor:
        """The rows of all processes in order, the same everywhere.

        A loss of these rows, the same in every process, sends each of them the gradient of its own.

        Args:
            rows: this process's `share` of them, (share, ...).
            total: of all processes.

        Returns:
            (total, ...).
        """
        gathered: Tensor = rows if self.count == 1 else _Gathered.apply(rows, self, total)
        return gathered

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes; its gradient is theirs, summed."""
        summed: Tensor = values if self.count == 1 else _Summed.apply(values)
        return summed

    def gather_lines(self, lines: Sequence[str]) -> list[str]:
        """The lines of all processes, in alphabetical order, the same everywhere."""
        parts = [list(lines)] * self.count
        if self.count > 1:
            distributed.all_gather_object(parts, list(lines))
        return sorted(line for part in parts for line in part)

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its sum over all processes, in one message."""
        if self.count == 1:
            return
        trained = [p for p in parameters if p.requires_grad]
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        parts = torch.split(flat, [p.numel() for p in trained])
        for p, part in zip(trained, parts, strict=True):
            p.grad = part.view_as(p).clone()

    def copy(self, modules: nn.Module) -> None:
        """Give all processes the first one's weights."""
        if self.count > 1:
            for values in modules.state_dict().values():
                distributed.broadcast(values, 0)

    def wait(self) -> None:
        """Until all processes are here."""
        if self.count > 1:
            distributed.barrier()


class _Gathered(autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, processes: Processes, total: int) -> Tensor:
        """(share, ...) of each process -> (total, ...) in all."""
        ctx.share = processes.share(total)
        count = processes.count
        sizes = [total * (k + 1) // count - total * k // count for k in range(count)]
        padded = rows.new_zeros((max(sizes), *rows.shape[1:]))
        padded[: len(rows)] = rows  # (longest, ...): all must send as much
        parts = [torch.empty_like(padded) for _ in sizes]
        distributed.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return gradients[0][ctx.share], None, None


class _Summed(autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        """(...) of each process -> (...), their sum in all."""
        summed = values.clone()
        distributed.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        summed = gradients[0].clone()
        distributed.all_reduce(summed)
        return summed


@contextmanager
def join_processes(device: str = "auto") -> Iterator[Processes]:
    """Take this process's place among those that `torchrun` started; alone without it.

    Args:
        device: `cpu`, `cuda`, `mps`, one GPU as `cuda:1`, or `auto` for a GPU where there is one.
            Of several processes each takes a GPU of its own.

    Raises:
        UsageError: another device, or one that is not there.
    """
    chosen = choose_device(device)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Processes(device=chosen)
        return
    if chosen.type == "cuda":
        chosen = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(chosen)
    distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size(), chosen)
    finally:
        distributed.destroy_process_group()
