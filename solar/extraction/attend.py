"""To which other positions of a photo one position attends."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from solar.errors import UsageError
from solar.extraction.engines.choose import document_of, engine_for
from solar.models.config import GlobalConfig
from solar.models.document import ModelDocument
from solar.models.registry import GLOBAL
from solar.photos import DecodedPhoto, Photo, decode
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
    decoded = decode(photo)
    place = os.fspath(model) if isinstance(model, str | os.PathLike) else None
    document = None if place is None else document_of(place, GLOBAL)
    if document is not None and engine_for(document, device) == "openvino":
        return _by_graph(document, decoded, at, stage)
    from solar.models.checkpoints import load
    from solar.models.device import choose_device

    network = load(model) if isinstance(model, str | Path) else model
    network = network.to(choose_device(device))
    weights = network.attention_map(decoded, at=at, stage=stage)
    trained = not network.attention_is_identity(stage)
    return Attended(decoded.image, at, network.stages.stage(stage).name, weights, trained)


def _by_graph(
    document: ModelDocument, photo: DecodedPhoto, at: tuple[float, float], stage: str | int
) -> Attended:
    """As `GlobalDescriptor.attention_map`, of which no torch is here."""
    from solar.extraction.engines.openvino import projections

    (x, y), (width, height) = at, photo.size
    if not (0 <= x < width and 0 <= y < height):
        raise UsageError(f"{photo.name}: {x:g},{y:g} is outside its {width}x{height}")
    name = _stage(document, stage)
    config = document.config
    assert isinstance(config, GlobalConfig)  # noqa: S101 - narrows the type
    prepared = np.asarray(photo.prepared(config.image_size, None))
    queries, keys = projections(document, name, prepared[None])  # (1, mid, h, w)
    _, mid, rows, columns = queries.shape
    query = queries[0, :, int(y / height * rows), int(x / width * columns)]  # (mid,)
    scores = query @ keys[0].reshape(mid, -1) * mid**-0.5
    weights = np.exp(scores - scores.max()).reshape(rows, columns)
    v = {f"attention.{name}.v.{part}" for part in ("weight", "bias")}
    trained = any(tensor.any() for _, tensor in document.tensors(v))
    return Attended(photo.image, at, name, weights / weights.sum(), trained)


def _stage(document: ModelDocument, stage: str | int) -> str:
    """The name of a stage that attention follows, from it or its number."""
    config, stages = document.config, document.stages
    assert isinstance(config, GlobalConfig)  # noqa: S101 - narrows the type
    name = next((n for i, n in enumerate(stages, 1) if str(stage) in (n, str(i))), None)
    if name is None:
        wanted = f"use one of {', '.join(stages)}, or 1 to {len(stages)}"
        raise UsageError(f"model {document.name}: no stage '{stage}': {wanted}")
    if name not in config.attention:
        have = ", ".join(config.attention) or "nowhere"
        raise UsageError(f"model {document.name}: no attention after {name}; it has: {have}")
    return name
