"""Losses over pairs of patches: SOSNet's, HardNet's and L2-Net's.

A batch is two views of N points: rows i of `first` and `second` describe the same point, and no
other rows do.
"""

from __future__ import annotations

import torch
from torch import Tensor

from solar.errors import UsageError

# Rows of different points nearer than this show the same thing (Mishchuk et al., NeurIPS 2017).
SAME = 0.008
_TINY = 1e-6


def hardest_triplet_loss(first: Tensor, second: Tensor, margin: float = 1.0) -> Tensor:
    """Mean of max(0, margin + d(i, i') − n)², d distances, n that to the hardest negative.

    The hardest negative of a point is the nearest row of another point to either of its own two
    (Tian et al., SOSNet, CVPR 2019, eq. 1-3); rows nearer than 0.008 are no negatives.

    Args:
        first: (N, D), unit rows.
        second: (N, D), unit rows.
        margin: in distances.

    Raises:
        UsageError: the views differ in shape, or there are fewer than two points.
    """
    _check(first, second)
    across = distances(first, second)
    negatives = torch.stack(
        [
            _others(distances(first, first)).amin(1),
            _others(distances(second, second)).amin(1),
            _others(across).amin(1),
            _others(across).amin(0),
        ]
    )
    excess = margin + across.diagonal() - negatives.amin(0)
    return excess.clamp(min=0).square().mean()


def hardnet_loss(first: Tensor, second: Tensor, margin: float = 1.0) -> Tensor:
    """Mean of max(0, margin + d(i, i') − n), n the distance to the hardest negative.

    That is the nearest row of another point across the views, to either of a point's own two
    (Mishchuk et al., HardNet, NeurIPS 2017, eq. 1-3); rows nearer than 0.008 are no negatives.

    Args:
        first: (N, D), unit rows.
        second: (N, D), unit rows.
        margin: in distances.

    Raises:
        UsageError: as `hardest_triplet_loss`.
    """
    _check(first, second)
    across = distances(first, second)
    others = _others(across)
    hardest = torch.minimum(others.amin(1), others.amin(0))
    return (margin + across.diagonal() - hardest).clamp(min=0).mean()


def relative_distance_loss(first: Tensor, second: Tensor) -> Tensor:
    """L2-Net's first error: each point the most similar to itself, among rows and columns.

    −½ Σ_i (log s(i, i') over i's row + over the column of i'), s the softmax of 2 − d (Tian, Fan,
    Wu, L2-Net, CVPR 2017, eq. 2-4).

    Args:
        first: (N, D), unit rows.
        second: (N, D), unit rows.

    Raises:
        UsageError: as `hardest_triplet_loss`.
    """
    _check(first, second)
    return _own_among_all(2 - distances(first, second))


def correlation_loss(first: Tensor, second: Tensor) -> Tensor:
    """L2-Net's second error: ½ Σ of squared correlations of two different dimensions, each view.

    Args:
        first: (N, D), unit rows.
        second: (N, D), unit rows.

    Raises:
        UsageError: as `hardest_triplet_loss`.
    """
    _check(first, second)
    total = first.new_zeros(())
    for rows in (first, second):
        centred = rows - rows.mean(0)
        columns = centred / centred.norm(dim=0).clamp(min=_TINY)
        correlation = columns.T @ columns  # (D, D)
        apart = correlation - torch.diag(correlation.diagonal())
        total = total + 0.5 * apart.square().sum()
    return total


def feature_map_loss(first: Tensor, second: Tensor) -> Tensor:
    """L2-Net's third error, of one layer: its maps tell the points apart as descriptors do.

    −½ Σ_i (log v(i, i') over i's row + over the column of i'), v the softmax of the inner products
    of maps, each written as one row (Tian, Fan, Wu, L2-Net, CVPR 2017: discriminative intermediate
    feature maps). The maps are as batch norm leaves them, not brought to unit length.

    Args:
        first: (N, F), of any length.
        second: (N, F), of any length.

    Raises:
        UsageError: as `hardest_triplet_loss`.
    """
    _check(first, second)
    return _own_among_all(first @ second.T)


def neighbour_sos_loss(
    first: Tensor, second: Tensor, neighbours: int = 8, graph: str = "paper"
) -> Tensor:
    """Mean over points i of sqrt(Σ_j (d(i, j) − d(i', j'))²): second-order similarity.

    j runs over the points among the nearest neighbours of i in the first view or of i' in the
    second (Tian et al., SOSNet, CVPR 2019, eq. 4-6). In its author's release also over those
    nearest to i across the views, either way, and over all points whose neighbour i is.

    Args:
        first: (N, D), unit rows.
        second: (N, D), unit rows.
        neighbours: how many in each view; all others where there are fewer.
        graph: which neighbours: "paper" or "release".

    Raises:
        UsageError: as `hardest_triplet_loss`, or an unknown graph.
    """
    _check(first, second)
    in_first, in_second = distances(first, first), distances(second, second)
    near = _nearest(in_first, neighbours) | _nearest(in_second, neighbours)
    if graph == "release":
        across = distances(first, second)
        near |= _nearest(across, neighbours) | _nearest(across.T, neighbours).T
        near |= near.T.clone()
    elif graph != "paper":
        raise UsageError(f"neighbours of '{graph}': use paper or release")
    squares = (in_first - in_second).square() * near
    return squares.sum(1).clamp(min=_TINY**2).sqrt().mean()


def distances(a: Tensor, b: Tensor) -> Tensor:
    """(N, M) Euclidean distances of unit rows, at least 0.001; equal rows have gradient 0."""
    return (2 - 2 * a @ b.T).clamp(min=_TINY).sqrt()


def _own_among_all(similar: Tensor) -> Tensor:
    """−½ Σ_i of the logarithms of i's share of its row and of its column, (N, N) -> ()."""
    rows, columns = (similar.log_softmax(side).diagonal().sum() for side in (1, 0))
    return -0.5 * (rows + columns)


def _others(between: Tensor) -> Tensor:
    """Distances (N, N) with those that belong to no negative put to infinity."""
    own = torch.eye(len(between), dtype=torch.bool, device=between.device)
    return between.masked_fill(own | (between.detach() < SAME), torch.inf)


def _nearest(between: Tensor, count: int) -> Tensor:
    """(N, N) bool: the `count` smallest of each row, itself and equal rows left out."""
    others = _others(between.detach())
    found = others.topk(min(count, len(others) - 1), dim=1, largest=False)
    near = torch.zeros_like(others, dtype=torch.bool)
    return near.scatter(1, found.indices, found.values.isfinite())


def _check(first: Tensor, second: Tensor) -> None:
    if first.ndim != 2 or first.shape != second.shape or len(first) < 2:
        shapes = f"{tuple(first.shape)} and {tuple(second.shape)}"
        raise UsageError(f"two views of shapes {shapes}: use (N, D) twice, N at least 2")
