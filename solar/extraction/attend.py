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

from solar.errors import UsageError, naming_extras
from solar.extraction.engines.choose import document_of, engine_for, open_graph
from solar.extraction.engines.graph import PHOTOS, SCALE, projection
from solar.models.config import GlobalConfig, stage_index
from solar.models.document import ModelDocument, require_finite
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
        engine: what ran the network, in words.
    """

    photo: Image.Image
    at: tuple[float, float]
    stage: str
    weights: NDArray[np.float32]
    trained: bool
    engine: str

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
            "engine": self.engine,
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
    engine: str = "auto",
    device: str = "auto",
) -> Attended:
    """Where one position of a photo attends, as the model's descriptors see it.

    Args:
        photo: any.
        at: x, y in pixels of the upright photo.
        stage: that the attention follows: its name, or its number, as the paper counts.
        model: what `solar.load` takes, or a loaded network.
        engine: see `open_extractor`.
        device: likewise.

    Raises:
        PhotoError: the photo cannot be used.
        UsageError: the model has no attention there, `at` lies outside the photo, or the engine
            cannot run the model.
        CheckpointError: the model cannot be loaded.
        SolarError: the weights are not finite.
    """
    (found,) = attend_each(photo, [at], stage=stage, model=model, engine=engine, device=device)
    return found


def attend_each(
    photo: Photo,
    positions: Sequence[tuple[float, float]],
    *,
    stage: str | int = 5,
    model: str | Path | GlobalDescriptor = "solar-r18",
    engine: str = "auto",
    device: str = "auto",
) -> list[Attended]:
    """As `attend`, for several positions of one photo: the model is loaded once."""
    decoded = decode(photo)
    if isinstance(model, str | os.PathLike):
        document = document_of(os.fspath(model), GLOBAL)
        chosen = engine_for(document, engine, device)
        if chosen != "torch" and document is not None:
            return _by_graph(document, chosen, decoded, positions, stage)
    elif engine not in ("auto", "torch"):
        raise UsageError(f"--engine {engine}: a network that is loaded runs in torch")
    with naming_extras():
        from solar.models.checkpoints import load
        from solar.models.device import choose_device, in_words

    network = load(model) if isinstance(model, str | Path) else model
    network = network.to(choose_device(device))
    maps = [network.attention_map(decoded, at=at, stage=stage) for at in positions]
    name, trained = network.stages.stage(stage).name, not network.attention_is_identity(stage)
    words = in_words(network.device, network.dtype)
    return [
        Attended(decoded.image, at, name, weights, trained, words)
        for at, weights in zip(positions, maps, strict=True)
    ]


def _by_graph(
    document: ModelDocument,
    engine: str,
    photo: DecodedPhoto,
    positions: Sequence[tuple[float, float]],
    stage: str | int,
) -> list[Attended]:
    """As `GlobalDescriptor.attention_map`, of which no torch is here."""
    config, where = document.config, f"model {document.name}"
    assert isinstance(config, GlobalConfig)  # noqa: S101 - narrows the type
    name = document.stages[stage_index(document.stages, stage, where)]
    config.require_attention(name, where)
    for at in positions:
        photo.cell(at, (1, 1))  # refuses a position outside before the work
    size = config.image_size
    prepared = np.asarray(decode(photo, wanted=size, draft=True).prepared(size))
    graph = open_graph(document, engine, "float32", [projection(name, part) for part in "fg"])
    queries, keys = graph.run({PHOTOS: prepared[None], SCALE: np.ones(1, np.float32)})
    v = {f"attention.{name}.v.{part}" for part in ("weight", "bias")}
    trained = any(tensor.any() for _, tensor in document.tensors(v))
    found = []
    for at in positions:
        row, column = photo.cell(at, queries.shape[2:])
        scores = np.einsum("m,mhw->hw", queries[0, :, row, column], keys[0])  # (h, w)
        scores *= queries.shape[1] ** -0.5
        weights = np.exp(scores - scores.max())
        weights = require_finite(weights / weights.sum(), document.name, "attention weights")
        found.append(Attended(photo.image, at, name, weights, trained, graph.engine))
    return found
