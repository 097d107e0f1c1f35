"""Endless random crops of photos, each one a function of the seed and its number alone.

So a run that was killed goes on with exactly the crops that it would have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch import Tensor
from torch.utils.data import Dataset

from solar.errors import PhotoError
from solar.photos import open_photo


@dataclass(frozen=True)
class Photos:
    """Photos of one folder and how often they are drawn.

    Attributes:
        paths: of the photos.
        weight: how often one of these photos is drawn, relative to other folders' photos.
    """

    paths: Sequence[Path]
    weight: float


class RandomCrops(Dataset[tuple[Tensor, Tensor]]):
    """Crop number i: a random part of a random photo, flipped at random.

    Args:
        folders: the photos.
        count: how many crops.
        seed: of everything random.
        side: of the crop in pixels.
        area: least and greatest share of the photo's area.
        jitter: greatest relative change of brightness, contrast and colour in the second view.

    Shape:
        item: two uint8 tensors (3, side, side), the crop and the same crop in another light.
    """

    def __init__(
        self,
        folders: Sequence[Photos],
        count: int,
        seed: int,
        side: int,
        area: tuple[float, float],
        jitter: float,
    ) -> None:
        self.paths = [path for folder in folders for path in folder.paths]
        weights = np.concatenate([np.full(len(f.paths), f.weight) for f in folders])
        self.shares = np.cumsum(weights / weights.sum())
        self.count, self.seed, self.side = count, seed, side
        self.area, self.jitter = area, jitter

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        random = np.random.default_rng((self.seed, number))
        crop = self._crop(self._photo(random), random)
        return _tensor(crop), _tensor(_other_light(crop, self.jitter, random))

    def _photo(self, random: np.random.Generator) -> Image.Image:
        """A photo that can be opened; unreadable ones are passed over."""
        for _ in range(100):
            drawn = int(np.searchsorted(self.shares, random.random()))
            try:
                return open_photo(self.paths[min(drawn, len(self.paths) - 1)])
            except PhotoError:
                continue
        raise PhotoError("100 photos in a row cannot be opened: look at the folders")

    def _crop(self, photo: Image.Image, random: np.random.Generator) -> Image.Image:
        share = random.uniform(*self.area)
        aspect = np.exp(random.uniform(np.log(3 / 4), np.log(4 / 3)))
        width = min(photo.width, round((photo.width * photo.height * share * aspect) ** 0.5))
        height = min(photo.height, round((photo.width * photo.height * share / aspect) ** 0.5))
        left = int(random.integers(photo.width - width + 1))
        top = int(random.integers(photo.height - height + 1))
        crop = photo.resize(
            (self.side, self.side),
            Image.Resampling.BICUBIC,
            (left, top, left + max(width, 1), top + max(height, 1)),
        )
        flip = Image.Transpose.FLIP_LEFT_RIGHT
        return crop.transpose(flip) if random.random() < 0.5 else crop


def _other_light(crop: Image.Image, jitter: float, random: np.random.Generator) -> Image.Image:
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        crop = enhance(crop).enhance(1 + random.uniform(-jitter, jitter))
    return crop


def _tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
