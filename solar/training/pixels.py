"""Pixels as a global network takes them."""

from __future__ import annotations

import torch
from torch import Tensor

from solar.models.global_descriptor import GlobalDescriptor


def normalised(pixels: Tensor, model: GlobalDescriptor) -> Tensor:
    """RGB of 0 to 255 with the network's mean and deviation.

    Shape:
        (..., 3, H, W) uint8 -> (..., 3, H, W) float32, on the same device
    """
    mean, std = (
        torch.tensor(values, device=pixels.device)[:, None, None]
        for values in (model.mean, model.std)
    )
    return (pixels.float() / 255 - mean) / std
