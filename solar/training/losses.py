"""Losses over tuples: triplet, contrastive, second-order similarity.

A batch is made of tuples of equal size, one after the other: a query (label -1), its positive (1),
its negatives (0). All losses take rows of unit length and return one number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from solar.errors import UsageError

SosVariant = Literal["batch", "absolute", "query"]


def triplet_loss(descriptors: Tensor, labels: Tensor, margin: float = 1.25) -> Tensor:
    """Sum over negatives of max(0, d²(q, p) − d²(q, n) + margin), mean over tuples.

    Args:
        descriptors: (N, D), unit rows.
        labels: (N,): -1 query, 1 positive, 0 negative.
        margin: in squared distances.

    Raises:
        UsageError: the labels are not tuples of one size.
    """
    queries, positives, negatives = split_tuples(descriptors, labels)
    attracted = (queries - positives).square().sum(-1)  # (T,)
    repelled = (queries[:, None] - negatives).square().sum(-1)  # (T, S)
    return (attracted[:, None] - repelled + margin).clamp(min=0).sum() / len(queries)


def contrastive_loss(
    descriptors: Tensor, labels: Tensor, margin: float = 0.7, epsilon: float = 1e-6
) -> Tensor:
    """Half the sum of d²(q, p) and of max(0, margin − d(q, n))² (Radenović et al., TPAMI 2019).

    Args:
        descriptors: (N, D), unit rows.
        labels: as for `triplet_loss`.
        margin: in distances.
        epsilon: added to each difference, so that the gradient exists at distance 0.

    Raises:
        UsageError: the labels are not tuples of one size.
    """
    queries, positives, negatives = split_tuples(descriptors, labels)
    attracted = (queries - positives + epsilon).square().sum(-1)
    distances = (queries[:, None] - negatives + epsilon).square().sum(-1).sqrt()
    return 0.5 * (attracted.sum() + (margin - distances).clamp(min=0).square().sum())


def sos_loss(descriptors: Tensor, labels: Tensor, variant: SosVariant = "batch") -> Tensor:
    """Second-order similarity: query and positive at equal distances from the negatives.

    With δ = d²(q, n) − d²(p, n) (Ng et al., ECCV 2020, eq. 7, after Tian et al., CVPR 2019), T
    tuples: `batch` is sqrt(Σ δ²) / T over the whole batch, as the released code has it;
    `absolute` is Σ |δ|; `query` is the sum over tuples of sqrt(Σ δ²).

    Args:
        descriptors: (N, D), unit rows.
        labels: as for `triplet_loss`.
        variant: one of the three.

    Raises:
        UsageError: the labels are not tuples of one size, or an unknown variant.
    """
    queries, positives, negatives = split_tuples(descriptors, labels)
    from_query = (queries[:, None] - negatives).square().sum(-1)
    from_positive = (positives[:, None] - negatives).square().sum(-1)
    return _reduced(variant)(from_query - from_positive)


def split_tuples(descriptors: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A batch's (T, D) queries, (T, D) positives and (T, S, D) negatives.

    Raises:
        UsageError: the labels are not tuples of one size: -1, 1, then one or more 0.
    """
    if descriptors.ndim != 2 or labels.shape != descriptors.shape[:1]:
        shapes = f"{tuple(descriptors.shape)} and {tuple(labels.shape)}"
        raise UsageError(f"descriptors and labels of shapes {shapes}: use (N, D) and (N,)")
    count = int((labels == -1).sum())
    size = len(labels) // count if count else 0
    wanted = torch.zeros(max(size, 3), dtype=labels.dtype, device=labels.device)
    wanted[0], wanted[1] = -1, 1
    if not count or count * size != len(labels) or not torch.equal(labels, wanted.repeat(count)):
        raise UsageError("labels: use tuples of one size, each -1, 1, then one or more 0")
    tuples = descriptors.reshape(count, size, -1)
    return tuples[:, 0], tuples[:, 1], tuples[:, 2:]


def _reduced(variant: str) -> Callable[[Tensor], Tensor]:
    match variant:
        case "batch":
            return lambda delta: delta.norm() / len(delta)
        case "absolute":
            return lambda delta: delta.abs().sum()
        case "query":
            return lambda delta: delta.norm(dim=1).sum()
        case _:
            raise UsageError(f"second-order similarity '{variant}': use batch, absolute or query")
