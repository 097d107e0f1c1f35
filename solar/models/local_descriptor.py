"""The local network: 32x32 patches to 128-D descriptors, SOSNet with second-order attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from solar.errors import UsageError
from solar.models._hub import push
from solar.models._state import fingerprint
from solar.models.attention import SecondOrderAttention
from solar.models.config import LOCAL_MIDS, LocalConfig, Provenance
from solar.models.document import architecture
from solar.models.pooling import at_least_float32

# Channels after layers 1 to 6; layers 3 and 5 halve the resolution.
_CHANNELS = (32, 32, 64, 64, 128, 128)
_SIDE = 32


class LocalDescriptor(nn.Module):
    """Patches to unit descriptors (Tian et al., SOSNet, CVPR 2019; Ng et al., ECCV 2020).

    Every patch is normalised to zero mean and unit variance first, so any range of grey will do.

    Args:
        config: where attention sits.
        provenance: where the weights come from.
        name: what reports call the model.

    Shape:
        (B, 1, 32, 32) -> (B, 128), unit rows.
    """

    dimensions = 128

    def __init__(
        self,
        config: LocalConfig | None = None,
        provenance: Provenance | None = None,
        name: str = "unnamed",
    ) -> None:
        super().__init__()
        self.config = config or LocalConfig()
        self.provenance = provenance or Provenance()
        self.name = name
        self.normalise = nn.InstanceNorm2d(1) if self.config.contrast == "variance" else _Standard()
        before = (1, *_CHANNELS)
        self.layers = nn.ModuleList(
            _layer(before[i], channels, stride=2 if i in (2, 4) else 1)
            for i, channels in enumerate(_CHANNELS)
        )
        self.attention = nn.ModuleDict(
            {
                str(layer): SecondOrderAttention(_CHANNELS[layer - 1], LOCAL_MIDS[layer])
                for layer in sorted(self.config.attention)
            }
        )
        self.dropout = nn.Dropout(0.1)
        self.describe = nn.Sequential(
            nn.Conv2d(_CHANNELS[-1], self.dimensions, _SIDE // 4, bias=False),
            nn.BatchNorm2d(self.dimensions, affine=False),
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Orthogonal convolutions of gain 0.6, as HardNet and SOSNet begin; fresh attention."""
        for module in (*self.layers.modules(), *self.describe.modules()):
            if isinstance(module, nn.Conv2d):
                nn.init.orthogonal_(module.weight, gain=0.6)
        for block in self.attention.values():
            assert isinstance(block, SecondOrderAttention)  # noqa: S101 - narrows the type
            block.reset_parameters()

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the architecture and every weight: equal if and only if descriptors are."""
        return fingerprint(self, architecture(self.config))

    @property
    def summary(self) -> str:
        """In words: the dimensions, and where attention sits."""
        layers = ", ".join(self.attention) or "none"
        return f"local, {self.dimensions}-D; attention after layers: {layers}"

    def push_to_hub(
        self, repository: str, *, private: bool = False, revision: str | None = None
    ) -> str:
        """Put the network at the Hugging Face hub; see `GlobalDescriptor.push_to_hub`."""
        return push(self, repository, private=private, revision=revision)

    def forward(self, patches: Tensor) -> Tensor:
        """Describe patches.

        Args:
            patches: (B, 1, 32, 32), grey of any range, of the type of the weights.

        Returns:
            (B, 128) float32, unit rows; float64 of float64.

        Raises:
            UsageError: patches of another shape.
        """
        return F.normalize(self._last_map(self._first_map(patches)), dim=1)

    def with_maps(self, patches: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Describe patches as `forward` does, and give the maps that L2-Net's third error compares.

        Args:
            patches: as of `forward`.

        Returns:
            (B, 128) descriptors; (B, 32, 32, 32) the output of the first batch norm, before its
            ReLU; (B, 128) that of the last, before it is brought to unit length. All float32;
            float64 of float64.

        Raises:
            UsageError: as `forward`.
        """
        first = self._first_map(patches)
        last = self._last_map(first)
        return F.normalize(last, dim=1), at_least_float32(first), last

    def _first_map(self, patches: Tensor) -> Tensor:
        """(B, 1, 32, 32) -> (B, 32, 32, 32), after the first batch norm."""
        if patches.ndim != 4 or patches.shape[1:] != (1, _SIDE, _SIDE):
            raise UsageError(f"patches of shape {tuple(patches.shape)}: use (B, 1, 32, 32)")
        first: Tensor = self.layers[0](self.normalise(patches))
        return first

    def _last_map(self, x: Tensor) -> Tensor:
        """What `_first_map` gives -> (B, 128), after the last batch norm."""
        x = F.relu(x)
        for number, layer in enumerate(self.layers[1:], 2):
            x = F.relu(layer(x))  # (B, 32, 32, 32) to (B, 128, 8, 8)
            if str(number) in self.attention:
                x = self.attention[str(number)](x)
        return at_least_float32(self.describe(self.dropout(x)).flatten(1))


class _Standard(nn.Module):
    """Patches to mean 0 and deviation 1 (Mishchuk et al., HardNet, NeurIPS 2017)."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, 32, 32) -> (B, 1, 32, 32)."""
        deviation, mean = torch.std_mean(x, (-3, -2, -1), keepdim=True)
        return (x - mean) / (deviation + 1e-6)


def _layer(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(after, affine=False),
    )
