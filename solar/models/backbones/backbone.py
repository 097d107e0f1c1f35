"""What a backbone is: stages in order, and how they want to see photos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from solar.models.config import RGB, stage_index

IMAGENET_MEAN: RGB = (0.485, 0.456, 0.406)
IMAGENET_STD: RGB = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Stage:
    """One stage of a backbone.

    Attributes:
        name: by which attention, freezing and files know it; without dots.
        channels: of its map.
        stride: pixels of the photo from one position of its map to the next.
        reduction: its channels, divided by those inside an attention block after it.
    """

    name: str
    channels: int
    stride: int
    reduction: int = 4


class Backbone(nn.ModuleDict):
    """A network cut into stages, by name; each takes the map of the one before.

    One that hands more than a map from stage to stage overrides `forward`, and keeps all of its
    weights in its stages.

    Args:
        stages: the stages in order, and what computes each.
        mean: per channel, of RGB in 0-1, by which photos are normalised.
        std: likewise.
        multiple: photos are cut to sides of a multiple of so many pixels; their middle is kept.
        least: photos of fewer pixels on a side are enlarged to so many.

    Shape:
        (B, 3, H, W) -> (B, C, H / stride, W / stride) of the last stage; most round up.
    """

    def __init__(
        self,
        stages: Mapping[Stage, nn.Module],
        mean: RGB = IMAGENET_MEAN,
        std: RGB = IMAGENET_STD,
        multiple: int = 1,
        least: int = 1,
    ) -> None:
        super().__init__({stage.name: module for stage, module in stages.items()})
        self.stages = tuple(stages)
        self.mean, self.std, self.multiple, self.least = mean, std, multiple, least

    def forward(
        self, images: Tensor, attention: nn.ModuleDict | None = None, until: str | None = None
    ) -> Tensor:
        """Run the stages.

        Args:
            images: (B, 3, H, W), normalised.
            attention: by name of a stage, what its map goes through before the next stage.
            until: the stage at which to stop, before its attention; None for all stages.

        Returns:
            (B, C, h, w), the map of the last stage that was run.
        """
        x = self.fitted(images)  # (B, 3, H', W')
        for stage in self.stages:
            x = self[stage.name](x)  # (B, C, h, w)
            if stage.name == until:
                break
            if attention is not None and stage.name in attention:
                x = attention[stage.name](x)  # (B, C, h, w)
        return x

    def fitted(self, images: Tensor) -> Tensor:
        """Photos as the stages take them: never stretched.

        Args:
            images: (B, 3, H, W).

        Returns:
            (B, 3, H', W'): enlarged to `least`, then cut around the middle to the `multiple`.
        """
        if (short := min(images.shape[-2:])) < self.least:
            images = F.interpolate(images, scale_factor=self.least / short, mode="bilinear")
        if self.multiple > 1:
            (top, height), (left, width) = (
                (side % self.multiple // 2, side // self.multiple * self.multiple)
                for side in images.shape[-2:]
            )
            images = images[..., top : top + height, left : left + width]
        return images

    def stage(self, stage: str | int, where: str = "backbone") -> Stage:
        """A stage by its name, or by its number, from 1 as the paper counts: conv5_x is 5.

        Args:
            stage: as above.
            where: what names it, for messages.

        Raises:
            UsageError: there is none; lists those there are.
        """
        return self.stages[stage_index([each.name for each in self.stages], stage, where)]

    def up_to(self, stage: str | int, where: str = "backbone") -> list[nn.Module]:
        """What computes this stage and those before it; see `stage`."""
        last = self.stages.index(self.stage(stage, where))
        return [self[stage.name] for stage in self.stages[: last + 1]]
