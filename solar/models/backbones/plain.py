"""VGG-16 and AlexNet (Simonyan, Zisserman, ICLR 2015; Krizhevsky et al., NIPS 2012)."""

from __future__ import annotations

from itertools import pairwise

import torch
import torchvision
from torch import nn

from solar.models.backbones.backbone import Backbone, Stage

# The number of each stage's first layer in torchvision's `features`, its channels and its stride;
# then the number of the last pooling, which is left out.
_STAGES = {
    "vgg16": ((0, 64, 1), (4, 128, 2), (9, 256, 4), (16, 512, 8), (23, 512, 16), (30, 0, 0)),
    "alexnet": ((0, 64, 4), (2, 192, 8), (5, 384, 16), (8, 256, 16), (10, 256, 16), (12, 0, 0)),
}
PLAIN = tuple(_STAGES)


def stage_layers(name: str) -> dict[Stage, range]:
    """The stages, and torchvision's numbers of their layers."""
    return {
        Stage(f"conv{number}", channels, stride): range(first, end)
        for number, ((first, channels, stride), (end, *_)) in enumerate(pairwise(_STAGES[name]), 1)
    }


def plain(name: str) -> Backbone:
    """The convolutions of such a network, without the last pooling, with random weights.

    Layers keep torchvision's numbers within their stage.

    Args:
        name: one of `PLAIN`.
    """
    with torch.device("meta"):  # without memory for the classifier, which is most of the network
        whole = getattr(torchvision.models, name)(weights=None).features
    layers = whole.to_empty(device="cpu")
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            layer.reset_parameters()
    return Backbone(
        {stage: layers[own.start : own.stop] for stage, own in stage_layers(name).items()},
        least=32,  # of fewer pixels, AlexNet's second pooling leaves nothing
    )
