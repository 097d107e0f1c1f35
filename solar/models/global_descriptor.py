"""The global network: a backbone, second-order attention, pooling, whitening."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from solar.errors import UsageError
from solar.models._hub import push
from solar.models._state import fingerprint
from solar.models.attention import SecondOrderAttention
from solar.models.backbones.named import build_backbone
from solar.models.config import RGB, GlobalConfig, Provenance, pooled_dimensions
from solar.models.device import autocast, choose_precision, evaluating
from solar.models.document import architecture, require_finite
from solar.models.pooling import at_least_float32, build_pooling, linear
from solar.photos import Box, Photo, decode, normalise


class GlobalDescriptor(nn.Module):
    """Photos to unit descriptors (Ng et al., ECCV 2020, figure 2).

    Args:
        config: the architecture and how photos are prepared; `config` of the network has what the
            backbone wants filled in, and attention in the order of its stages.
        provenance: where the weights come from.
        name: what the index and reports call the model.

    Shape:
        (B, 3, H, W) float, normalised by `mean` and `std` -> (B, D), unit rows.

    Raises:
        UsageError: an unknown backbone, attention after a stage that it does not have, or whitening
            to more dimensions than it pools.

    Attributes:
        channels: of the last stage's map.
        pooled: dimensions of what the pooling gives, before whitening.
        dimensions: of the descriptors.
    """

    def __init__(
        self,
        config: GlobalConfig | None = None,
        provenance: Provenance | None = None,
        name: str = "unnamed",
    ) -> None:
        super().__init__()
        config = config or GlobalConfig()
        self.stages = build_backbone(config.backbone)
        asked = {self.stages.stage(stage, "attention") for stage in config.attention}
        attended = [stage for stage in self.stages.stages if stage in asked]
        self.attention = nn.ModuleDict(
            {s.name: SecondOrderAttention(s.channels, s.channels // s.reduction) for s in attended}
        )
        self.channels = self.stages.stages[-1].channels
        whitening = config.whitening
        self.pooled = pooled_dimensions(config.pooling, self.channels)
        self.dimensions = self.pooled if whitening is None else whitening
        if not 1 <= self.dimensions <= self.pooled:
            raise UsageError(f"whitening to {self.dimensions} dimensions: use 1 to {self.pooled}")
        self.pool = build_pooling(config.pooling, self.channels, config.regional)
        self.whiten = (
            nn.Identity() if whitening is None else nn.Linear(self.pooled, self.dimensions)
        )
        self.mean: RGB = config.mean or self.stages.mean
        self.std: RGB = config.std or self.stages.std
        names = tuple(self.attention)
        self.config = replace(
            config,
            attention=names,
            mean=self.mean,
            std=self.std,
            multiple=self.stages.multiple,
        )
        self.provenance = provenance or Provenance()
        self.name = name

    def features(self, images: Tensor) -> Tensor:
        """The feature map after the last stage.

        Args:
            images: (B, 3, H, W), normalised.

        Returns:
            (B, C, h, w), a position for each stride of the photo; ResNets' is 32 pixels.
        """
        maps: Tensor = self.stages(images, self.attention)
        return maps

    def forward(self, images: Tensor) -> Tensor:
        """Descriptors at one scale.

        Args:
            images: (B, 3, H, W), normalised, of the type of the weights.

        Returns:
            (B, D) float32, unit rows; float64 of float64.
        """
        maps = self.features(images)  # (B, C, h, w)
        pooled = F.normalize(self.pool(maps), dim=1, eps=1e-6)  # (B, P)
        pooled = at_least_float32(pooled)
        if isinstance(self.whiten, nn.Linear):
            pooled = linear(self.whiten, pooled)  # (B, D)
        return F.normalize(pooled, dim=1, eps=1e-6)

    def multi_scale(self, images: Tensor, scales: Sequence[float] | None = None) -> Tensor:
        """Mean of the unit descriptors at several scales, unit again.

        As published: networks of GeM alone, without attention, regions or whitening, take the
        generalised mean instead, with the pooling's p (Radenović et al., TPAMI 2019).

        Args:
            images: (B, 3, H, W), normalised.
            scales: factors on H and W; None for the model's own. Where a side would be less than
                the backbone takes, the factor is greater.

        Returns:
            (B, D) float32, unit rows; float64 of float64.
        """
        used = scales or self.config.scales
        power = self._scale_power() if len(used) > 1 else 1.0
        total = torch.zeros((), device=images.device)
        least = self.stages.least / min(images.shape[-2:])
        for scale in (max(asked, least) for asked in used):
            resized = images  # (B, 3, scale * H, scale * W)
            if scale != 1:
                resized = F.interpolate(
                    images, scale_factor=scale, mode="bilinear", align_corners=False
                )
            total = total + self(resized).pow(power)  # (B, D)
        return F.normalize(total.pow(1 / power), dim=1, eps=1e-6)

    def _scale_power(self) -> Tensor | float:
        return at_least_float32(self.pool.get_parameter("p")) if self.config.power_mean else 1.0

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        return next(self.parameters()).dtype

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the architecture and every weight: equal if and only if descriptors are."""
        return fingerprint(self, architecture(self.config))

    @property
    def summary(self) -> str:
        """In words: the backbone, the dimensions, and which parts of SOLAR are not there."""
        lacks = [
            *([] if self.attention else ["no second-order attention"]),
            *([] if self.config.whitening else ["no whitening layer"]),
        ]
        return "; ".join([f"{self.config.backbone}, {self.dimensions}-D", *lacks])

    def preprocess(
        self, photo: Photo, image_size: int | None = None, box: Box | None = None
    ) -> Tensor:
        """A photo as the network's input.

        Args:
            photo: a path, bytes, a binary file, a PIL image or a uint8 array.
            image_size: limit of the longest side in pixels; None for the model's own.
            box: x1, y1, x2, y2 in pixels of the original photo, after its EXIF orientation.

        Returns:
            (1, 3, H, W), normalised, of the type of the weights and where they are.

        Raises:
            PhotoError: the photo cannot be used.
            UsageError: the box lies outside the photo.
        """
        size = self.config.image_size if image_size is None else image_size
        prepared = decode(photo, wanted=size, draft=True).prepared(size, box)
        pixels = normalise(prepared, self.mean, self.std)  # (3, H, W)
        return torch.from_numpy(pixels)[None].to(self.device, self.dtype)

    def describe(self, photo: Photo, box: Box | None = None) -> NDArray[np.float32]:
        """One photo to its multi-scale descriptor, in the precision that `open_extractor` chooses.

        Args:
            photo: see `preprocess`.
            box: see `preprocess`.

        Returns:
            (D,) float32, unit length.

        Raises:
            PhotoError: the photo cannot be used.
            UsageError: the box lies outside the photo.
            SolarError: the descriptor is not finite.
        """
        with autocast(self.device, choose_precision("auto", self.device)):
            (descriptor,) = self.describe_batch(self.preprocess(photo, box=box))
        return np.asarray(descriptor, np.float32)

    def describe_batch(
        self, images: Tensor, scales: Sequence[float] | None = None
    ) -> NDArray[np.float32]:
        """What `multi_scale` gives in evaluation mode, for those who only want numbers.

        Args:
            images: (B, 3, H, W), normalised.
            scales: factors on H and W; None for the model's own.

        Returns:
            (B, D) float32, unit rows.

        Raises:
            SolarError: a descriptor is not finite.
        """
        with torch.inference_mode(), evaluating(self):
            found = self.multi_scale(images.contiguous(memory_format=torch.channels_last), scales)
        return self._finite(found, "descriptors")

    def _finite(self, found: Tensor, what: str) -> NDArray[np.float32]:
        """Numbers for the caller, none of a network whose training diverged."""
        return require_finite(found.float().cpu().numpy(), self.name, what)

    @torch.inference_mode()
    def attention_map(
        self, photo: Photo, at: tuple[float, float], stage: str | int = 5
    ) -> NDArray[np.float32]:
        """Where one position of a photo attends (Ng et al., figure 4), as descriptors see it.

        Args:
            photo: see `preprocess`.
            at: x, y in pixels of the original photo, after its EXIF orientation.
            stage: one with attention: its name, or its number, from 1 as the paper counts.

        Returns:
            (h, w) float32, non-negative, sums to 1; a cell covers as many pixels of the resized
            photo as the stage's stride: 16 after conv4_x, 32 after conv5_x.

        Raises:
            PhotoError: the photo cannot be used.
            UsageError: the model has no attention there, or `at` lies outside the photo.
            SolarError: the weights are not finite.
        """
        name, block = self._block(stage)
        decoded = decode(photo, wanted=self.config.image_size)
        decoded.cell(at, (1, 1))  # refuses a position outside before the work
        with evaluating(self):
            maps = self.stages(self.preprocess(decoded), self.attention, name)  # (1, C, h, w)
            row, column = decoded.cell(at, maps.shape[2:])
            weights = block.attention_map(maps, row, column)  # (h, w)
        return self._finite(weights, "attention weights")

    def push_to_hub(
        self, repository: str, *, private: bool = False, revision: str | None = None
    ) -> str:
        """Put the network at the Hugging Face hub, as weights that need no unpickling.

        Args:
            repository: `owner/name`; made if it is not there.
            private: whether a repository that is made is.
            revision: a branch that is there; None for the main one.

        Returns:
            What `solar.load` takes: `hf:owner/name`.

        Raises:
            SolarError: the hub refuses, or cannot be reached.
            MissingPackage: the hub's package is not installed.
        """
        return push(self, repository, private=private, revision=revision)

    def attention_is_identity(self, stage: str | int) -> bool:
        """Whether a stage's attention adds nothing: its v has never been trained."""
        v = self._block(stage)[1].v
        return not v.weight.any() and (v.bias is None or not v.bias.any())

    def _block(self, stage: str | int) -> tuple[str, SecondOrderAttention]:
        """The name of a stage with attention, and that attention."""
        where = f"model {self.name}"
        name = self.stages.stage(stage, where).name
        self.config.require_attention(name, where)
        block = self.attention[name]
        assert isinstance(block, SecondOrderAttention)  # noqa: S101 - narrows the type
        return name, block
