"""Hard negatives: against a full sort, at any block size; memory; wrong input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize
from torch.utils._python_dispatch import TorchDispatchMode

from solar.errors import UsageError
from solar.training.retrieval.mining import hardest_negatives


def by_full_sort(
    queries: Tensor, pool: Tensor, query_places: Tensor, pool_places: Tensor, count: int
) -> list[list[int]]:
    similarities = queries.double().numpy() @ pool.double().numpy().T
    found = []
    for row, own in zip(similarities, query_places.tolist(), strict=True):
        seen, chosen = {own}, []
        for photo in np.argsort(-row, kind="stable").tolist():
            if (place := int(pool_places[photo])) not in seen:
                seen.add(place)
                chosen.append(photo)
        found.append(chosen[:count])
    return found


def exact_rows(random: np.random.Generator, count: int) -> Tensor:
    """Unit rows of four halves, or of a one: products are exact, and most of them tied."""
    halves = random.choice([-0.5, 0.5], (count, 4))
    ones = np.eye(4)[random.integers(0, 4, count)] * random.choice([-1, 1], (count, 1))
    return torch.from_numpy(np.where(random.random((count, 1)) < 0.5, halves, ones)).float()


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 12),
    st.integers(1, 60),
    st.integers(2, 30),
    st.integers(1, 70),
    st.sampled_from([torch.float32, torch.bfloat16]),
)
def test_the_negatives_are_those_of_a_full_sort_with_ties(
    seed: int, queries: int, size: int, places: int, block: int, dtype: torch.dtype
) -> None:
    random = np.random.default_rng(seed)
    x, pool = exact_rows(random, queries), exact_rows(random, size)
    # Few places have most photos, so that the most similar photos are often of one place.
    pool_places = torch.from_numpy((places * random.random(size) ** 3).astype(np.int64))
    own = torch.from_numpy(random.integers(0, places, queries))
    others = len(torch.unique(pool_places)) - torch.isin(own, pool_places).long()
    most = int(others.min()) if queries else 3
    if most < 1:
        return
    count = int(random.integers(1, most + 1))
    found = hardest_negatives(x.to(dtype), pool.to(dtype), own, pool_places, count, block=block)
    assert found.dtype == torch.int64 and found.shape == (queries, count)
    assert found.tolist() == by_full_sort(x, pool, own, pool_places, count)


@pytest.mark.parametrize("block", [7, 100, 299, 4096])
@pytest.mark.parametrize("biggest", [1, 250])
def test_any_block_finds_the_same(block: int, biggest: int) -> None:
    torch.manual_seed(0)
    x, pool = normalize(torch.randn(23, 16), dim=1), normalize(torch.randn(300, 16), dim=1)
    pool_places = torch.arange(300).clamp(min=biggest).int()  # one place has most of the photos
    pool[:biggest] = normalize(pool[:biggest] + 2 * x[0], dim=1)  # and the most similar ones
    own = torch.arange(280, 303).int()
    found = hardest_negatives(x, pool, own, pool_places, 9, block=block)
    assert found.tolist() == by_full_sort(x, pool, own, pool_places, 9)


class LargestTensor(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own
    """Notes the size of the largest tensor that any operation returns."""

    elements = 0

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(value, Tensor):
                self.elements = max(self.elements, value.numel())
        return result


def test_the_matrix_of_similarities_is_never_whole() -> None:
    torch.manual_seed(0)
    x, pool = normalize(torch.randn(400, 4), dim=1), normalize(torch.randn(1000, 4), dim=1)
    with LargestTensor() as largest:  # type: ignore[no-untyped-call]
        hardest_negatives(x, pool, torch.arange(400), torch.arange(1000) % 10, 3, block=64)
    assert largest.elements == 64 * 64


def test_a_pool_of_too_few_other_places_says_how_many() -> None:
    x, pool = normalize(torch.ones(2, 4), dim=1), normalize(torch.ones(9, 4), dim=1)
    places = torch.tensor([1, 1, 1, 2, 2, 2, 3, 3, 3])
    with pytest.raises(UsageError, match=r"query 1: the pool of 9 photos shows 2 places other"):
        hardest_negatives(x, pool, torch.tensor([7, 3]), places, 3)
    with pytest.raises(UsageError, match=r"shows 0 places other than its own.* greater pool"):
        hardest_negatives(x, pool, torch.ones(2).long(), torch.ones(9).long(), 1)
    with pytest.raises(UsageError, match="pool of 0 photos"):
        hardest_negatives(x, pool[:0], torch.ones(2).long(), torch.ones(0).long(), 1)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"queries": torch.ones(4)}, "queries: need"),
        ({"queries": torch.ones(2, 4).long()}, "queries: need"),
        ({"pool_places": torch.arange(2)}, "pool: need"),
        ({"query_places": torch.rand(2)}, "must be integers"),
        ({"pool": torch.ones(3, 5)}, "4 dimensions, the pool has 5"),
        ({"pool": torch.tensor([[1.0] * 4, [torch.nan] * 4, [1.0] * 4])}, "pool: row 1"),
        ({"queries": torch.full((2, 4), torch.inf)}, "queries: row 0"),
        ({"count": 0}, "count 0"),
        ({"block": 0}, "block 0"),
    ],
)
def test_wrong_input_is_named(changed: dict[str, Any], message: str) -> None:
    right: dict[str, Any] = {
        "queries": torch.ones(2, 4),
        "pool": torch.ones(3, 4),
        "query_places": torch.arange(2),
        "pool_places": torch.arange(3),
        "count": 1,
    }
    with pytest.raises(UsageError, match=message):
        hardest_negatives(**(right | changed))
