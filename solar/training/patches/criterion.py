"""What a recipe of patches minimises."""

from __future__ import annotations

from torch import Tensor

from solar.training.patches.losses import (
    correlation_loss,
    hardest_triplet_loss,
    hardnet_loss,
    neighbour_sos_loss,
    relative_distance_loss,
)
from solar.training.patches.recipe import PatchTraining


def point_losses(settings: PatchTraining, first: Tensor, second: Tensor) -> dict[str, Tensor]:
    """The parts of a loss by name, before their weights.

    Args:
        settings: say which loss.
        first: (N, D), unit rows.
        second: (N, D), unit rows of the same points.
    """
    if settings.loss == "hardnet":
        return {"triplet": hardnet_loss(first, second, settings.margin)}
    if settings.loss == "l2net":
        return {
            "relative_distance": relative_distance_loss(first, second),
            "correlation": correlation_loss(first, second),
        }
    return {
        "triplet": hardest_triplet_loss(first, second, settings.margin),
        "sos": neighbour_sos_loss(first, second, settings.neighbours, settings.graph),
    }


def weighted(settings: PatchTraining, losses: dict[str, Tensor]) -> Tensor:
    """Their sum, second-order similarity by its weight."""
    parts = [settings.sos * loss if name == "sos" else loss for name, loss in losses.items()]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
