"""The engine of PyTorch: any network, on any device; batches of equal shape.

Photos are never padded or stretched to fill a batch, so a batched descriptor equals the one that
the photo would get alone.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL.Image import Image

from solar.errors import PhotoError, SolarError, UsageError
from solar.extraction.extraction import Extraction
from solar.extraction.extractor import Described, Failed
from solar.extraction.whiten import whitened
from solar.models.device import autocast, choose_device, choose_precision
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.whitening import Whitening
from solar.photos import Box, Photo, decode_each, normalise, require_sizes
from solar.typing import AnyPath, Descriptors

# Pixels of the photos that wait, decoded, to be sorted by shape.
WINDOW_PIXELS = 64_000_000
# Pixels of one batch at the largest scale: enough to fill the device, little enough for its memory.
BATCH_PIXELS = {"cpu": 2_000_000, "cuda": 24_000_000, "mps": 6_000_000}


class TorchExtractor:
    """A network of PyTorch with the settings that it extracts with; see `Extractor`."""

    def __init__(
        self,
        model: GlobalDescriptor,
        *,
        image_size: int | None = None,
        scales: Sequence[float] | None = None,
        precision: str = "auto",
        decoding: str = "upright",
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
            UsageError: a setting out of range, or a whitening for other descriptors.
        """
        self.model = model
        self._name = name or model.name
        self._dtype = choose_precision(precision, model.device)
        self._decoding, self._whitening = decoding, whitening
        self._image_size = model.config.image_size if image_size is None else image_size
        self._scales = tuple(model.config.scales if scales is None else scales)
        require_sizes(self._image_size, self._scales)

    @classmethod
    def open(
        cls,
        model: AnyPath | GlobalDescriptor,
        *,
        device: str = "auto",
        precision: str = "auto",
        image_size: int | None = None,
        scales: Sequence[float] | None = None,
        decoding: str = "upright",
        whitening: Whitening | None = None,
    ) -> TorchExtractor:
        """See `open_extractor`. A loaded network stays where it is if the device is `auto`."""
        if isinstance(model, GlobalDescriptor):
            network = model if device == "auto" else model.to(choose_device(device))
            name = None
        else:
            from solar.models.checkpoints import load
            from solar.models.registry import is_named

            chosen = choose_device(device)
            network = load(Path(model) if isinstance(model, os.PathLike) else model).to(chosen)
            name = os.fspath(model) if is_named(model) else str(Path(model).absolute())
        return cls(
            network,
            image_size=image_size,
            scales=scales,
            precision=precision,
            decoding=decoding,
            whitening=whitening,
            name=name,
        )

    @cached_property
    def extraction(self) -> Extraction:
        """Everything that the descriptors depend on; reads every weight when first asked.

        Raises:
            UsageError: the whitening was learned from other descriptors than the model's.
        """
        whitening = self._whitening
        bare = Extraction(
            model=self._name,
            fingerprint=self.model.fingerprint,
            dimensions=self.model.dimensions,
            image_size=self._image_size,
            scales=self._scales,
            decoding=self._decoding,
            own_whitening=self.model.config.whitening,
        )
        return bare if whitening is None else whitened(bare, whitening)

    @property
    def dtype(self) -> torch.dtype:
        """That it computes in."""
        return self._dtype

    @property
    def device(self) -> torch.device:
        """Where the network runs."""
        return self.model.device

    def describe(
        self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
    ) -> Iterator[Described | Failed]:
        """See `Extractor.describe`: batch by batch, in the order of their shapes.

        Raises:
            SolarError: descriptors are not finite.
        """
        if boxes is not None and len(boxes) != len(photos):
            raise UsageError(f"{len(boxes)} boxes for {len(photos)} photos")
        with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
            for window in self._decoded(pool, photos, boxes):
                yield from self._describe_window(window)

    def _decoded(
        self,
        pool: ThreadPoolExecutor,
        photos: Sequence[Photo],
        boxes: Sequence[Box | None] | None,
    ) -> Iterator[list[tuple[int, Image | SolarError]]]:
        """Windows of (position, photo or why not), each decoded while the last is used."""
        size = self._image_size

        def prepared(position: int) -> tuple[int, Image | SolarError]:
            try:
                photo = decode_each(photos, position, size, turned=self._decoding == "upright")
                return position, photo.prepared(size, boxes[position] if boxes else None)
            except (PhotoError, UsageError) as error:
                return position, error

        count = min(max(WINDOW_PIXELS // size**2, 8), 512)
        ahead: list[Future[tuple[int, Image | SolarError]]] = []
        for start in range(0, len(photos), count):
            window = range(start, min(start + count, len(photos)))
            current, ahead = ahead, [pool.submit(prepared, position) for position in window]
            if current:
                yield [future.result() for future in current]
        yield [future.result() for future in ahead]

    def _describe_window(
        self, window: Sequence[tuple[int, Image | SolarError]]
    ) -> Iterator[Described | Failed]:
        """Batches of equal shape, of at most so many pixels."""
        by_shape = defaultdict(list)
        for position, photo in window:
            if isinstance(photo, SolarError):
                yield Failed(position, photo)
            else:
                by_shape[photo.size].append((position, photo))
        largest = max(self._scales)
        pixels = int(BATCH_PIXELS[self.device.type] / largest**2)
        for (width, height), group in by_shape.items():
            count = max(1, pixels // (width * height))
            for start in range(0, len(group), count):
                positions, photos = zip(*group[start : start + count], strict=True)
                yield from map(Described, positions, self._describe_batch(photos))

    def _describe_batch(self, photos: Sequence[Image]) -> Descriptors:
        """Photos of equal size, prepared -> (B, D) float32, unit rows."""
        model = self.model
        batch = np.stack([normalise(photo, model.mean, model.std) for photo in photos])
        images = torch.from_numpy(batch).to(model.device, model.dtype)  # (B, 3, H, W)
        with autocast(model.device, self._dtype):
            descriptors = model.describe_batch(images, self._scales)
        return descriptors if self._whitening is None else self._whitening.apply(descriptors)
