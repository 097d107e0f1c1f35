"""The engine of PyTorch: any network, on any device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from solar.extraction.engines.batches import BatchExtractor
from solar.models.device import autocast, choose_precision, in_words
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.whitening import Whitening
from solar.typing import Descriptors

BATCH_PIXELS = {"cpu": 2_000_000, "cuda": 24_000_000, "mps": 6_000_000}


class TorchExtractor(BatchExtractor):
    """A network of PyTorch with the settings that it extracts with; see `Extractor`."""

    def __init__(
        self,
        model: GlobalDescriptor,
        *,
        image_size: int | None = None,
        scales: Sequence[float] | None = None,
        precision: str = "auto",
        decoding: str = "draft",
        whitening: Whitening | None = None,
        name: str | None = None,
    ) -> None:
        """Use `open_extractor`; this is for a network that is where it should run.

        Args:
            model: on any device.
            image_size: limit of the longest side in pixels; None for the model's own.
            scales: None for the model's own.
            precision: see `choose_precision`.
            decoding: see `open_extractor`.
            whitening: applied after the model.
            name: what the extraction calls the model; None for its own name.

        Raises:
            UsageError: a setting out of range.
        """
        super().__init__(
            name or model.name,
            model.config,
            image_size=image_size,
            scales=scales,
            decoding=decoding,
            whitening=whitening,
        )
        self.model = model
        self._dtype = choose_precision(precision, model.device)

    @property
    def engine(self) -> str:
        """What runs the network, in words."""
        return in_words(self.device, self._dtype)

    @property
    def device(self) -> torch.device:
        """Where the network runs."""
        return self.model.device

    @property
    def batch_pixels(self) -> int:
        """See `BatchExtractor`."""
        return BATCH_PIXELS[self.device.type]

    def _network(self) -> tuple[str, int]:
        return self.model.fingerprint, self.model.dimensions

    def _describe_batch(self, photos: Sequence[Image], at_once: int) -> Descriptors:
        model = self.model
        pixels = torch.from_numpy(np.stack([np.asarray(photo) for photo in photos]))
        with autocast(model.device, self._dtype):
            return model.describe_batch(self._normalised(pixels), self.scales)

    def _normalised(self, pixels: Tensor) -> Tensor:
        """What `normalise` gives, made where the network is: a quarter of the bytes go there.

        Args:
            pixels: (B, H, W, 3) uint8.

        Returns:
            (B, 3, H, W), channels last.
        """
        to = self.device
        mean, std = (torch.tensor(rgb, device=to) for rgb in (self.model.mean, self.model.std))
        images = (pixels.to(to).float() / 255 - mean) / std  # (B, H, W, 3)
        return images.permute(0, 3, 1, 2).to(self.model.dtype)
