"""DINOv2 as an extractor: any network of anybody's, searched with and measured by Solar.

    solar index photos/ --to my.index --extractor examples.dinov2:dinov2
    solar search my.index query.jpg --extractor examples.dinov2:dinov2
    solar eval folder places/ --extractor examples.dinov2:dinov2

Solar finds and decodes the photos, turns them upright and cuts boxes; the function gives a vector
of one photo. Raise `version` whenever it gives other vectors, so that they never meet the old ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL.Image import Image

import solar

PATCH = 14
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


def network() -> Any:
    """DINOv2's ViT-S/14, which torch's hub downloads the first time."""
    return torch.hub.load("facebookresearch/dinov2", "dinov2_vits14", trust_repo=True)


def dinov2() -> solar.Extractor:
    """What `--extractor examples.dinov2:dinov2` calls, once."""
    net = network().eval()

    @torch.inference_mode()
    def describe(photo: Image) -> np.ndarray[Any, Any]:
        width, height = (max(side // PATCH, 1) * PATCH for side in photo.size)
        left, top = (photo.width - width) // 2, (photo.height - height) // 2
        pixels = torch.from_numpy(np.array(photo.crop((left, top, left + width, top + height))))
        images = ((pixels / 255 - MEAN) / STD).permute(2, 0, 1)[None]  # (1, 3, H, W)
        vector: np.ndarray[Any, Any] = net(images)[0].numpy()  # (384,), the class token
        return vector

    return solar.extractor(describe, name="dinov2-vits14", dimensions=384, image_size=518)
