"""Global pooling of feature maps: GeM, MAC, SPoC, R-MAC, whole or regionally; CroW; NetVLAD.

Every pooling maps (B, C, H, W) to (B, C), NetVLAD to (B, K * C), in float32 or float64 whatever the
autocast type: powers and sums over thousands of positions lose too much in half precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from solar.models.config import clusters_of, require_pooling

EPSILON = 1e-6


def at_least_float32(x: Tensor) -> Tensor:
    """float64 as it is, every other type as float32."""
    return x if x.dtype == torch.float64 else x.float()


class GeM(nn.Module):
    """Generalised-mean pooling (Radenović, Tolias, Chum, TPAMI 2019): (mean xᵖ)^(1/p).

    Args:
        channels: None for one shared p; a number of channels for one p each.
        p: initial exponent; 1 is average pooling, infinity is max pooling.
    """

    def __init__(self, channels: int | None = None, p: float = 3.0) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.full((channels or 1,), p))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C), values at least 1e-6."""
        with torch.autocast(x.device.type, enabled=False):
            p = at_least_float32(self.p)  # (1,) or (C,)
            powers = at_least_float32(x).clamp(min=EPSILON).pow(p[:, None, None])  # (B, C, H, W)
            return powers.mean((-2, -1)).pow(1 / p)  # (B, C)


class MAC(nn.Module):
    """Maximum activations of convolutions (Tolias, Sicre, Jégou, ICLR 2016)."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C)."""
        return at_least_float32(x).amax((-2, -1))


class SPoC(nn.Module):
    """Average-pooled convolutional features (Babenko, Lempitsky, ICCV 2015)."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C)."""
        return at_least_float32(x).mean((-2, -1))


class CroW(nn.Module):
    """Cross-dimensional weighting (Kalantidis, Mellina, Osindero, ECCV Workshops 2016).

    A position counts by the square root of its summed activations, these divided by their length
    over the map; a channel by the logarithm of how much rarer it is active than all together.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C)."""
        x = at_least_float32(x)
        activity = x.clamp(min=0).sum(1, keepdim=True)  # (B, 1, H, W)
        length = activity.square().sum((-2, -1), keepdim=True).sqrt()
        positions = (activity / length.clamp(min=EPSILON)).clamp(min=EPSILON).sqrt()
        active = (x > 0).to(x.dtype).mean((-2, -1))  # (B, C) share of positions
        rarity = active.sum(1, keepdim=True).clamp(min=EPSILON) / active.clamp(min=EPSILON)
        channels = torch.where(active > 0, rarity.log(), 0)  # (B, C)
        return (x * positions).sum((-2, -1)) * channels


