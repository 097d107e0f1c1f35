"""Whitening as a network's last, linear layer."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import nn

from solar.errors import UsageError
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.whitening import Whitening


def whitening_layer(whitening: Whitening) -> nn.Linear:
    """The same map as a layer: weight = projection (D', D), bias = −projection · mean (D',)."""
    layer = nn.Linear(whitening.projection.shape[1], whitening.projection.shape[0])
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(whitening.projection))
        layer.bias.copy_(torch.from_numpy(-whitening.projection @ whitening.mean))
    return layer


def with_whitening(model: GlobalDescriptor, whitening: Whitening | None) -> GlobalDescriptor:
    """A copy of a model whose linear layer is this whitening, whatever layer the model has.

    The layer whitens the descriptor of each scale, before the scales are averaged.

    Args:
        model: is left as it is.
        whitening: of the model's pooled descriptors; None for a copy without the layer.

    Raises:
        UsageError: the whitening is of descriptors of other dimensions.
    """
    if whitening is not None and len(whitening.mean) != model.pooled:
        raise UsageError(
            f"a whitening of {len(whitening.mean)}-D descriptors does not fit model {model.name}, "
            f"which pools {model.pooled}-D ones: learn one with 'solar whiten fit'"
        )
    made = copy.deepcopy(model)
    dimensions = None if whitening is None else len(whitening.projection)
    made.config = replace(model.config, whitening=dimensions)
    made.whiten = nn.Identity() if whitening is None else whitening_layer(whitening)
    made.dimensions = dimensions or model.pooled
    return made.to(next(model.parameters())).eval()
