"""Losses of local descriptors against slow references and cases done by hand."""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from solar.errors import UsageError
from solar.training.patches.criterion import compares_maps, point_losses, weighted
from solar.training.patches.losses import (
    correlation_loss,
    distances,
    feature_map_loss,
    hardest_triplet_loss,
    hardnet_loss,
    neighbour_sos_loss,
    relative_distance_loss,
)
from solar.training.patches.recipe import PatchTraining

Rows = npt.NDArray[np.float64]


def views(points: int, seed: int, noise: float = 0.3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(points, 8, generator=generator, dtype=torch.float64)
    second = first + noise * torch.randn(points, 8, generator=generator, dtype=torch.float64)
    return normalize(first, dim=1), normalize(second, dim=1)


def on_circle(*degrees: float) -> Tensor:
    angles = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def chord(degrees: float) -> float:
    return 2 * math.sin(math.radians(degrees) / 2)


def slow_triplet(first: Rows, second: Rows, margin: float) -> float:
    """Point by point, as the paper's text says it."""
    total = 0.0
    for i in range(len(first)):
        found = []
        for j in range(len(first)):
            if j == i:
                continue
            for a in (first[i], second[i]):
                for b in (first[j], second[j]):
                    found.append(float(np.linalg.norm(a - b)))
        hardest = min(distance for distance in found if distance >= 0.008)
        own = float(np.linalg.norm(first[i] - second[i]))
        total += max(0.0, margin + own - hardest) ** 2
    return total / len(first)


def slow_sos(first: Rows, second: Rows, neighbours: int, graph: str) -> float:
    def nearest(i: int, a: Rows, b: Rows) -> set[int]:
        others = [j for j in range(len(a)) if j != i]
        others.sort(key=lambda j: float(np.linalg.norm(a[i] - b[j])))
        return set(others[:neighbours])

    sides = [(first, first), (second, second)]
    if graph == "release":  # across the views too, and edges hold both ways
        sides += [(first, second), (second, first)]
    edges = {(i, j) for i in range(len(first)) for a, b in sides for j in nearest(i, a, b)}
    if graph == "release":
        edges |= {(j, i) for i, j in edges}
    total = 0.0
    for i in range(len(first)):
        chosen = [j for j in range(len(first)) if (i, j) in edges]
        squares = [
            (np.linalg.norm(first[i] - first[j]) - np.linalg.norm(second[i] - second[j])) ** 2
            for j in chosen
        ]
        total += math.sqrt(sum(squares))
    return total / len(first)


@settings(deadline=None)
@given(st.integers(2, 14), st.integers(0, 1000), st.floats(0.01, 2.0), st.integers(1, 9))
def test_losses_are_those_of_the_slow_reference(
    points: int, seed: int, noise: float, neighbours: int
) -> None:
    first, second = views(points, seed, noise)
    a, b = first.numpy(), second.numpy()
    for margin in (0.5, 1.0):
        wanted = slow_triplet(a, b, margin)
        assert hardest_triplet_loss(first, second, margin).item() == pytest.approx(wanted)
    for graph in ("paper", "release"):
        wanted = slow_sos(a, b, neighbours, graph)
        found = neighbour_sos_loss(first, second, neighbours, graph).item()
        assert found == pytest.approx(wanted, abs=1e-6)
    with pytest.raises(UsageError, match="neighbours of 'other': use paper or release"):
        neighbour_sos_loss(first, second, neighbours, "other")


def test_two_points_by_hand() -> None:
    first, second = on_circle(0, 90), on_circle(10, 60)
    # Nearest of different points: the second views, 50 degrees apart; own pairs: 10 and 30.
    wanted = [(1 + chord(own) - chord(50)) ** 2 for own in (10, 30)]
    assert hardest_triplet_loss(first, second).item() == pytest.approx(sum(wanted) / 2)
    # Each has one neighbour: 90 degrees away in the first view, 50 in the second.
    assert neighbour_sos_loss(first, second).item() == pytest.approx(chord(90) - chord(50))


def test_far_negatives_cost_nothing() -> None:
    opposite = on_circle(0, 180)
    assert hardest_triplet_loss(opposite, opposite).item() == 0


def test_rows_nearer_than_0_008_are_no_negatives() -> None:
    first = on_circle(0, 0.2, 90)  # the first two differ by 0.0035
    loss = hardest_triplet_loss(first, first).item()
    assert loss == 0  # the others are more than 1 away: only the near one would cost
    apart = on_circle(0, 0.6, 90)  # 0.0105
    wanted = 2 * (1 + distances(apart, apart).diagonal()[0].item() - chord(0.6)) ** 2 / 3
    assert hardest_triplet_loss(apart, apart).item() == pytest.approx(wanted, rel=1e-3)


def test_only_neighbours_count_in_second_order_similarity() -> None:
    first = on_circle(0, 10, 170, 180)
    second = on_circle(0, 10, 150, 160)  # the far pair moves as one
    assert neighbour_sos_loss(first, second, 1).item() == pytest.approx(0, abs=1e-5)
    outer = math.hypot(chord(170) - chord(150), chord(180) - chord(160))
    inner = math.hypot(chord(160) - chord(140), chord(170) - chord(150))
    wanted = (outer + inner) / 2
    assert neighbour_sos_loss(first, second, 3).item() == pytest.approx(wanted)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite_with_duplicates(dtype: torch.dtype) -> None:
    rows = torch.randn(6, 8, dtype=dtype)
    rows[1] = rows[0]  # two points with the same descriptor
    for second in (rows.clone(), rows + 0.1 * torch.randn(6, 8, dtype=dtype)):
        first = rows.clone().requires_grad_()
        a, b = normalize(first, dim=1), normalize(second, dim=1)
        torch.autograd.backward(hardest_triplet_loss(a, b) + neighbour_sos_loss(a, b))
        assert first.grad is not None and first.grad.isfinite().all()


def test_all_rows_equal() -> None:
    rows = torch.ones(4, 8).requires_grad_()
    unit = normalize(rows, dim=1)
    loss = hardest_triplet_loss(unit, unit) + neighbour_sos_loss(unit, unit)
    torch.autograd.backward(loss)
    assert loss.isfinite() and rows.grad is not None and rows.grad.isfinite().all()


def test_gradients_point_the_right_way() -> None:
    first, second = views(10, 3)
    raw = [first.clone().requires_grad_(), second.clone().requires_grad_()]

    def loss(a: Tensor, b: Tensor) -> Tensor:
        a, b = normalize(a, dim=1), normalize(b, dim=1)
        return hardest_triplet_loss(a, b) + neighbour_sos_loss(a, b, 3)

    assert torch.autograd.gradcheck(loss, raw, eps=1e-7, atol=1e-4)


@pytest.mark.parametrize("shapes", [((1, 8), (1, 8)), ((4, 8), (5, 8)), ((4,), (4,))])
def test_other_shapes_are_refused(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    for loss in (hardest_triplet_loss, neighbour_sos_loss):
        with pytest.raises(UsageError, match="two views of shapes"):
            loss(torch.ones(shapes[0]), torch.ones(shapes[1]))


def slow_hardnet(first: Rows, second: Rows, margin: float) -> float:
    """Point by point, as the paper's text says it: negatives across the views alone."""
    total = 0.0
    for i in range(len(first)):
        others = [j for j in range(len(first)) if j != i]
        found = [float(np.linalg.norm(first[i] - second[j])) for j in others]
        found += [float(np.linalg.norm(first[j] - second[i])) for j in others]
        hardest = min(distance for distance in found if distance >= 0.008)
        total += max(0.0, margin + float(np.linalg.norm(first[i] - second[i])) - hardest)
    return total / len(first)


def slow_relative(first: Rows, second: Rows) -> float:
    """Eq. 2 to 4: softmax over a column, and over a row, of what the distances leave of 2."""
    n, total = len(first), 0.0
    s = np.array([[math.exp(2 - np.linalg.norm(a - b)) for b in second] for a in first])
    for i in range(n):
        total -= 0.5 * math.log(s[i, i] / sum(s[m, i] for m in range(n)))
        total -= 0.5 * math.log(s[i, i] / sum(s[i, m] for m in range(n)))
    return total


def slow_maps(first: Rows, second: Rows) -> float:
    """Inner products, number by number, and their softmax over a column and over a row."""
    n, total = len(first), 0.0
    g = [[sum(x * y for x, y in zip(a, b, strict=True)) for b in second] for a in first]
    for i in range(n):
        column, row = [g[m][i] for m in range(n)], [g[i][m] for m in range(n)]
        for products in (column, row):
            total -= 0.5 * math.log(math.exp(g[i][i]) / sum(math.exp(p) for p in products))
    return total


def slow_correlation(first: Rows, second: Rows) -> float:
    return sum(
        0.5 * float(np.square(found - np.diag(np.diag(found))).sum())
        for found in (np.corrcoef(view, rowvar=False) for view in (first, second))
    )


@given(st.integers(2, 12), st.integers(0, 50), st.floats(0.05, 1.5))
@settings(deadline=None, max_examples=30)
def test_the_rivals_losses_equal_the_slow_ones(points: int, seed: int, noise: float) -> None:
    first, second = views(points, seed, noise)
    a, b = first.numpy(), second.numpy()
    assert hardnet_loss(first, second).item() == pytest.approx(slow_hardnet(a, b, 1.0), abs=1e-6)
    found = relative_distance_loss(first, second).item()
    assert found == pytest.approx(slow_relative(a, b), rel=1e-6)
    found = correlation_loss(first, second).item()
    assert found == pytest.approx(slow_correlation(a, b), rel=1e-6)
    longer = 3 * first, 2 * second  # maps have any length
    found = feature_map_loss(*longer).item()
    assert found == pytest.approx(slow_maps(*(rows.numpy() for rows in longer)), rel=1e-5)


def test_maps_that_are_far_apart_overflow_nothing() -> None:
    first = torch.tensor([[300.0, 0.0], [0.0, 300.0]])
    assert feature_map_loss(first, first).item() == 0
    assert feature_map_loss(first, first.flip(0)).item() == 2 * 300**2


@pytest.mark.parametrize(
    "loss",
    [
        hardest_triplet_loss,
        hardnet_loss,
        neighbour_sos_loss,
        relative_distance_loss,
        correlation_loss,
        feature_map_loss,
    ],
)
def test_gradients_of_patch_losses_are_those_of_their_values(
    loss: Callable[[Tensor, Tensor], Tensor],
) -> None:
    first, second = (rows.requires_grad_() for rows in views(6, 4, 0.6))
    assert torch.autograd.gradcheck(loss, (first, second))
    with pytest.raises(UsageError, match=r"\(N, D\) twice"):
        loss(first, second[:3])


@pytest.mark.parametrize("name", ["sosnet", "hardnet", "l2net"])
def test_a_recipe_names_its_loss(name: Literal["sosnet", "hardnet", "l2net"]) -> None:
    chosen = PatchTraining(steps=2, loss=name, sos=3.0)
    first, second = views(6, 1)
    maps = torch.stack([3 * first, 2 * second], 1), torch.stack([2 * second, first], 1)
    parts = point_losses(chosen, first, second, maps if compares_maps(chosen) else ())
    expected = {
        "sosnet": hardest_triplet_loss(first, second) + 3 * neighbour_sos_loss(first, second),
        "hardnet": hardnet_loss(first, second),
        "l2net": relative_distance_loss(first, second)
        + correlation_loss(first, second)
        + feature_map_loss(3 * first, 2 * second)
        + feature_map_loss(2 * second, first),
    }[name]
    torch.testing.assert_close(weighted(chosen, parts), expected)