class NetVLAD(nn.Module):
    """Differences of positions to clusters, softly assigned (Arandjelović et al., CVPR 2016).

    Args:
        channels: C of the map, whose positions are brought to unit length.
        clusters: K; at random until `start` or a training places them.
    """

    def __init__(self, channels: int, clusters: int = 64) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(clusters, channels))
        self.bias = nn.Parameter(torch.empty(clusters))
        self.centres = nn.Parameter(torch.empty(clusters, channels))
        self.start(F.normalize(torch.randn(clusters, channels), dim=1), 10.0)

    @torch.no_grad()
    def start(self, centres: Tensor, sharpness: float) -> None:
        """Assign by exp(-sharpness · d²) to these centres (K, C): VLAD's way where it is large."""
        self.centres.copy_(centres)
        self.weight.copy_(2 * sharpness * centres)
        self.bias.copy_(-sharpness * centres.square().sum(1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, K * C), the differences of each cluster of unit length."""
        with torch.autocast(x.device.type, enabled=False):
            x = F.normalize(at_least_float32(x).flatten(2), dim=1, eps=EPSILON)  # (B, C, N)
            weight, bias, centres = (p.to(x.dtype) for p in (self.weight, self.bias, self.centres))
            assigned = (weight @ x + bias[:, None]).softmax(1)  # (B, K, N)
            sums = assigned @ x.transpose(1, 2) - assigned.sum(2, keepdim=True) * centres
            return F.normalize(sums, dim=2, eps=EPSILON).flatten(1)


class Regional(nn.Module):
    """Sum over R-MAC's regions of the unit-length pooled vector of each region.

    Args:
        pool: what pools one region.
        whiten: for so many channels, a layer that whitens each region's vector, which is then
            normalised again; it starts as the identity. None for no such layer.
        levels: square sizes of the grid (Tolias et al., ICLR 2016: 3).
    """

    def __init__(self, pool: nn.Module, whiten: int | None = None, levels: int = 3) -> None:
        super().__init__()
        self.pool, self.levels = pool, levels
        self.whiten = None if whiten is None else nn.Linear(whiten, whiten)
        if self.whiten is not None:
            nn.init.eye_(self.whiten.weight)
            nn.init.zeros_(self.whiten.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C)."""
        regions = [(0, 0, *x.shape[-2:]), *grid(x.shape[-2], x.shape[-1], self.levels)]
        crops = (x[..., top : top + h, left : left + w] for top, left, h, w in regions)
        pooled = torch.stack([self.pool(crop) for crop in crops])  # (R, B, C)
        pooled = F.normalize(pooled, dim=-1, eps=EPSILON)
        if self.whiten is not None:
            pooled = F.normalize(linear(self.whiten, pooled), dim=-1, eps=EPSILON)
        return pooled.sum(0)


def linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """A layer applied in the type of its input, whatever autocast says."""
    with torch.autocast(x.device.type, enabled=False):
        return F.linear(x, layer.weight.to(x.dtype), layer.bias.to(x.dtype))


def exponents(pool: nn.Module) -> list[nn.Parameter]:
    """The p of each GeM within a pooling; empty where there is none."""
    return [module.p for module in pool.modules() if isinstance(module, GeM)]


def grid(height: int, width: int, levels: int) -> list[tuple[int, int, int, int]]:
    """R-MAC's square regions (Tolias et al., ICLR 2016, section 3.2).

    Level l covers the short side with l squares of side 2·short/(l+1); along the long side as many
    more are laid as bring the overlap of neighbours at level 1 nearest to 40 %.

    Returns:
        (top, left, height, width) of each region, in positions; the whole map is not among them.
    """
    short, long = min(height, width), max(height, width)
    extra = extra_squares(short, long)
    extra_rows, extra_columns = (extra, 0) if height > width else (0, extra)
    regions = []
    for level in range(1, levels + 1):
        side = 2 * short // (level + 1)
        if side == 0:
            continue
        for top in _starts(height, side, level + extra_rows):
            regions += [
                (top, left, side, side) for left in _starts(width, side, level + extra_columns)
            ]
    return regions


def extra_squares(short: int, long: int) -> int:
    """How many more squares `grid` lays along the long side than along the short one: 0 to 6."""
    # in float32, as published, where torch divides a number by its reciprocal: where two numbers of
    # squares are as near to 40 %, rounding decides
    strides = np.float32(long - short) * (1 / np.arange(1, 7, dtype=np.float32))
    distances = abs((short**2 - short * strides) / short**2 - np.float32(0.4))
    return int(distances.argmin()) + 1 if long > short else 0


def _starts(length: int, side: int, count: int) -> list[int]:
    """First positions of `count` evenly spread windows of one side along a length."""
    if count == 1:
        return [0]
    # the published code places centres, not corners, on whole positions, in float32
    half = math.floor(side / 2 - 1)
    steps = np.arange(count, dtype=np.float32) * np.float32((length - side) / (count - 1))
    starts: list[int] = (np.floor(half + steps).astype(int) - half).tolist()
    return starts


def build_pooling(name: str, channels: int, regional: bool) -> nn.Module:
    """A pooling by name.

    Args:
        name: as `solar.models.config.require_pooling` takes it.
        channels: of the feature map.
        regional: pool each of R-MAC's regions, whiten by a layer, normalise, sum; "rmac" is
            regional MAC without that layer.

    Raises:
        UsageError: there is no such pooling.
    """
    require_pooling(name, regional)
    clusters = clusters_of(name)
    if clusters is not None:
        return NetVLAD(channels, clusters)
    kinds: dict[str, Callable[[], nn.Module]] = {
        "gem": GeM,
        "gem-channel": lambda: GeM(channels),
        "mac": MAC,
        "rmac": lambda: Regional(MAC()),
        "spoc": SPoC,
        "crow": CroW,
    }
    pool = kinds[name]()
    return Regional(pool, whiten=channels) if regional else pool
