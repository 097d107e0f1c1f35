"""Square patches around keypoints, cut from the right level of an image pyramid."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from solar.features.keypoints import Keypoints
from solar.typing import GrayImage

_SMALLEST_LEVEL = 16  # pixels; a smaller level is not made
_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


class PhotoPyramid:
    """A photo and its halvings, side by side in one image, so that one call samples any level.

    Level 0 is the photo; level l + 1 is level l smoothed by a binomial filter of 5 taps and
    halved, so that pixel x of level l lies at pixel 2**l x of the photo. Level 0 stands at the
    left; the others stand at its right, one under another.
    """

    def __init__(self, photo: GrayImage, device: torch.device | str = "cpu") -> None:
        """Smooth and halve (height, width) uint8 until a side would fall below 16 pixels."""
        levels = [torch.from_numpy(photo.astype(np.float32)).to(device)[None, None]]
        while min(levels[-1].shape[-2:]) >= 2 * _SMALLEST_LEVEL:
            levels.append(_halve(levels[-1]))
        sizes = [(int(level.shape[-2]), int(level.shape[-1])) for level in levels]
        tops = [0, 0, *np.cumsum([height for height, _ in sizes[1:-1]]).tolist()][: len(sizes)]
        lefts = [0] + [sizes[0][1]] * (len(sizes) - 1)
        height = max(top + size[0] for top, size in zip(tops, sizes, strict=True))
        width = max(2, *(left + size[1] for left, size in zip(lefts, sizes, strict=True)))
        self._atlas = torch.zeros(1, 1, max(2, height), width, device=device)
        for level, top, left in zip(levels, tops, lefts, strict=True):
            h, w = level.shape[-2:]
            self._atlas[:, :, top : top + h, left : left + w] = level
        self._origins = torch.tensor(list(zip(lefts, tops, strict=True)), device=device).float()
        self._last = torch.tensor([(w - 1, h - 1) for h, w in sizes], device=device).float()

    def patches(
        self, keypoints: Keypoints, *, size: int = 32, magnification: float = 6.0
    ) -> Tensor:
        """Patches turned and scaled with their keypoints, by bilinear sampling.

        The level is the one where a patch's samples lie closest to one pixel apart. Beyond the
        photo its border pixels repeat.

        Args:
            keypoints: N keypoints; make them `upright` to ignore their angles.
            size: samples along a side.
            magnification: side of the patch in the photo, in keypoint sizes. 6 is the region of
                the SIFT descriptor: 12 sigma.

        Returns:
            (N, 1, size, size) float32, 0 to 255.
        """
        device = self._atlas.device
        step = torch.from_numpy(keypoints.size * np.float32(magnification / size)).to(device)
        levels = step.log2().round().long().clamp(0, len(self._origins) - 1)
        angle = torch.from_numpy(np.deg2rad(keypoints.angle)).to(device)

        # From here on in pixels of the atlas; sums stay (N, size) for as long as they can.
        shrink = 0.5 ** levels[:, None]
        first = self._origins[levels]  # (N, 2)
        last = first + self._last[levels]
        centre = first + torch.from_numpy(keypoints.xy).to(device) * shrink
        ticks = (torch.arange(size, device=device) - (size - 1) / 2) * (step[:, None] * shrink)
        along, across = ticks * angle.cos()[:, None], ticks * angle.sin()[:, None]
        x = (centre[:, :1] + along)[:, None, :] - across[:, :, None]  # (N, size, size)
        y = (centre[:, 1:] + across)[:, None, :] + along[:, :, None]

        height, width = self._atlas.shape[-2:]
        grid = torch.empty(1, len(keypoints) * size, size, 2, device=device)  # all in one column
        for axis, (at, extent) in enumerate(((x, width - 1), (y, height - 1))):
            inside = at.clamp_(first[:, axis, None, None], last[:, axis, None, None])
            torch.sub(inside.mul_(2 / extent).view(1, -1, size), 1, out=grid[..., axis])
        sampled = F.grid_sample(self._atlas, grid, mode="bilinear", align_corners=True)
        return sampled.reshape(-1, 1, size, size)


def _halve(level: Tensor) -> Tensor:
    """Smooth with the binomial filter and keep every second pixel, starting with the first."""
    taps = torch.tensor(_BINOMIAL, device=level.device)
    kernel = torch.outer(taps, taps)[None, None]
    return F.conv2d(F.pad(level, (2, 2, 2, 2), mode="replicate"), kernel, stride=2)
