"""What a student is told: descriptor and relations, and the map of a teacher that sees the crop.

On random crops, these are matched: a descriptor, the similarities within a batch (Park et al., CVPR
2019), and of a teacher the feature map, position by position. What is said of a crop holds for
another visit to it as well, but for the map.
"""

from __future__ import annotations

from collections.abc import Iterable

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


class Teaching(nn.Module):
    """What a teacher says that sees the crops: its whitened descriptor, and its map.

    Args:
        student: channels of its last feature map.
        teacher: channels of the teacher's.
        whitened: dimensions of the teacher's descriptor.
        power: of its whitening.
        pooled: dimensions of what the student pools; None for its channels.
    """

    mean: Tensor
    spread: Tensor
    centre: Tensor
    projection: Tensor

    def __init__(
        self, student: int, teacher: int, whitened: int, power: float, pooled: int | None = None
    ) -> None:
        super().__init__()
        self.power = power
        self.to_map = nn.Conv2d(student, teacher, 1)
        self.descriptors = Descriptors(pooled or student, whitened)
        self.teacher_pool = GeM().requires_grad_(False)
        self.register_buffer("mean", torch.zeros(teacher, 1, 1))
        self.register_buffer("spread", torch.ones(teacher, 1, 1))
        self.register_buffer("centre", torch.zeros(teacher))
        self.register_buffer("projection", torch.zeros(whitened, teacher))

    def fit(self, maps: Iterable[Tensor]) -> None:
        """Take the teacher's mean, spread and PCA whitening from batches of its maps."""
        pooled, sums, squares, count = [], torch.zeros(()), torch.zeros(()), 0
        for batch in maps:
            pooled.append(F.normalize(self.teacher_pool(batch), dim=1))
            sums = sums + batch.double().sum((0, 2, 3))
            squares = squares + batch.double().square().sum((0, 2, 3))
            count += batch.numel() // batch.shape[1]
        mean = sums / count
        variance = squares / count - mean.square()
        self.mean.copy_(mean[:, None, None])
        self.spread.copy_(variance.clamp(min=1e-6).sqrt()[:, None, None])
        rows = torch.cat(pooled).cpu().numpy()
        whitening = Whitening.pca(rows, self.power).reduced(len(self.projection))
        self.centre.copy_(torch.from_numpy(whitening.mean))
        self.projection.copy_(torch.from_numpy(whitening.projection))

    def forward(
        self, features: Tensor, pooled: Tensor, teacher: Tensor, processes: Processes, crops: int
    ) -> dict[str, Tensor]:
        """The three losses of a step, the same in every process.

        Args:
            features: (share, C, h, w), the student's last map of this process's crops.
            pooled: (2, share, P), its unit pooled descriptors of the crops, and of other visits.
            teacher: (share, C', h', w'), the teacher's map of the crops.
            processes: that share the step.
            crops: of the step, over all processes.
        """
        wanted = F.normalize(self.teacher_pool(teacher), dim=1)
        wanted = F.normalize((wanted - self.centre) @ self.projection.T, dim=1)
        losses = self.descriptors(pooled, wanted, processes, crops)
        maps = F.interpolate(
            (teacher - self.mean) / self.spread,
            features.shape[-2:],
            mode="bilinear",
            align_corners=False,
        )
        like = F.cosine_similarity(self.to_map(features).float(), maps)  # (share, h, w)
        return {
            "descriptor": losses["descriptor"],
            "map": 1 - processes.gather(like, crops).mean(),
            "relations": losses["relations"],
        }
