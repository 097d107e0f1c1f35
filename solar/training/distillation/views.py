"""What teacher and student see of a photo: a random crop, and another visit to it.

The teacher sees the crop as it is. The student sees it twice: in another light, where the
teacher's map holds position by position; and as a later visitor would photograph it, from another
side, in part, blurred, something standing before it, where the teacher's descriptor still holds.
Everything is cut out of the kept squares on the device that trains, a whole step at a time, and
depends on the seed and the step's number alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from solar.training.distillation.photos import KeptPhotos

Matrices = NDArray[np.float64]
FINER = 2  # samples a pixel and side, averaged: crops are smaller than the photos they are of


@dataclass(frozen=True)
class Ways:
    """How crops and visits differ.

    Attributes:
        area: least and greatest share of a photo in a crop.
        jitter: greatest relative change of brightness, contrast, colour; half of it, of a channel.
        shift: greatest way of a visit's corners into the crop, as a share of its sides.
        turn: greatest rotation of a visit, in degrees.
        covered: greatest side of what stands before a visit, as a share of the view's.
    """

    area: tuple[float, float]
    jitter: float
    shift: float
    turn: float
    covered: float


@dataclass(frozen=True)
class Drawn:
    """The random numbers of a step, for B photos.

    Attributes:
        photos: (B,) numbers of the photos.
        crops: (B, 3, 3), from a view's square (-1 to 1) to the kept photo's.
        visits: (B, 3, 3), the same for the visits.
        lights: (2, B, 7), factors of brightness, contrast, colour, three channels, and blur 0 to 1.
        covers: (B, 4), x1, y1, x2, y2 within 0 to 1 of what covers a visit.
    """

    photos: NDArray[np.int64]
    crops: Matrices
    visits: Matrices
    lights: Matrices
    covers: Matrices

    def part(self, rows: slice) -> Drawn:
        """Of some of the photos."""
        lights = self.lights[:, rows]
        return Drawn(
            self.photos[rows], self.crops[rows], self.visits[rows], lights, self.covers[rows]
        )


def draw(photos: KeptPhotos, ways: Ways, count: int, seed: tuple[int, int]) -> Drawn:
    """The random numbers of a step."""
    random = np.random.default_rng(seed)
    numbers = photos.drawn(random, count)
    crops = _crops(random, photos.aspects[numbers], ways.area)
    visits = crops @ _visits(random, count, ways)
    lights = np.ones((2, count, 7))
    lights[..., :3] += random.uniform(-ways.jitter, ways.jitter, (2, count, 3))
    lights[..., 3:6] += random.uniform(-ways.jitter / 2, ways.jitter / 2, (2, count, 3))
    blurred = random.random((2, count)) < 0.3
    lights[..., 6] = random.random((2, count)) * blurred
    sides = random.uniform(0, ways.covered, (count, 2)) * (random.random((count, 1)) < 0.5)
    corners = random.random((count, 2)) * (1 - sides)
    return Drawn(numbers, crops, visits, lights, np.concatenate([corners, corners + sides], 1))


def _crops(random: np.random.Generator, aspects: Matrices, area: tuple[float, float]) -> Matrices:
    """Boxes of a random share of the photos, of a side ratio of 3:4 to 4:3, flipped at random."""
    count = len(aspects)
    share = random.uniform(*area, count)
    ratio = np.exp(random.uniform(np.log(3 / 4), np.log(4 / 3), count)) / aspects
    sides = np.minimum(np.sqrt(np.stack([share * ratio, share / ratio], 1)), 1)
    centres = random.uniform(-1, 1, (count, 2)) * (1 - sides)
    crops = np.zeros((count, 3, 3))
    crops[:, 0, 0] = sides[:, 0] * random.choice([-1, 1], count)
    crops[:, 1, 1] = sides[:, 1]
    crops[:, :2, 2] = centres
    crops[:, 2, 2] = 1
    return crops


def _visits(random: np.random.Generator, count: int, ways: Ways) -> Matrices:
    """Homographies from the square of a visit into that of its crop."""
    corners = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    moved = corners * (1 - 2 * random.uniform(0, ways.shift, (count, 4, 2)))
    angles = np.deg2rad(random.uniform(-ways.turn, ways.turn, count))
    cos, sin = np.cos(angles), np.sin(angles)
    turns = np.stack([np.stack([cos, -sin], 1), np.stack([sin, cos], 1)], 1)
    return homographies(corners, moved @ turns.transpose(0, 2, 1))


def homographies(start: Matrices, ends: Matrices) -> Matrices:
    """The (B, 3, 3) matrices that take four points (4, 2) to those of each row of (B, 4, 2)."""
    count = len(ends)
    x, y = np.broadcast_to(start.T[:, None], (2, count, 4))
    u, v = ends[..., 0], ends[..., 1]
    one, zero = np.ones_like(u), np.zeros_like(u)
    across = np.stack([x, y, one, zero, zero, zero, -u * x, -u * y], 2)
    down = np.stack([zero, zero, zero, x, y, one, -v * x, -v * y], 2)
    equations = np.concatenate([across, down], 1)  # (B, 8, 8)
    solved = np.linalg.solve(equations, np.concatenate([u, v], 1)[..., None])[..., 0]
    return np.concatenate([solved, one[:, :1]], 1).reshape(count, 3, 3)


def cut(squares: Tensor, matrices: Matrices, side: int) -> Tensor:
    """Views of kept photos; beyond a photo its border goes on.

    Args:
        squares: (B, 3, S, S) uint8.
        matrices: (B, 3, 3), from the view's square to the photo's.
        side: of the views in pixels.

    Returns:
        (B, 3, side, side) float32, 0 to 255.
    """
    fine = FINER * side
    at = (torch.arange(fine, device=squares.device) * 2 + 1) / fine - 1
    lattice = torch.stack([at.expand(fine, fine), at[:, None].expand(fine, fine)], -1)
    points = F.pad(lattice, (0, 1), value=1.0).reshape(-1, 3)
    to = torch.from_numpy(matrices).to(squares.device, torch.float32)
    mapped = points @ to.transpose(1, 2)  # (B, fine², 3)
    grid = (mapped[..., :2] / mapped[..., 2:]).reshape(-1, fine, fine, 2)
    shown = F.grid_sample(
        squares.float(), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return F.avg_pool2d(shown, FINER)


def relit(images: Tensor, lights: Matrices) -> Tensor:
    """Views in another light, some of them blurred.

    Args:
        images: (B, 3, H, W), 0 to 255.
        lights: (B, 7), see `Drawn`.
    """
    factors = torch.from_numpy(lights).to(images.device, torch.float32)[..., None, None]
    brightness, contrast, colour, blur = (factors[:, i : i + 1] for i in (0, 1, 2, 6))
    images = images * brightness
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * colour
    middle = images.mean((1, 2, 3), keepdim=True)
    images = (middle + (images - middle) * contrast) * factors[:, 3:6]
    soft = F.avg_pool2d(images, 5, 1, 2, count_include_pad=False)
    return (images + (soft - images) * blur).clamp(0, 255)


def covered(images: Tensor, covers: Matrices) -> Tensor:
    """Views with a part of their own, upside down, standing before them.

    Args:
        images: (B, 3, H, W).
        covers: (B, 4), see `Drawn`.
    """
    height, width = images.shape[-2:]
    box = torch.from_numpy(covers).to(images.device, torch.float32)[:, :, None]
    x = torch.arange(width, device=images.device) / width
    y = torch.arange(height, device=images.device) / height
    across = (x >= box[:, 0]) & (x < box[:, 2])  # (B, W)
    down = (y >= box[:, 1]) & (y < box[:, 3])  # (B, H)
    return torch.where((down[:, :, None] & across[:, None])[:, None], images.flip((2, 3)), images)
