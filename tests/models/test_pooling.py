"""Pooling: definitions on small maps, R-MAC's grid, half precision."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from solar.models.config import POOLINGS
from solar.models.pooling import MAC, GeM, Regional, SPoC, build_pooling, grid


def test_gem_lies_between_the_mean_and_the_maximum() -> None:
    x = torch.rand(2, 8, 5, 6)
    torch.testing.assert_close(GeM(p=1.0)(x), SPoC()(x))
    torch.testing.assert_close(GeM(p=200.0)(x), MAC()(x), rtol=0.03, atol=0)
    by_hand = (x**3).mean((-2, -1)) ** (1 / 3)
    torch.testing.assert_close(GeM()(x), by_hand)


def test_gem_per_channel_takes_each_channels_own_exponent() -> None:
    pool = GeM(channels=2)
    pool.p.data = torch.tensor([1.0, 3.0])
    x = torch.rand(1, 2, 4, 4)
    expected = torch.stack([GeM(p=1.0)(x)[0, 0], GeM(p=3.0)(x)[0, 1]])
    torch.testing.assert_close(pool(x)[0], expected)


def test_a_photo_of_four_to_three_has_the_twenty_regions_of_the_paper() -> None:
    regions = grid(24, 32, 3)
    assert len(regions) == 2 * 1 + 3 * 2 + 4 * 3
    assert [side for _, _, side, _ in regions] == [24] * 2 + [16] * 6 + [12] * 12
    assert grid(32, 24, 3) != regions
    assert sorted((left, top, s, s2) for top, left, s, s2 in grid(32, 24, 3)) == sorted(regions)


@given(st.integers(1, 70), st.integers(1, 70))
def test_regions_lie_inside_and_cover_the_map(height: int, width: int) -> None:
    regions = grid(height, width, 3)
    for top, left, h, w in regions:
        assert top >= 0 and left >= 0 and h >= 1 and w >= 1
        assert top + h <= height and left + w <= width
    if max(height, width) <= 2 * min(height, width):
        first = [r for r in regions if r[2] == min(height, width)]
        covered = {c for top, left, h, w in first for c in range(left, left + w)}
        rows = {c for top, left, h, w in first for c in range(top, top + h)}
        assert covered == set(range(width)) and rows == set(range(height))


def test_regional_sums_unit_vectors() -> None:
    x = torch.rand(2, 8, 6, 6)
    parts = [MAC()(x), *(MAC()(x[..., t : t + h, c : c + w]) for t, c, h, w in grid(6, 6, 3))]
    expected = torch.stack([F.normalize(p, dim=1) for p in parts]).sum(0)
    torch.testing.assert_close(Regional(MAC())(x), expected)
    torch.testing.assert_close(build_pooling("rmac", 8, False)(x), expected)


@pytest.mark.parametrize("regional", [False, True])
@pytest.mark.parametrize("name", POOLINGS)
def test_pools_in_float32_under_autocast(name: str, regional: bool) -> None:
    pool = build_pooling(name, 8, regional)
    x = (torch.rand(1, 8, 20, 20) * 50).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        pooled = pool(x)
    assert pooled.dtype == torch.float32
    torch.testing.assert_close(pooled, pool(x.float()))
    assert math.isfinite(float(pooled.sum().detach()))
