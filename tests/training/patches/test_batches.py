"""Batches of points: two patches of each, no point twice, the same for the same number."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from solar.errors import UsageError
from solar.training.patches.batches import PointBatches, turned


@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 10**6))
def test_two_patches_of_each_point_and_no_point_twice(seed: int, number: int) -> None:
    random = np.random.default_rng(seed)
    ids = random.permutation(np.repeat(np.arange(40), random.integers(1, 5, 40)))
    alone = np.flatnonzero(np.bincount(ids) == 1)
    batches = PointBatches(ids, 8, seed)
    assert len(batches) == 40 - len(alone)
    first, second = batches.draw(number)
    assert np.array_equal(ids[first], ids[second])
    assert (first != second).all()
    assert len(np.unique(ids[first])) == 8
    assert not np.isin(ids[first], alone).any()


def test_batches_depend_on_seed_and_number_alone() -> None:
    ids = np.repeat(np.arange(100), 3)
    one, again = (PointBatches(ids, 16, 5) for _ in range(2))
    one.draw(0)
    for mine, theirs in zip(one.draw(7), again.draw(7), strict=True):
        assert np.array_equal(mine, theirs)
    assert not np.array_equal(one.draw(7)[0], one.draw(8)[0])
    assert not np.array_equal(one.draw(7)[0], PointBatches(ids, 16, 6).draw(7)[0])


def test_every_pair_of_patches_is_drawn() -> None:
    ids = np.repeat(np.arange(20), 3)
    batches = PointBatches(ids, 10, 0)
    seen = {
        (int(a), int(b))
        for number in range(200)
        for a, b in zip(*batches.draw(number), strict=True)
    }
    assert len(seen) == 20 * 6  # ordered pairs of three patches


@pytest.mark.parametrize(
    ("points", "reason"), [(1, "at least 2"), (0, "at least 2"), (21, "too few")]
)
def test_impossible_batches_are_refused(points: int, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        PointBatches(np.repeat(np.arange(20), 2), points, 0)


def test_pairs_are_turned_alike_in_all_eight_ways() -> None:
    patch = torch.arange(9).reshape(1, 1, 3, 3)
    first, second = turned(
        patch.expand(200, -1, -1, -1),
        100 + patch.expand(200, -1, -1, -1),
        torch.Generator().manual_seed(0),
    )
    assert torch.equal(first + 100, second)
    assert len(np.unique(first.flatten(1).numpy(), axis=0)) == 8
    assert torch.equal(first.flatten(1).sort(dim=1).values[7], torch.arange(9))
