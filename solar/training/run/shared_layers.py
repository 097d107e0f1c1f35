"""Layers that see the whole batch of a step when it is divided among processes.

Batch norm takes its statistics over the rows of all processes, and dropout draws its mask for all
rows at once, so that a step does not depend on how many processes share it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from solar.training.run.processes import Processes


def share_layers(module: nn.Module, processes: Processes, items: int, each: int = 1) -> None:
    """Replace batch norm and dropout inside a module where there is more than one process.

    Weights, statistics and their names stay as they are.

    Args:
        module: changed in place; the random state must be the same in all processes.
        processes: that share each batch.
        items: of a batch, over all processes.
        each: rows of an item.
    """
    if processes.count == 1:
        return
    for name, child in module.named_children():
        shared: nn.Module
        if isinstance(child, _BatchNorm):
            shared = SharedBatchNorm(child, processes)
        elif isinstance(child, nn.Dropout):
            shared = SharedDropout(child.p, processes, items, each)
        else:
            share_layers(child, processes, items, each)
            continue
        setattr(module, name, shared.train(child.training))


class SharedBatchNorm(_BatchNorm):
    """A batch norm whose statistics are those of all processes' rows.

    Args:
        like: the layer that this one stands for; its tensors are taken over.
        processes: that share each batch.

    Shape:
        (share, C, ...) -> (share, C, ...)
    """

    def __init__(self, like: _BatchNorm, processes: Processes) -> None:
        super().__init__(like.num_features, like.eps, like.momentum, like.affine)
        self.weight, self.bias = like.weight, like.bias
        for name, values in like.named_buffers():
            setattr(self, name, values)
        self.processes = processes

    def forward(self, input: Tensor) -> Tensor:
        """(share, C, ...) -> (share, C, ...), normalised by channel."""
        if not self.training:
            return super().forward(input)
        axes, shape = [0, *range(2, input.ndim)], [1, -1, *[1] * (input.ndim - 2)]
        rows = input.float()  # (share, C, ...)
        count = self.processes.sum(rows.new_tensor(float(rows[:, 0].numel())))
        mean = self.processes.sum(rows.sum(axes)) / count
        centred = rows - mean.view(shape)
        variance = self.processes.sum(centred.square().sum(axes)) / count
        with torch.no_grad():
            for kept, now in (
                (self.running_mean, mean),
                (self.running_var, variance * count / (count - 1)),
            ):
                if kept is not None and self.momentum is not None:
                    kept.lerp_(now, self.momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
        found = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            found = found * self.weight.view(shape) + self.bias.view(shape)
        return found.to(input.dtype)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of axes will do."""


class SharedDropout(nn.Dropout):
    """A dropout that draws the mask of all rows and takes its own share of it.

    Args:
        p: share of the values that are dropped.
        processes: that share each batch.
        items: of a batch, over all processes.
        each: rows of an item.

    Shape:
        (share, ...) -> (share, ...)
    """

    def __init__(self, p: float, processes: Processes, items: int, each: int) -> None:
        super().__init__(p)
        own = processes.share(items)
        self.rows, self.own = items * each, slice(own.start * each, own.stop * each)

    def forward(self, input: Tensor) -> Tensor:
        """(share, ...) -> (share, ...), values dropped at random while training."""
        if not self.training:
            return input
        last = input.ndim == 4 and input.is_contiguous(memory_format=torch.channels_last)
        order = torch.channels_last if last else torch.contiguous_format
        # (rows, ...) of all processes, so that each draws what one alone would
        whole = input.new_ones((self.rows, *input.shape[1:])).contiguous(memory_format=order)
        return input * F.dropout(whole, self.p)[self.own]
