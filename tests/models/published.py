"""Networks as the published code names their parts, written anew from its papers and formulas."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn


def unit(x: Tensor) -> Tensor:
    found: Tensor = x / (x.norm(dim=1, keepdim=True) + 1e-6)
    return found


class Radenovic(nn.Module):
    """`features.N`, `pool` and `whiten`, as files of cirtorch name them."""

    def __init__(self, backbone: str, pooling: str, regional: bool, whitening: bool) -> None:
        super().__init__()
        self.names = (backbone, pooling, regional, whitening)
        net = getattr(torchvision.models, backbone)(weights=None)
        resnet = backbone.startswith("resnet")
        parts = list(net.children())[:-2] if resnet else list(net.features.children())[:-1]
        self.features = nn.Sequential(*parts)
        with torch.no_grad():
            width = self.features(torch.rand(1, 3, 64, 64)).shape[1]
        one = nn.ParameterDict({"p": torch.full((1,), 2.6)} if pooling == "gem" else {})
        self.pool: nn.Module = one
        if regional:
            self.pool = nn.ModuleDict({"rpool": one, "whiten": nn.Linear(width, width)})
        self.whiten = nn.Linear(width, width) if whitening else None

    def one(self, x: Tensor) -> Tensor:
        """One region pooled."""
        kind = self.names[1]
        if kind == "gem":
            p = next(p for name, p in self.pool.named_parameters() if name.endswith("p"))
            return x.clamp(min=1e-6).pow(p).mean((2, 3)).pow(1 / p)
        if kind == "rmac":
            return torch.stack([unit(part.amax((2, 3))) for part in regions(x)]).sum(0)
        return x.amax((2, 3)) if kind == "mac" else x.mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, D)."""
        x = self.features(images)
        if isinstance(self.pool, nn.ModuleDict):
            whiten = self.pool["whiten"]
            x = torch.stack([unit(whiten(unit(self.one(part)))) for part in regions(x)]).sum(0)
        else:
            x = self.one(x)
        x = unit(x)
        return x if self.whiten is None else unit(self.whiten(x))

    def multi_scale(self, images: Tensor, scales: Sequence[float]) -> Tensor:
        """As its test script calls it: GeM alone averages with p as power."""
        _, pooling, regional, whitening = self.names
        plain = pooling == "gem" and not regional and not whitening
        power = next(self.pool.parameters()).item() if plain else 1
        total = torch.zeros(1)
        for scale in scales:
            total = total + self(scaled(images, scale)).pow(power) / len(scales)
        total = total.pow(1 / power)
        return unit(total)

    def write(self, path: Path, **meta: Any) -> None:
        """A file of it."""
        backbone, pooling, regional, whitening = self.names
        known = {"architecture": backbone, "pooling": pooling, "regional": regional}
        stated = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
        about = {**known, **stated, "whitening": whitening, "local_whitening": False, **meta}
        torch.save({"meta": about, "state_dict": self.state_dict()}, path)


def scaled(images: Tensor, scale: float) -> Tensor:
    if scale == 1:
        return images
    return nn.functional.interpolate(
        images, scale_factor=scale, mode="bilinear", align_corners=False
    )


def regions(x: Tensor) -> list[Tensor]:
    """The whole map, and R-MAC's squares."""
    squares = rmac_squares(*x.shape[-2:])
    return [x, *(x[:, :, t : t + s, left : left + s] for t, left, s in squares)]


def rmac_squares(height: int, width: int) -> list[tuple[int, int, int]]:
    """Top, left and side of R-MAC's squares, computed by torch in float32."""
    short, long = min(height, width), max(height, width)
    more = torch.arange(1.0, 7.0)
    overlap = (short**2 - short * ((long - short) / more)) / short**2
    extra = int((overlap - 0.4).abs().argmin()) + 1 if long > short else 0
    found = []
    for level in (1, 2, 3):
        side = 2 * short // (level + 1)
        half = math.floor(side / 2 - 1)
        starts = []
        for length in (height, width):
            count = level + (extra if length == long and long > short else 0)
            step = (length - side) / (count - 1) if count > 1 else 0.0
            starts.append([int(v) for v in torch.floor(half + torch.arange(float(count)) * step)])
        if side:
            found += [(t - half, w - half, side) for t in starts[0] for w in starts[1]]
    return found


def sosnet(first: int, names: str) -> tuple[dict[str, Tensor], nn.Sequential]:
    """Weights of the convolutions and batch norms of SOSNet, numbered on from `first`."""
    layers: list[nn.Module] = []
    for before, after, stride in (
        (1, 32, 1), (32, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2), (128, 128, 1)
    ):  # fmt: skip
        layers.append(nn.Conv2d(before, after, 3, stride, 1, bias=False))
        layers += [nn.BatchNorm2d(after, affine=False), nn.ReLU()]
    layers += [nn.Dropout(), nn.Conv2d(128, 128, 8, bias=False), nn.BatchNorm2d(128, affine=False)]
    network = nn.Sequential(*layers).eval()
    for module in network:
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    state = {
        f"{names}.{int(key.split('.')[0]) + first}.{key.split('.')[1]}": value
        for key, value in network.state_dict().items()
    }
    return state, network
