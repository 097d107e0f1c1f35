"""What a recipe of patches minimises."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from solar.training.patches.losses import (
    correlation_loss,
    feature_map_loss,
    hardest_triplet_loss,
    hardnet_loss,
    neighbour_sos_loss,
    relative_distance_loss,
)
from solar.training.patches.recipe import PatchTraining


def compares_maps(settings: PatchTraining) -> bool:
    """Whether the loss compares maps inside the network, beside its descriptors."""
    return settings.loss == "l2net"


def point_losses(
    settings: PatchTraining, first: Tensor, second: Tensor, maps: Sequence[Tensor]
) -> dict[str, Tensor]:
    """The parts of a loss by name, before their weights.

    Args:
        settings: say which loss.
        first: (N, D), unit rows.
        second: (N, D), unit rows of the same points.
        maps: where the loss `compares_maps`, (N, 2, ...) of both views after the first batch norm
            and (N, 2, ...) after the last; else none.
    """
    if settings.loss == "hardnet":
        return {"triplet": hardnet_loss(first, second, settings.margin)}
    if settings.loss == "l2net":
        first_maps, last_maps = (layer.flatten(2).unbind(1) for layer in maps)
        return {
            "relative_distance": relative_distance_loss(first, second),
            "correlation": correlation_loss(first, second),
            "first_maps": feature_map_loss(*first_maps),
            "last_maps": feature_map_loss(*last_maps),
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
