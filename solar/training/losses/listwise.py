"""The loss of a whole list: average precision, made smooth (Revaud et al., ICCV 2019)."""

from __future__ import annotations

import torch
from torch import Tensor

from solar.errors import UsageError
from solar.training.losses.tuples import Rows, split_tuples


def ap_loss(descriptors: Rows, labels: Tensor | None = None, levels: int = 20) -> Tensor:
    """1 − mean average precision, each cosine counted at the two levels of −1 to 1 around it.

    P_m Δr_m is summed over levels m from cosine 1 down to −1: P_m is the share of positives among
    what lies at level m or above, Δr_m the share of all positives that lies at it (eq. 6 to 11).
    With class ids every row that has another of its class ranks all others; with tuples each query
    ranks its positive and its negatives.

    Args:
        descriptors: as for `triplet_loss`.
        labels: as for `triplet_loss`.
        levels: evenly spread, of 3 or more; the gradient of a cosine is constant between two.

    Raises:
        UsageError: shapes or labels of no tuples, or too few levels.
    """
    if levels < 3:
        raise UsageError(f"average precision at {levels} levels: use 3 or more")
    cosines, positive, listed = _lists(descriptors, labels)  # (Q, L) each
    step = 2 / (levels - 1)
    at = 1 - step * torch.arange(levels, dtype=cosines.dtype, device=cosines.device)
    near = (1 - (cosines[..., None] - at).abs() / step).clamp(min=0)  # (Q, L, M)
    near = near * listed[..., None]
    found, among = (near * positive[..., None]).sum(1), near.sum(1)  # (Q, M)
    precision = found.cumsum(1) / among.cumsum(1).clamp(min=torch.finfo(near.dtype).tiny)
    gained = found / positive.sum(1, keepdim=True)
    return 1 - (precision * gained).sum(1).mean()


def _lists(descriptors: Rows, labels: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Cosines (Q, L) of queries and what they rank; which are positives; which count at all."""
    if isinstance(descriptors, Tensor) and labels is not None and not (labels < 0).any():
        split_tuples(descriptors, labels)  # refuses what has no lists
        same = labels[:, None] == labels
        listed = ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        asking = (same & listed).any(1)
        cosines = descriptors[asking] @ descriptors.T
        return cosines, (same & listed)[asking].to(cosines.dtype), listed[asking].to(cosines.dtype)
    queries, positives, negatives, _ = split_tuples(descriptors, labels)
    ranked = torch.cat([positives[:, None], negatives], 1)  # (T, 1 + S, D)
    cosines = (queries[:, None] * ranked).sum(-1)
    positive = torch.zeros_like(cosines)
    positive[:, 0] = 1
    return cosines, positive, torch.ones_like(cosines)
