"""Positions on the earth: distances, the middle of some, and those that agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RADIUS = 6_371_008.8
"""Of the earth, in metres: its mean."""

MAJORITY = 0.6
"""Part of all votes that the strongest neighbourhood must have: more than one of two."""
TOGETHER = 1_000.0
"""Metres: positions of one place lie no further from one another."""

Degrees = NDArray[np.float64]


def metres(one: Degrees, two: Degrees) -> NDArray[np.float64]:
    """Distances along the earth between positions (..., 2), degrees north and east; broadcast.

    The haversine formula, which is exact on a sphere, also for points that are near; the earth is
    none, by half a percent.
    """
    north, east = np.deg2rad(one[..., 0]), np.deg2rad(one[..., 1])
    other_north, other_east = np.deg2rad(two[..., 0]), np.deg2rad(two[..., 1])
    across = np.sin((other_north - north) / 2) ** 2
    along = np.cos(north) * np.cos(other_north) * np.sin((other_east - east) / 2) ** 2
    found: NDArray[np.float64] = 2 * RADIUS * np.arcsin(np.sqrt(np.minimum(across + along, 1)))
    return found


def middle(positions: Degrees) -> tuple[float, float]:
    """Degrees north and east of the middle of positions (K, 2), K > 0, also across 180 degrees."""
    north, east = np.deg2rad(positions).T
    towards = np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)])
    x, y, z = towards.mean(axis=1)
    found = np.rad2deg([np.arctan2(z, np.hypot(x, y)), np.arctan2(y, x)])
    return float(found[0]), float(found[1])


def agreeing(positions: Degrees, votes: NDArray[np.float64]) -> NDArray[np.int64] | None:
    """Which positions (K, 2) lie together, by most of their votes (K,); None if too few do."""
    near = metres(positions[:, None], positions[None]) <= TOGETHER  # (K, K)
    group = np.flatnonzero(near[int((near @ votes).argmax())])
    return group if votes[group].sum() >= MAJORITY * votes.sum() else None
