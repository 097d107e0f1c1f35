"""The gradient of a loss over tuples, however many images and processes it takes.

The loss sees all descriptors of a step at once: in the second-order term every tuple counts under
one root. So descriptors come first, of all processes, then the loss and its gradient in each
descriptor; from there each image goes backward on its own. More images than one chunk are described
without a graph first and once more to go backward (cached gradients; Gao et al., RepL4NLP 2021).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from solar.models.device import autocast
from solar.models.global_descriptor import GlobalDescriptor
from solar.training.losses import ap_loss, contrastive_loss, sos_loss, triplet_loss
from solar.training.retrieval.recipe import LossSettings
from solar.training.run.processes import Processes

Criterion = Callable[[Tensor, Tensor], dict[str, Tensor]]
"""Descriptors (N, D) and tuple labels (N,) to named losses, whose sum is minimised."""


def tuple_loss(settings: LossSettings) -> Criterion:
    """First order + weight x second-order similarity (Ng et al., section 3.3)."""
    first: Callable[[Tensor, Tensor], Tensor] = {
        "triplet": partial(triplet_loss, margin=settings.margin),
        "contrastive": partial(contrastive_loss, margin=settings.margin),
        "ap": partial(ap_loss, levels=settings.levels),
    }[settings.first_order]

    def losses(descriptors: Tensor, labels: Tensor) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {settings.first_order: first(descriptors, labels)}
        if settings.second_order != "none":
            similarity = sos_loss(descriptors, labels, settings.second_order)
            found["second_order"] = settings.weight * similarity
        return found

    return losses


def backward(
    model: GlobalDescriptor,
    images: Sequence[Tensor],
    criterion: Criterion,
    labels: Tensor,
    *,
    chunk: int,
    precision: torch.dtype = torch.float32,
    processes: Processes | None = None,
) -> dict[str, float]:
    """Add the gradient of a step's loss to the model's parameters.

    Args:
        model: in evaluation mode: with batch norm frozen it gives the same twice.
        images: of this process's share of the step's tuples, (3, H, W) each, of any sizes.
        criterion: the loss.
        labels: (N,), tuple labels of all processes' images.
        chunk: images that go through the network at once.
        precision: that the network computes in.
        processes: among which the step is divided.

    Returns:
        The parts of the loss, the same in every process.
    """
    processes = processes or Processes()
    device = processes.device

    def describe(rows: Sequence[int]) -> Tensor:
        batch = torch.stack([images[row] for row in rows]).to(device)
        with autocast(device, precision):
            described: Tensor = model(batch.contiguous(memory_format=torch.channels_last))
        return described.float()

    parts, cached = _parts(images, chunk), len(images) > chunk
    with torch.set_grad_enabled(not cached):
        described = [describe(rows) for rows in parts]
    own = torch.zeros(len(images), model.dimensions, device=device)
    for rows, descriptors in zip(parts, described, strict=True):
        own[rows] = descriptors.detach()
    tuples = int((labels == -1).sum())
    size = len(labels) // tuples
    whole = processes.gather(own.reshape(-1, size, model.dimensions), tuples).requires_grad_()
    losses = criterion(whole.flatten(0, 1), labels.to(device))
    (gradient,) = torch.autograd.grad(torch.stack(list(losses.values())).sum(), whole)
    gradient = gradient[processes.share(tuples)].flatten(0, 1)
    for rows, first in zip(parts, described, strict=True):
        torch.autograd.backward(describe(rows) if cached else first, gradient[rows])
    processes.sum_gradients(model.parameters())
    return {name: loss.item() for name, loss in losses.items()}


def _parts(images: Sequence[Tensor], chunk: int) -> list[list[int]]:
    """Rows of images of one shape, at most so many together."""
    by_shape = defaultdict(list)
    for row, image in enumerate(images):
        by_shape[image.shape].append(row)
    return [
        rows[start : start + chunk]
        for rows in by_shape.values()
        for start in range(0, len(rows), chunk)
    ]
