"""TensorFlow's padding, of timm's `tf_` networks, by an operator that knows it."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn


def pad_by_operator(network: nn.Module) -> None:
    """Let convolutions that pad themselves for each size of photo leave that to their operator.

    Written out, each such size is an expression of the one before, twice: after five strides,
    torch's exporter thinks for hours.

    Args:
        network: a copy, changed in place.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and type(layer).__name__ == "Conv2dSame":  # timm's
            layer.forward = partial(_padded, layer)  # type: ignore[method-assign]


def _padded(layer: nn.Conv2d, maps: Tensor) -> Tensor:
    """What `Conv2dSame.forward` computes.

    Args:
        layer: the convolution.
        maps: (B, C, H, W).

    Returns:
        (B, D, H / stride, W / stride), rounded up.
    """
    count, _, *sides = maps.shape
    attributes: dict[str, Any] = {
        "auto_pad": "SAME_UPPER",
        "dilations": layer.dilation,
        "group": layer.groups,
        "kernel_shape": layer.kernel_size,
        "strides": layer.stride,
    }
    left = [(side + step - 1) // step for side, step in zip(sides, layer.stride, strict=True)]
    padded: Tensor = torch.onnx.ops.symbolic(
        "Conv",
        [maps, layer.weight, *([] if layer.bias is None else [layer.bias])],
        attributes,
        dtype=maps.dtype,
        shape=(count, layer.out_channels, *left),
        version=11,
    )
    return padded
