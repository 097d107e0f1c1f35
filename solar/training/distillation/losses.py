"""What a student is told: descriptor and relations, and the map of a teacher that sees the crop.

On random crops, these are matched: a descriptor, the similarities within a batch (Park et al., CVPR
2019), and of a teacher the feature map, position by position. What is said of a crop holds for
another visit to it as well, but for the map.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from solar.models.pooling import GeM
from solar.models.whitening import Whitening
from solar.training.run.processes import Processes


class Descriptors(nn.Module):
    """Descriptors that the student must predict from what it pools, and how far off it is.

    Args:
        pooled: dimensions of what the student pools.
        wanted: dimensions of what it must predict.
    """

    def __init__(self, pooled: int, wanted: int) -> None:
        super().__init__()
        self.predict = nn.Sequential(
            nn.BatchNorm1d(pooled, affine=False), nn.Linear(pooled, wanted)
        )

    def forward(
        self, pooled: Tensor, wanted: Tensor, processes: Processes, crops: int
    ) -> dict[str, Tensor]:
        """The two losses of a step, the same in every process.

        Args:
            pooled: (2, share, P), the student's unit pooled descriptors of this process's crops,
                and of other visits.
            wanted: (share, D), unit rows, of either.
            processes: that share the step.
            crops: of the step, over all processes.
        """
        predicted = self.predict(pooled.flatten(0, 1))  # (2 share, D)
        predicted = predicted.reshape(2, len(wanted), -1)  # (2, share, D)
        predicted, pooled = (
            torch.cat([processes.gather(view, crops) for view in views])
            for views in (predicted, pooled)
        )
        wanted = processes.gather(wanted, crops).repeat(2, 1)  # (2 crops, D)
        centred = F.normalize(pooled - pooled.mean(0), dim=1)
        return {
            "descriptor": 1 - F.cosine_similarity(predicted, wanted).mean(),
            "relations": F.mse_loss(centred @ centred.T, wanted @ wanted.T) * 10,
        }


class Network(nn.Module):
    """One network of a teacher: its whitened descriptor, and its map in units of its spread.

    Args:
        channels: of its last feature map.
        whitened: dimensions of its descriptor.
    """

    mean: Tensor
    spread: Tensor
    centre: Tensor
    projection: Tensor

    def __init__(self, channels: int, whitened: int) -> None:
        super().__init__()
        self.pool = GeM().requires_grad_(False)
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("spread", torch.ones(channels, 1, 1))
        self.register_buffer("centre", torch.zeros(channels))
        self.register_buffer("projection", torch.zeros(whitened, channels))

    def fit(self, pooled: Tensor, mean: Tensor, square: Tensor, power: float) -> None:
        """Take its PCA whitening from (N, C) unit rows, its spread from means over positions."""
        self.mean.copy_(mean[:, None, None])
        self.spread.copy_((square - mean.square()).clamp(min=1e-6).sqrt()[:, None, None])
        whitening = Whitening.pca(pooled.cpu().numpy(), power).reduced(len(self.projection))
        self.centre.copy_(torch.from_numpy(whitening.mean))
        self.projection.copy_(torch.from_numpy(whitening.projection))

    def pooled(self, maps: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C) unit rows."""
        return F.normalize(self.pool(maps), dim=1)

    def describe(self, maps: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, whitened) unit rows."""
        return F.normalize((self.pooled(maps) - self.centre) @ self.projection.T, dim=1)

    def spread_out(self, maps: Tensor, size: torch.Size) -> Tensor:
        """(B, C, h, w) -> (B, C, *size), of mean 0 and deviation 1."""
        maps = (maps - self.mean) / self.spread
        return F.interpolate(maps, size, mode="bilinear", align_corners=False)


class Teaching(nn.Module):
    """What a teacher says that sees the crops: whitened descriptors of its networks, and maps.

    Each network's descriptor is whitened by itself: side by side they weigh alike.

    Args:
        student: channels of its last feature map.
        teacher: channels of the maps of the teacher's networks.
        whitened: dimensions of the descriptor of each.
        power: of its whitening.
        pooled: dimensions of what the student pools; None for its channels.
    """

    def __init__(
        self,
        student: int,
        teacher: Sequence[int],
        whitened: int,
        power: float,
        pooled: int | None = None,
    ) -> None:
        super().__init__()
        self.power = power
        self.to_map = nn.Conv2d(student, sum(teacher), 1)
        self.descriptors = Descriptors(pooled or student, whitened * len(teacher))
        self.networks = nn.ModuleList(Network(channels, whitened) for channels in teacher)

    @property
    def _networks(self) -> list[Network]:
        return cast(list[Network], list(self.networks))

    def fit(self, maps: Iterable[Sequence[Tensor]]) -> None:
        """Take the networks' means, spreads and PCA whitenings from batches of their maps."""
        pooled, means, squares = [], [], []  # of each batch, of each network
        for batch in maps:
            each = list(zip(self._networks, batch, strict=True))
            pooled.append([network.pooled(seen) for network, seen in each])
            means.append([seen.double().mean((0, 2, 3)) for seen in batch])
            squares.append([seen.double().square().mean((0, 2, 3)) for seen in batch])
        for i, network in enumerate(self._networks):
            mean, square = (torch.stack([b[i] for b in sums]).mean(0) for sums in (means, squares))
            network.fit(torch.cat([batch[i] for batch in pooled]), mean, square, self.power)

    def forward(
        self,
        features: Tensor,
        pooled: Tensor,
        teacher: Sequence[Tensor],
        processes: Processes,
        crops: int,
    ) -> dict[str, Tensor]:
        """The three losses of a step, the same in every process.

        Args:
            features: (share, C, h, w), the student's last map of this process's crops.
            pooled: (2, share, P), its unit pooled descriptors of the crops, and of other visits.
            teacher: (share, C', h', w') of each of its networks, their maps of the crops.
            processes: that share the step.
            crops: of the step, over all processes.
        """
        each = list(zip(self._networks, teacher, strict=True))
        wanted = torch.cat([network.describe(seen) for network, seen in each], 1)
        losses = self.descriptors(pooled, F.normalize(wanted, dim=1), processes, crops)
        size = features.shape[-2:]
        maps = torch.cat([network.spread_out(seen, size) for network, seen in each], 1)
        like = F.cosine_similarity(self.to_map(features).float(), maps)  # (share, h, w)
        return {
            "descriptor": losses["descriptor"],
            "map": 1 - processes.gather(like, crops).mean(),
            "relations": losses["relations"],
        }
