"""Pooling: definitions on small maps, R-MAC's grid, half precision."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from solar.errors import UsageError
from solar.models.config import POOLINGS
from solar.models.pooling import MAC, CroW, GeM, NetVLAD, Regional, SPoC, build_pooling, grid


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


def test_crow_by_hand() -> None:
    """As its authors' NumPy code: a map that rectified layers made."""
    x = torch.randn(2, 6, 4, 5).clamp(min=0)
    x[0, 2], x[1] = 0, x[1] * 40
    for one, found in zip(x.double().numpy(), CroW()(x), strict=True):
        spatial = one.sum(0)
        spatial = np.sqrt(spatial / np.sqrt((spatial**2).sum()))
        share = np.array([np.count_nonzero(channel) / channel.size for channel in one])
        rarity = np.array([np.log(share.sum() / s) if s > 0 else 0 for s in share])
        expected = (one * spatial).sum((1, 2)) * rarity
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * abs(expected).max())


def test_netvlad_is_vlad_where_assignment_is_sharp() -> None:
    torch.manual_seed(0)
    x, pool = torch.randn(2, 6, 4, 5), NetVLAD(6, 3)
    centres = F.normalize(torch.randn(3, 6), dim=1) * 0.8
    for sharpness in (1e4, 2.0):
        pool.start(centres, sharpness)
        for one, found in zip(x, pool(x), strict=True):
            sums = torch.zeros(3, 6)
            for position in F.normalize(one.flatten(1), dim=0).T:
                squares = (position - centres).square().sum(1)
                for k, weight in enumerate((-sharpness * squares).softmax(0)):
                    sums[k] += weight * (position - centres[k])
            expected = F.normalize(sums, dim=1).flatten()
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [*POOLINGS, "netvlad-3"])
def test_gradients_are_those_of_the_values(name: str) -> None:
    torch.manual_seed(0)
    pool = build_pooling(name.replace("64", "4"), 5, False).double()
    x = torch.rand(2, 5, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(pool, x)


@pytest.mark.parametrize("regional", [False, True])
@pytest.mark.parametrize("name", POOLINGS)
def test_pools_in_float32_under_autocast(name: str, regional: bool) -> None:
    if regional and name in ("crow", "netvlad-64"):
        with pytest.raises(UsageError, match=f"pooling {name}: is not done by regions"):
            build_pooling(name, 8, regional)
        return
    pool = build_pooling(name, 8, regional)
    x = (torch.rand(1, 8, 20, 20) * 50).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        pooled = pool(x)
    assert pooled.dtype == torch.float32
    torch.testing.assert_close(pooled, pool(x.float()))
    assert math.isfinite(float(pooled.sum().detach()))
