"""Losses over tuples: triplet, contrastive, second-order similarity."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from solar.errors import UsageError

SosVariant = Literal["batch", "absolute", "query"]
Rows = Tensor | tuple[Tensor, Tensor, Tensor]


def triplet_loss(descriptors: Rows, labels: Tensor | None = None, margin: float = 1.25) -> Tensor:
    """Sum over negatives of max(0, d²(q, p) − d²(q, n) + margin), mean over tuples.

    Args:
        descriptors: (N, D), or queries, positives and negatives; see
            `solar.training.losses`.
        labels: (N,), of tuples or class ids; None where the descriptors come in three.
        margin: in squared distances.

    Raises:
        UsageError: shapes or labels of no tuples.
    """
    queries, positives, negatives, counted = split_tuples(descriptors, labels)
    attracted = (queries - positives).square().sum(-1)  # (T,)
    repelled = (queries[:, None] - negatives).square().sum(-1)  # (T, S)
    excess = (attracted[:, None] - repelled + margin).clamp(min=0)
    return _of(excess, counted).sum() / len(queries)


def contrastive_loss(
    descriptors: Rows, labels: Tensor | None = None, margin: float = 0.7, epsilon: float = 1e-6
) -> Tensor:
    """Half the sum of d²(q, p) and of max(0, margin − d(q, n))² (Radenović et al., TPAMI 2019).

    Args:
        descriptors: as for `triplet_loss`.
        labels: as for `triplet_loss`.
        margin: in distances.
        epsilon: added to each difference, so that the gradient exists at distance 0.

    Raises:
        UsageError: shapes or labels of no tuples.
    """
    queries, positives, negatives, counted = split_tuples(descriptors, labels)
    attracted = (queries - positives + epsilon).square().sum(-1)
    distances = (queries[:, None] - negatives + epsilon).square().sum(-1).sqrt()
    repelled = _of((margin - distances).clamp(min=0).square(), counted)
    return 0.5 * (attracted.sum() + repelled.sum())


def sos_loss(
    descriptors: Rows, labels: Tensor | None = None, variant: SosVariant = "batch"
) -> Tensor:
    """Second-order similarity: query and positive at equal distances from the negatives.

    With δ = d²(q, n) − d²(p, n) (Ng et al., ECCV 2020, eq. 7, after Tian et al., CVPR 2019), T
    tuples: `batch` is sqrt(Σ δ²) / T over the whole batch, as the released code has it;
    `absolute` is Σ |δ|; `query` is the sum over tuples of sqrt(Σ δ²).

    Args:
        descriptors: as for `triplet_loss`.
        labels: as for `triplet_loss`.
        variant: one of the three.

    Raises:
        UsageError: shapes or labels of no tuples, or an unknown variant.
    """
    if variant not in ("batch", "absolute", "query"):
        raise UsageError(f"second-order similarity '{variant}': use batch, absolute or query")
    queries, positives, negatives, counted = split_tuples(descriptors, labels)
    from_query = (queries[:, None] - negatives).square().sum(-1)
    from_positive = (positives[:, None] - negatives).square().sum(-1)
    delta = _of(from_query - from_positive, counted)
    if variant == "absolute":
        return delta.abs().sum()
    by_query: Tensor = delta.norm(dim=1).sum() if variant == "query" else delta.norm() / len(delta)
    return by_query


def split_tuples(
    descriptors: Rows, labels: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """A batch's (T, D) queries, (T, D) positives and (T, S, D) negatives.

    Returns:
        With them (T, S) bool, which of the negatives count; None for all.

    Raises:
        UsageError: shapes or labels of no tuples.
    """
    if isinstance(descriptors, tuple):
        queries, positives, negatives = descriptors
        fit = queries.ndim == 2 and negatives.ndim == 3 and positives.shape == queries.shape
        if (
            labels is not None
            or not fit
            or not negatives.numel()
            or negatives.shape[::2] != queries.shape
        ):
            shapes = ", ".join(str(tuple(part.shape)) for part in descriptors)
            raise UsageError(
                f"three of shapes {shapes}: use (T, D), (T, D) and (T, S, D), without labels"
            )
        return queries, positives, negatives, None
    if labels is None or descriptors.ndim != 2 or labels.shape != descriptors.shape[:1]:
        shapes = f"{tuple(descriptors.shape)} and {None if labels is None else tuple(labels.shape)}"
        raise UsageError(f"descriptors and labels of shapes {shapes}: use (N, D) and (N,)")
    if not (labels < 0).any():
        return _of_classes(descriptors, labels)
    count = int((labels == -1).sum())
    size = len(labels) // count if count else 0
    wanted = torch.zeros(max(size, 3), dtype=labels.dtype, device=labels.device)
    wanted[0], wanted[1] = -1, 1
    if not count or count * size != len(labels) or not torch.equal(labels, wanted.repeat(count)):
        raise UsageError("labels: use tuples of one size, each -1, 1, then one or more 0")
    tuples = descriptors.reshape(count, size, -1)
    return tuples[:, 0], tuples[:, 1], tuples[:, 2:], None


def _of_classes(rows: Tensor, classes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Every two rows of a class as query and positive; as negatives all rows, others' counted."""
    same = classes[:, None] == classes
    query, positive = (same & ~torch.eye(len(rows), dtype=torch.bool, device=rows.device)).nonzero(
        as_tuple=True
    )
    if not len(query) or bool(same.all()):
        raise UsageError("labels: class ids need two rows of a class, and one of another class")
    return rows[query], rows[positive], rows.expand(len(query), -1, -1), ~same[query]


def _of(values: Tensor, counted: Tensor | None) -> Tensor:
    return values if counted is None else values.masked_fill(~counted, 0)
