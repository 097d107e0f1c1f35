"""To which other positions of a photo one position attends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from solar.photos import Photo, decode
from solar.photos.overlay import AttentionFigure

if TYPE_CHECKING:
    from solar.models.global_descriptor import GlobalDescriptor


@dataclass(frozen=True, eq=False)
class Attended:
    """One position's second-order attention (Ng et al., figure 4).

    Attributes:
        photo: RGB, upright.
        at: x, y of the position, in pixels of the photo.
        stage: the name of that after which the attention stands.
        weights: (h, w) float32, non-negative, sum to 1.
        trained: whether the block has been trained; the map of one that has not is random.
    """

    photo: Image.Image
    at: tuple[float, float]
    stage: str
    weights: NDArray[np.float32]
    trained: bool

    @property
    def spread(self) -> float:
        """How evenly attention is spread: its entropy, as a share of what even weights have.

        0 for all of it at one position, to 1 for the same at each.
        """
        if self.weights.size == 1:
            return 1.0
        used = self.weights[self.weights > 0].astype(np.float64)
        return float(-(used * np.log(used)).sum() / np.log(self.weights.size))

    def picture(self) -> Image.Image:
        """The weights in colour over the photo, the position ringed, and a bar of the colours."""
        return figure([self]).draw()

    def to_json(self) -> dict[str, Any]:
        """Plain values; the weights by rows."""
        return {
            "at": list(self.at),
            "stage": self.stage,
            "trained": self.trained,
            "spread": self.spread,
            "weights": self.weights.tolist(),
        }


def figure(positions: Sequence[Attended], width: int | None = None) -> AttentionFigure:
    """Positions of one photo side by side.

    Args:
        positions: one or more.
        width: of the whole figure in pixels; None for the photo's own, at most 1024 px a panel.
    """
    maps = []
    for each in positions:
        (x, y), (height, width_) = each.at, each.weights.shape
        cells = f"{each.stage}, {width_} x {height} cells"
        maps.append((each.weights, each.at, f"{x:g},{y:g} attends: {cells}"))
    return AttentionFigure(positions[0].photo, maps, width)


def attend(
    photo: Photo,
    at: tuple[float, float],
    *,
    stage: str | int = 5,
    model: str | Path | GlobalDescriptor = "solar-r18",
    device: str = "auto",
) -> Attended:
    """Where one position of a photo attends, as the model's descriptors see it.

    Args:
        photo: any.
        at: x, y in pixels of the upright photo.
        stage: that the attention follows: its name, or its number, as the paper counts.
        model: what `solar.load` takes, or a loaded network.
        device: see `open_extractor`.

    Raises:
        PhotoError: the photo cannot be used.
        UsageError: the model has no attention there, or `at` lies outside the photo.
        CheckpointError: the model cannot be loaded.
    """
    from solar.models.checkpoints import load
    from solar.models.device import choose_device

    decoded = decode(photo)
    network = load(model) if isinstance(model, str | Path) else model
    network = network.to(choose_device(device))
    weights = network.attention_map(decoded, at=at, stage=stage)
    trained = not network.attention_is_identity(stage)
    return Attended(decoded.image, at, network.stages.stage(stage).name, weights, trained)
