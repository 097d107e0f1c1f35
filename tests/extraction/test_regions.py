"""Regions in a number of operators that no shape changes: those of `grid`, pooled as torch does."""

from __future__ import annotations

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from solar.extraction.export.regions import _extra, _starts, pool_regions
from solar.models.pooling import Regional, build_pooling, extra_squares, grid

SIDES = st.integers(1, 250)


@given(SIDES, SIDES)
@example(5, 9)  # as near to 40 % with one square more as with two: rounding decides
@example(15, 27)
@example(25, 61)
@example(3, 11)
@example(9, 35)  # the last of eight squares begins a position early, by rounding
def test_squares_lie_where_torch_puts_them(height: int, width: int) -> None:
    short, long = sorted((height, width))
    extra = _extra(torch.tensor(short), torch.tensor(long))
    assert extra == extra_squares(short, long)
    counts = (int(extra), 0) if height > width else (0, int(extra))
    found = []
    for level in (1, 2, 3):
        side = 2 * short // (level + 1)
        slots = torch.arange(9)
        tops, lefts = (
            _starts(torch.tensor(n), torch.tensor(side), torch.tensor(level + more), slots).tolist()
            for n, more in zip((height, width), counts, strict=True)
        )
        found += [
            (top, left, side, side)
            for top in tops[: level + counts[0]]
            for left in lefts[: level + counts[1]]
            if side
        ]
    assert found == grid(height, width, 3)


@pytest.mark.parametrize("name", ["gem", "gem-channel", "mac", "spoc", "rmac", "rmac alone"])
def test_a_pooling_by_regions_is_the_same_sum(name: str) -> None:
    torch.manual_seed(1)
    pool = build_pooling(name.split()[0], 6, regional=" " not in name)
    assert isinstance(pool, Regional)
    for height, width in ((1, 1), (1, 5), (9, 2), (3, 3), (12, 9), (9, 35)):
        maps = torch.randn(2, 6, height, width)
        torch.testing.assert_close(pool_regions(pool, maps), pool(maps), rtol=1e-5, atol=1e-5)
