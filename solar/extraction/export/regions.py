"""Pooling by regions, in operators whose number does not depend on the shape of a photo."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from solar.models.pooling import EPSILON, MAC, GeM, Regional, extra_squares, linear

_MOST_EXTRA = 6  # squares that `grid` lays along the long side, more than along the short one
_MOST_POSITIONS = 1024  # along a side, up to which squares lie where rounding puts them in torch


def pool_regions(regional: Regional, maps: Tensor) -> Tensor:
    """What `Regional.forward` computes, in its place.

    Each level has as many squares along each side as it could have for any shape; those that it
    does not have for this one are computed and left out of the sum.

    Args:
        regional: the pooling.
        maps: (B, C, H, W), of any H and W.

    Returns:
        (B, C).
    """
    height, width = (torch.arange(size).amax(0) + 1 for size in maps.shape[-2:])
    short, long = torch.minimum(height, width), torch.maximum(height, width)
    extra = _extra(short, long)
    counts = torch.where(height > width, extra, 0), torch.where(height > width, 0, extra)
    found, there = [regional.pool(maps)[:, :, None]], [torch.ones(1, dtype=torch.bool)]
    for level in range(1, regional.levels + 1):
        side, slots = 2 * short // (level + 1), torch.arange(level + _MOST_EXTRA)
        rows = _starts(height, side, level + counts[0], slots)
        columns = _starts(width, side, level + counts[1], slots)
        found.append(_pooled(regional.pool, maps, rows, columns, side).flatten(2))
        used = (slots[:, None] < level + counts[0]) & (slots < level + counts[1]) & (side > 0)
        there.append(used.flatten())
    vectors = F.normalize(torch.cat(found, 2).transpose(1, 2), dim=-1, eps=EPSILON)  # (B, R, C)
    if regional.whiten is not None:
        vectors = F.normalize(linear(regional.whiten, vectors), dim=-1, eps=EPSILON)
    return torch.where(torch.cat(there)[:, None], vectors, 0).sum(1)


def _extra(short: Tensor, long: Tensor) -> Tensor:
    """See `extra_squares`; in whole numbers, because each engine rounds in its own way."""
    squares = np.arange(1, _MOST_EXTRA)  # so many, or one more
    even = 6 * squares * (squares + 1), 5 * (2 * squares + 1)  # both as near to 40 %
    ties = np.zeros((len(squares), _MOST_POSITIONS), np.bool_)
    for row, (rise, run) in enumerate(zip(*even, strict=True)):
        for size in range(1, _MOST_POSITIONS):
            if size * rise % run == 0:
                ties[row, size] = extra_squares(size, size + size * rise // run) > row + 1
    left = torch.from_numpy(even[1]) * (long - short)
    right = torch.from_numpy(even[0]) * short
    tied = torch.from_numpy(ties)[:, short.clamp(max=_MOST_POSITIONS - 1)]
    more = (left > right) | ((left == right) & tied)
    return torch.where(long > short, 1 + more.sum(0), 0)


def _starts(length: Tensor, side: Tensor, count: Tensor, slots: Tensor) -> Tensor:
    """First positions of windows along a length: see `_starts` of `grid`; some slots are unused."""
    room, steps = length - side, (count - 1).clamp(min=1)
    # 7 * (room / 7) can round to less than room; up to the next power of two, its sum with `half`
    # does so too
    rooms = np.arange(_MOST_POSITIONS, dtype=np.float32)
    less = 7 * (rooms / 7) < rooms
    powers = np.where(less, 2 ** np.frexp(rooms)[1], -2)
    short_of = (
        room + (side - 2) // 2 <= torch.from_numpy(powers)[room.clamp(0, _MOST_POSITIONS - 1)]
    )
    return slots * room // steps - ((steps == 7) & (slots == 7) & short_of).long()


def _pooled(pool: nn.Module, maps: Tensor, rows: Tensor, columns: Tensor, side: Tensor) -> Tensor:
    """Square windows, each pooled.

    Args:
        pool: what pools one of them.
        maps: (B, C, H, W).
        rows: (R,), the first row of each.
        columns: (S,), the first column of each.
        side: of all of them.

    Returns:
        (B, C, R, S); of windows that cover nothing, any numbers.
    """
    if isinstance(pool, Regional):
        return _squares(pool, maps, rows, columns, side)
    covered = []
    for starts, size in zip((rows, columns), maps.shape[-2:], strict=True):
        at, first = torch.arange(size), starts[:, None]
        covered.append((at >= first) & (at < first + side))
    tall, wide = covered  # (R, H), (S, W) bool
    if isinstance(pool, MAC):
        least = torch.finfo(maps.dtype).min
        highest = torch.where(tall[:, :, None], maps[:, :, None], least).amax(-2)  # (B, C, R, W)
        return torch.where(wide, highest[..., None, :], least).amax(-1)
    p = pool.p[:, None, None] if isinstance(pool, GeM) else None
    powers = maps if p is None else maps.clamp(min=EPSILON).pow(p)
    area = (tall.sum(1)[:, None] * wide.sum(1)).clamp(min=1)
    means = tall.float() @ powers @ wide.float().T / area
    return means if p is None else means.pow(1 / p)


def _squares(
    regional: Regional, maps: Tensor, rows: Tensor, columns: Tensor, side: Tensor
) -> Tensor:
    """Regions within square windows, of which each level has as many along both sides."""
    total = F.normalize(_pooled(regional.pool, maps, rows, columns, side), dim=1, eps=EPSILON)
    for level in range(1, regional.levels + 1):
        part = 2 * side // (level + 1)
        starts = _starts(side, part, torch.tensor(level), torch.arange(level))
        tops, lefts = ((first[:, None] + starts).flatten() for first in (rows, columns))
        pooled = _pooled(regional.pool, maps, tops, lefts, part)
        parts = F.normalize(pooled, dim=1, eps=EPSILON)
        shape = (*maps.shape[:2], len(rows), level, len(columns), level)
        total = total + torch.where(part > 0, parts.reshape(shape).sum((3, 5)), 0)
    return total
