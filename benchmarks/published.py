"""The published procedure, faithfully: what Solar's own ways are measured beside.

Radenović's and SOLAR's code decode all of a photo with Pillow, describe one photo at a time, in
float32, at one scale after the other, and build the N x N map of second-order attention. Their
search is beside Solar's in `search.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from solar.models.attention import SecondOrderAttention
from solar.models.global_descriptor import GlobalDescriptor
from solar.photos import normalise
from solar.typing import Descriptors


class _ExplicitAttention(SecondOrderAttention):
    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W), by an N x N map."""
        b, _, height, width = x.shape
        f, g, h = (m(x).view(b, self.mid, -1) for m in (self.f, self.g, self.h))  # (B, mid, N)
        z = torch.softmax(self.mid**-0.5 * torch.bmm(f.permute(0, 2, 1), g), -1)  # (B, N, N)
        z = torch.bmm(z, h.permute(0, 2, 1)).permute(0, 2, 1)  # (B, mid, N)
        attended: Tensor = self.v(z.reshape(b, self.mid, height, width)) + x
        return attended


def published(model: GlobalDescriptor) -> GlobalDescriptor:
    """The same network with the attention of the published code."""
    network = copy.deepcopy(model).float().eval()
    for block in network.attention.values():
        block.__class__ = _ExplicitAttention
    return network


@torch.inference_mode()
def describe(network: GlobalDescriptor, paths: Sequence[Path], size: int) -> Descriptors:
    """Photo by photo: (N, D) float32, unit rows; `network` is what `published` made."""
    rows = []
    for path in paths:
        photo = ImageOps.exif_transpose(Image.open(path).convert("RGB"))
        photo.thumbnail((size, size), Image.Resampling.LANCZOS)
        image = torch.from_numpy(normalise(photo, network.mean, network.std))
        rows.append(network.multi_scale(image[None])[0].numpy())
    return np.stack(rows)
