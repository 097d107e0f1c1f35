"""Second-order attention: every position re-weighted by its relation to every other."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SecondOrderAttention(nn.Module):
    """The second-order attention block of SOLAR (Ng et al., ECCV 2020, section 3.2, eq. 3-4).

    With 1x1 convolutions f, g (each with batch norm and ReLU), h and v, and N = H·W positions::

        z = softmax(f(x)ᵀ g(x) / sqrt(mid)) h(x)        # (N, mid): position i attends to all j
        y = x + v(z)

    v starts at zero, so that a fresh block is the identity and can be put into a trained network.

    Args:
        channels: channels C of the feature map.
        mid: channels of f, g and h; the paper takes C/4 after conv4_x and C/2 after conv5_x.

    Shape:
        (B, C, H, W) -> (B, C, H, W)
    """

    def __init__(self, channels: int, mid: int) -> None:
        super().__init__()
        self.channels, self.mid = channels, mid
        self.f = self._projection(channels, mid)
        self.g = self._projection(channels, mid)
        self.h = nn.Conv2d(channels, mid, 1)
        self.v = nn.Conv2d(mid, channels, 1)
        self.reset_parameters()

    @staticmethod
    def _projection(channels: int, mid: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(channels, mid, 1), nn.BatchNorm2d(mid), nn.ReLU())

    def reset_parameters(self) -> None:
        """f, g, h to Kaiming's normal distribution with zero biases; v to zero: the identity."""
        for module in (self.f[0], self.g[0], self.h):
            assert isinstance(module, nn.Conv2d)  # noqa: S101 - narrows the type
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        nn.init.zeros_(self.v.weight)
        if self.v.bias is not None:
            nn.init.zeros_(self.v.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Attend; memory grows with the number of positions N, not with N².

        Args:
            x: (B, C, H, W).

        Returns:
            (B, C, H, W).
        """
        b, _, height, width = x.shape
        # rows in one piece, or torch falls back to a kernel that builds the N x N map
        f, g, h = (self._rows(m(x)) for m in (self.f, self.g, self.h))  # (B, 1, N, mid)
        z = self._attend(f, g, h)  # (B, 1, N, mid)
        z = z.squeeze(1).transpose(1, 2).reshape(b, self.mid, height, width)
        # v(z) comes first for its memory format, channels last: the sum inherits it, as in the
        # published code, and the layers that follow are faster with it
        attended: Tensor = self.v(z) + x
        return attended

    def _attend(self, f: Tensor, g: Tensor, h: Tensor) -> Tensor:
        if f.device.type != "cpu" or f.dtype != torch.bfloat16:
            return F.scaled_dot_product_attention(f, g, h, scale=self.mid**-0.5)
        # in float32, of which a CPU makes twice as many as of bfloat16
        with torch.autocast("cpu", enabled=False):
            f, g, h = f.float(), g.float(), h.float()
            z = F.scaled_dot_product_attention(f, g, h, scale=self.mid**-0.5)
        return z.to(torch.bfloat16)

    @staticmethod
    def _rows(maps: Tensor) -> Tensor:
        return maps.flatten(2).transpose(1, 2).contiguous().unsqueeze(1)

    def attention_map(self, x: Tensor, row: int, column: int) -> Tensor:
        """Where one position attends: one row of the N x N map, the rest is never built.

        Args:
            x: (1, C, H, W), the block's input.
            row: of the position, 0 to H - 1.
            column: of the position, 0 to W - 1.

        Returns:
            (H, W), non-negative, sums to 1.
        """
        query = self.f(x)[0, :, row, column].float()  # (mid,)
        keys = self.g(x)[0].flatten(1).float()  # (mid, N)
        weights = torch.softmax(query @ keys * self.mid**-0.5, dim=0)
        return weights.reshape(x.shape[-2:])
