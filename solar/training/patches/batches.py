"""Batches of points for the training of local descriptors: two patches of each, no point twice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from solar.errors import UsageError

IntArray = npt.NDArray[np.int64]


class PointBatches:
    """Batch number i is a function of the seed and i alone.

    Args:
        point_ids: (N,) the point of every patch.
        points: of a batch.
        seed: of the draws.

    Raises:
        UsageError: too few points have two patches.
    """

    def __init__(self, point_ids: IntArray, points: int, seed: int) -> None:
        if points < 2:
            raise UsageError(f"{points} points a batch: a point needs others; use at least 2")
        self._order = np.argsort(point_ids, kind="stable")
        _, starts, counts = np.unique(point_ids[self._order], return_index=True, return_counts=True)
        self._starts, self._counts = starts[counts >= 2], counts[counts >= 2]
        if len(self._starts) < points:
            found = len(self._starts)
            raise UsageError(f"{found} points have two patches: too few for batches of {points}")
        self.points, self.seed = points, seed

    def __len__(self) -> int:
        """How many points have two patches or more."""
        return len(self._starts)

    def draw(self, number: int) -> tuple[IntArray, IntArray]:
        """Two different patches of each point of a batch: (points,) and (points,) numbers."""
        random = np.random.default_rng((self.seed, number))
        points = random.choice(len(self), self.points, replace=False)
        counts = self._counts[points]
        first = random.integers(counts)
        second = (first + random.integers(1, counts)) % counts
        starts = self._starts[points]
        return self._order[starts + first], self._order[starts + second]


def turned(first: Tensor, second: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Both patches of every pair mirrored and turned by quarters alike, at random.

    Shape:
        (B, 1, S, S) twice -> (B, 1, S, S) twice
    """
    draws = torch.rand(3, len(first), 1, 1, 1, generator=generator) < 0.5
    for change, chosen in zip((_flip_x, _flip_y, _transpose), draws, strict=True):
        first = torch.where(chosen, change(first), first)
        second = torch.where(chosen, change(second), second)
    return first, second


def _flip_x(patches: Tensor) -> Tensor:
    return patches.flip(-1)


def _flip_y(patches: Tensor) -> Tensor:
    return patches.flip(-2)


def _transpose(patches: Tensor) -> Tensor:
    return patches.transpose(-1, -2)
