"""Photos to descriptors: batches of equal shape, decoded in the background.

Photos are never padded or stretched to fill a batch, so a batched descriptor equals the one that
the photo would get alone.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image

from solar.errors import PhotoError, UsageError
from solar.models.global_descriptor import GlobalDescriptor
from solar.photos.images import Box, normalise, open_photo, prepare

Precision = Literal["auto", "float32", "bfloat16"]
Progress = Callable[[int, int], None]

# Pixels of the photos that wait, decoded, to be sorted by shape.
WINDOW_PIXELS = 64_000_000
# Pixels of one batch at the largest scale: enough to fill the device, little enough for its memory.
BATCH_PIXELS = {"cpu": 2_000_000, "cuda": 24_000_000, "mps": 6_000_000}


@dataclass(frozen=True)
class Described:
    """A photo's descriptor.

    Attributes:
        position: of the photo among those asked for.
        descriptor: (D,) float32, unit length.
    """

    position: int
    descriptor: NDArray[np.float32]


@dataclass(frozen=True)
class Failed:
    """A photo that could not be used.

    Attributes:
        position: of the photo among those asked for.
        reason: one line that names the file.
    """

    position: int
    reason: str


def describe_photo(
    model: GlobalDescriptor,
    path: str | Path,
    box: Box | None = None,
    *,
    image_size: int | None = None,
    scales: Sequence[float] | None = None,
    precision: Precision = "auto",
) -> NDArray[np.float32]:
    """One photo to its multi-scale descriptor.

    Args:
        model: the network.
        path: of the photo.
        box: x1, y1, x2, y2 in pixels of the original photo, after its EXIF orientation.
        image_size: limit of the longest side in pixels; None for the model's own.
        scales: None for the model's own.
        precision: as for `describe_photos`.

    Returns:
        (D,) float32, unit length.

    Raises:
        PhotoError: the file cannot be used.
        UsageError: the box lies outside the photo.
    """
    photo = prepare(open_photo(path), image_size or model.config.image_size, box)
    descriptor: NDArray[np.float32] = _describe_batch(model.eval(), [photo], scales, precision)[0]
    return descriptor


def describe_photos(
    model: GlobalDescriptor,
    paths: Sequence[str | Path],
    *,
    boxes: Sequence[Box | None] | None = None,
    image_size: int | None = None,
    scales: Sequence[float] | None = None,
    precision: Precision = "auto",
    progress: Progress | None = None,
) -> Iterator[Described | Failed]:
    """Many photos to descriptors; one that cannot be used never stops the rest.

    Args:
        model: the network, on any device.
        paths: of the photos.
        boxes: one or None for each photo; None for whole photos.
        image_size: limit of the longest side in pixels; None for the model's own.
        scales: None for the model's own.
        precision: of the network's arithmetic; `auto` is bfloat16 where the processor has it
            (cosine to float32 at least 0.999), else float32.
        progress: called with photos done and in all.

    Yields:
        One result per photo, batch by batch, in the order of their shapes.
    """
    if boxes is not None and len(boxes) != len(paths):
        raise UsageError(f"{len(boxes)} boxes for {len(paths)} photos")
    size = image_size or model.config.image_size
    largest = max(scales or model.config.scales)
    pixels = int(BATCH_PIXELS.get(model.device.type, BATCH_PIXELS["cpu"]) / largest**2)
    model.eval()
    done = 0
    with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
        for window in _decoded(pool, paths, boxes, size):
            for result in _describe_window(model, window, pixels, scales, precision):
                yield result
                done += 1
                if progress:
                    progress(done, len(paths))


def _decoded(
    pool: ThreadPoolExecutor,
    paths: Sequence[str | Path],
    boxes: Sequence[Box | None] | None,
    image_size: int,
) -> Iterator[list[tuple[int, Image | str]]]:
    """Windows of (position, photo or the reason why not), each decoded while the last is used."""

    def decode(position: int) -> tuple[int, Image | str]:
        try:
            photo = open_photo(paths[position])
            return position, prepare(photo, image_size, boxes[position] if boxes else None)
        except (PhotoError, UsageError) as error:
            return position, str(error)

    count = min(max(WINDOW_PIXELS // image_size**2, 8), 512)
    starts = range(0, len(paths), count)
    ahead: list[Future[tuple[int, Image | str]]] = []
    for start in starts:
        current, ahead = (
            ahead,
            [pool.submit(decode, i) for i in range(start, min(start + count, len(paths)))],
        )
        if current:
            yield [future.result() for future in current]
    yield [future.result() for future in ahead]


def _describe_window(
    model: GlobalDescriptor,
    window: Sequence[tuple[int, Image | str]],
    pixels: int,
    scales: Sequence[float] | None,
    precision: Precision,
) -> Iterator[Described | Failed]:
    """Batches of equal shape, of at most so many pixels."""
    by_shape = defaultdict(list)
    for position, photo in window:
        if isinstance(photo, str):
            yield Failed(position, photo)
        else:
            by_shape[photo.size].append((position, photo))
    for (width, height), group in by_shape.items():
        count = max(1, pixels // (width * height))
        for start in range(0, len(group), count):
            positions, photos = zip(*group[start : start + count], strict=True)
            descriptors = _describe_batch(model, photos, scales, precision)
            yield from map(Described, positions, descriptors)


@torch.inference_mode()
def _describe_batch(
    model: GlobalDescriptor,
    photos: Sequence[Image],
    scales: Sequence[float] | None,
    precision: Precision,
) -> NDArray[np.float32]:
    """Photos of equal size, prepared -> (B, D) float32, unit rows."""
    device, config = model.device, model.config
    images = torch.stack([normalise(photo, config.mean, config.std) for photo in photos])
    images = images.to(device, memory_format=torch.channels_last)
    with torch.autocast(device.type, torch.bfloat16, enabled=uses_bfloat16(precision, device)):
        descriptors = model.multi_scale(images, scales)
    result: NDArray[np.float32] = descriptors.float().cpu().numpy()
    return result


def uses_bfloat16(precision: Precision, device: torch.device) -> bool:
    """Whether the network computes in bfloat16: asked for, or `auto` and fast on this device."""
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())
