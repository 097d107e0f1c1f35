"""The global network: ResNet stages, second-order attention, pooling, whitening."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import resnet

from solar.errors import UsageError
from solar.models.attention import SecondOrderAttention
from solar.models.pooling import POOLINGS, build_pooling
from solar.models.state import fingerprint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from solar.photos import Box, Photo

BACKBONES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
# Channel reduction inside the attention block, by stage (Ng et al., section 4.1).
REDUCTION = {4: 4, 5: 2}
WIDEST = 2048  # channels of the widest backbone


@dataclass(frozen=True)
class GlobalConfig:
    """What a global network is and how it sees photos.

    Attributes:
        backbone: one of `BACKBONES`.
        attention: stages followed by second-order attention: of 4 (conv4_x) and 5 (conv5_x).
        pooling: one of `solar.models.pooling.POOLINGS`.
        regional: pool by regions.
        whitening: output dimensions of the whitening layer; None for no such layer.
        mean: per channel, of RGB in 0-1.
        std: per channel.
        image_size: limit of a photo's longest side, in pixels, that the model is meant for.
        scales: at which descriptors are averaged.
    """

    backbone: str = "resnet101"
    attention: tuple[int, ...] = (4, 5)
    pooling: str = "gem"
    regional: bool = False
    whitening: int | None = None
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    image_size: int = 1024
    scales: tuple[float, ...] = (1.0, 2**0.5, 2**-0.5)

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise UsageError(f"unknown backbone '{self.backbone}': use one of {BACKBONES}")
        if self.pooling not in POOLINGS:
            raise UsageError(f"unknown pooling '{self.pooling}': use one of {POOLINGS}")
        if not set(self.attention) <= {4, 5} or len(set(self.attention)) < len(self.attention):
            raise UsageError(f"attention stages {self.attention}: use (), (4,), (5,) or (4, 5)")
        if self.whitening is not None and not 1 <= self.whitening <= WIDEST:
            raise UsageError(f"whitening to {self.whitening} dimensions: use 1 to {WIDEST}")
        if self.image_size < 1 or not self.scales or min(self.scales) <= 0:
            raise UsageError("image_size and every scale must be positive")


@dataclass(frozen=True)
class Provenance:
    """Where weights come from.

    Attributes:
        trained_on: the photos.
        recipe: the command or file that made them.
        commit: of this project at that time.
        licence: of the weights.
    """

    trained_on: str = "nothing: random initial weights"
    recipe: str = ""
    commit: str = ""
    licence: str = ""


@dataclass
class _Stages:
    """What torchvision's ResNet gives, by the paper's names."""

    conv1: nn.Sequential
    conv2_x: nn.Sequential
    conv3_x: nn.Sequential
    conv4_x: nn.Sequential
    conv5_x: nn.Sequential
    channels: dict[int, int] = field(default_factory=dict)


def _resnet_stages(backbone: str) -> _Stages:
    net = getattr(resnet, backbone)(weights=None)
    return _Stages(
        conv1=nn.Sequential(net.conv1, net.bn1, net.relu),
        conv2_x=nn.Sequential(net.maxpool, *net.layer1),
        conv3_x=net.layer2,
        conv4_x=net.layer3,
        conv5_x=net.layer4,
        channels={4: net.fc.in_features // 2, 5: net.fc.in_features},
    )


class GlobalDescriptor(nn.Module):
    """Photos to unit descriptors (Ng et al., ECCV 2020, figure 2).

    Args:
        config: the architecture and how photos are prepared.
        provenance: where the weights come from.
        name: what the index and reports call the model.

    Shape:
        (B, 3, H, W) float, normalised by `config.mean` and `config.std` -> (B, D), unit rows.
    """

    def __init__(
        self,
        config: GlobalConfig | None = None,
        provenance: Provenance | None = None,
        name: str = "unnamed",
    ) -> None:
        super().__init__()
        self.config = config or GlobalConfig()
        self.provenance = provenance or Provenance()
        self.name = name
        stages = _resnet_stages(self.config.backbone)
        self.conv1, self.conv2_x, self.conv3_x = stages.conv1, stages.conv2_x, stages.conv3_x
        self.conv4_x, self.conv5_x = stages.conv4_x, stages.conv5_x
        self.soa4, self.soa5 = (self._attention(stage, stages.channels[stage]) for stage in (4, 5))
        self.channels = stages.channels[5]
        self.pool = build_pooling(self.config.pooling, self.channels, self.config.regional)
        whitening = self.config.whitening
        self.whiten = nn.Linear(self.channels, whitening) if whitening else nn.Identity()
        self.dimensions = whitening or self.channels

    def _attention(self, stage: int, channels: int) -> nn.Module:
        if stage not in self.config.attention:
            return nn.Identity()
        return SecondOrderAttention(channels, channels // REDUCTION[stage])

    def features(self, images: Tensor) -> Tensor:
        """The feature map after the last stage.

        Args:
            images: (B, 3, H, W), normalised.

        Returns:
            (B, C, ceil(H/32), ceil(W/32)).
        """
        x: Tensor = self.conv3_x(self.conv2_x(self.conv1(images)))
        x = self.soa4(self.conv4_x(x))
        x = self.soa5(self.conv5_x(x))
        return x

    def forward(self, images: Tensor) -> Tensor:
        """Descriptors at one scale.

        Args:
            images: (B, 3, H, W), normalised.

        Returns:
            (B, D) float32, unit rows.
        """
        pooled = F.normalize(self.pool(self.features(images)), dim=1, eps=1e-6)
        with torch.autocast(images.device.type, enabled=False):
            return F.normalize(self.whiten(pooled.float()), dim=1, eps=1e-6)

    def multi_scale(self, images: Tensor, scales: Sequence[float] | None = None) -> Tensor:
        """Mean of the unit descriptors at several scales, unit again.

        Args:
            images: (B, 3, H, W), normalised.
            scales: factors on H and W; None for the model's own.

        Returns:
            (B, D) float32, unit rows.
        """
        total = torch.zeros((), device=images.device)
        for scale in scales or self.config.scales:
            resized = images
            if scale != 1:
                resized = F.interpolate(
                    images, scale_factor=scale, mode="bilinear", align_corners=False
                )
            total = total + self(resized)
        return F.normalize(total, dim=1, eps=1e-6)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the architecture and every weight: equal if and only if descriptors are."""
        c = self.config
        parts = (c.backbone, c.attention, c.pooling, c.regional, c.whitening, c.mean, c.std)
        return fingerprint(self, parts)

    def preprocess(self, photo: Image, image_size: int | None = None) -> Tensor:
        """A decoded photo as the network's input.

        Args:
            photo: RGB, already cropped to its box if there is one.
            image_size: limit of the longest side in pixels; None for the model's own.

        Returns:
            (1, 3, H, W) float32, normalised, on the model's device.
        """
        from solar.photos import normalise, prepare

        prepared = prepare(photo, image_size or self.config.image_size)
        pixels = normalise(prepared, self.config.mean, self.config.std)
        return torch.from_numpy(pixels)[None].to(self.device)

    def describe(self, photo: Photo, box: Box | None = None) -> NDArray[np.float32]:
        """One photo to its multi-scale descriptor.

        Args:
            photo: a path, bytes, a binary file, a PIL image or a uint8 array.
            box: x1, y1, x2, y2 in pixels of the original photo, after its EXIF orientation.

        Returns:
            (D,) float32, unit length.

        Raises:
            PhotoError: the file cannot be used.
            UsageError: the box lies outside the photo.
        """
        from solar.extraction import describe_one
        from solar.extraction.engines.torch import TorchExtractor

        return describe_one(TorchExtractor(self), photo, box)

    @torch.inference_mode()
    def attention_map(
        self, photo: Photo, at: tuple[float, float], stage: int = 5
    ) -> NDArray[np.float32]:
        """Where one position of a photo attends (Ng et al., figure 4), as descriptors see it.

        Args:
            photo: see `describe`.
            at: x, y in pixels of the original photo, after its EXIF orientation.
            stage: 4 or 5, a stage with attention.

        Returns:
            (h, w) float32, non-negative, sums to 1; a cell covers 16 (stage 4) or 32 (stage 5)
            pixels of the resized photo.

        Raises:
            UsageError: the model has no attention there, or `at` lies outside the photo.
        """
        from solar.photos import decode

        block = self._block(stage)
        decoded = decode(photo)
        image = decoded.image
        x, y = at
        if not (0 <= x < image.width and 0 <= y < image.height):
            raise UsageError(
                f"{decoded.name}: {x:g},{y:g} is outside its {image.width}x{image.height}"
            )
        maps = self.conv4_x(self.conv3_x(self.conv2_x(self.conv1(self.preprocess(image)))))
        if stage == 5:
            maps = self.conv5_x(self.soa4(maps))
        height, width = maps.shape[-2:]
        row, column = int(y / image.height * height), int(x / image.width * width)
        weights: NDArray[np.float32] = block.attention_map(maps, row, column).cpu().numpy()
        return weights

    def attention_is_identity(self, stage: int) -> bool:
        """Whether a stage's attention adds nothing: its v has never been trained."""
        v = self._block(stage).v
        return not v.weight.any() and (v.bias is None or not v.bias.any())

    def _block(self, stage: int) -> SecondOrderAttention:
        block = {4: self.soa4, 5: self.soa5}.get(stage)
        if not isinstance(block, SecondOrderAttention):
            have = ", ".join(map(str, self.config.attention)) or "nowhere"
            raise UsageError(f"model {self.name}: no attention at stage {stage}; it has: {have}")
        return block
