"""The photos of a distillation: decoded once, kept in memory as squares of one size."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from solar.errors import PhotoError, UsageError
from solar.files.threads import cores
from solar.photos import open_photo
from solar.training.run.task import Progress


@dataclass(frozen=True)
class KeptPhotos:
    """Photos squeezed to squares, and how often each is drawn.

    Attributes:
        squares: (N, 3, side, side) uint8, on the device that trains: N · 3 · side² bytes.
        aspects: (N,) width over height before.
        shares: (N,) share of the draws up to and with each photo; the last is 1.
        unreadable: photos that could not be opened and are left out.
    """

    squares: Tensor
    aspects: NDArray[np.float64]
    shares: NDArray[np.float64]
    unreadable: int

    def drawn(self, random: np.random.Generator, count: int) -> NDArray[np.int64]:
        """The numbers of so many photos."""
        found = np.searchsorted(self.shares, random.random(count), side="right")
        return np.minimum(found, len(self.shares) - 1)


def keep_photos(
    folders: Sequence[tuple[Sequence[Path], float]],
    side: int,
    device: torch.device,
    progress: Progress,
) -> KeptPhotos:
    """Decode all photos of some folders.

    Args:
        folders: photos of each, and how often one of them is drawn relative to the others.
        side: of the squares in pixels.
        device: where they are kept.
        progress: told how far it is.

    Raises:
        PhotoError: none can be opened.
        UsageError: the device has no memory for them.
    """
    paths = [path for photos, _ in folders for path in photos]
    weights = np.concatenate([np.full(len(photos), weight) for photos, weight in folders])
    try:
        squares = torch.empty((len(paths), 3, side, side), dtype=torch.uint8, device=device)
    except RuntimeError as error:
        taken = f"{len(paths)} photos of {side} px take {len(paths) * 3 * side**2 / 1e9:.1f} GB"
        raise UsageError(f"{taken}, more than {device} has: lower kept_side") from error
    aspects = np.zeros(len(paths))

    def decoded(path: Path) -> tuple[Tensor, float] | None:
        try:
            photo = open_photo(path)
        except PhotoError:
            return None
        square = photo.resize((side, side), Image.Resampling.BICUBIC, reducing_gap=3)
        return torch.from_numpy(np.array(square)).permute(2, 0, 1), photo.width / photo.height

    with ThreadPoolExecutor(cores()) as pool:
        for number, found in enumerate(pool.map(decoded, paths)):
            if found is not None:
                squares[number], aspects[number] = found
            progress("photos", number + 1, len(paths))
    weights[aspects == 0] = 0
    if not weights.sum():
        raise PhotoError("none of the photos can be opened: look at the folders")
    shares = np.cumsum(weights / weights.sum())
    return KeptPhotos(squares, aspects, shares, int((aspects == 0).sum()))
