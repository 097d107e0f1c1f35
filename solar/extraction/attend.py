"""To which other positions of a photo one position attends."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from solar.errors import UsageError, naming_extras
from solar.extraction.engines.choose import document_of, engine_for, open_graph, with_graph
from solar.extraction.engines.graph import PHOTOS, SCALE, Graph, projection
from solar.models.config import GlobalConfig, stage_index
from solar.models.document import ModelDocument, require_finite
from solar.models.registry import GLOBAL
from solar.photos import Box, DecodedPhoto, Photo, decode
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


class Attention:
    """The second-order attention of a model, whose graphs stay open; threads may share one.

    Attributes:
        stages: after which it stands.
    """

    def __init__(self, model: str | Path | ModelDocument, engine: str = "auto") -> None:
        """Read what a model's folder says; a stage's graph is opened with its first map.

        Args:
            model: a named model or a model folder, with a graph.
            engine: that runs it, on the processor; `auto` for the one that is installed.

        Raises:
            UsageError: it has no graph, or there is no such engine.
            CheckpointError: there is no such model.
        """
        document = with_graph(model)
        assert isinstance(document.config, GlobalConfig)  # noqa: S101 - narrows the type
        self._document, self._config = document, document.config
        self._engine = engine_for(document, engine, "cpu", "float32")
        self.stages = [name for name in document.stages if name in self._config.attention]
        self._open = lru_cache(self._opened)

    def stage(self, stage: str | int) -> str:
        """The name of a stage that attention follows.

        Raises:
            UsageError: none does, or there is no such stage.
        """
        where = f"model {self._document.name}"
        name = self._document.stages[stage_index(self._document.stages, stage, where)]
        self._config.require_attention(name, where)
        return name

    def trained(self, stage: str) -> bool:
        """Whether the block of a stage was trained."""
        v = {f"attention.{stage}.v.{part}" for part in ("weight", "bias")}
        return any(tensor.any() for _, tensor in self._document.tensors(v))

    def maps(
        self, photo: Photo, stage: str, image_size: int | None = None, box: Box | None = None
    ) -> AttentionMaps:
        """The attention of every position of a photo, made when it is asked for.

        Args:
            photo: any.
            stage: a name that `stage` gave.
            image_size: limit of the longest side; None for the model's own.
            box: the part of the photo to look at.

        Raises:
            PhotoError: the photo cannot be used.
        """
        size = self._config.image_size if image_size is None else image_size
        prepared = np.asarray(decode(photo, wanted=size, draft=True).prepared(size, box))
        graph = self._open(stage)
        queries, keys = graph.run({PHOTOS: prepared[None], SCALE: np.ones(1, np.float32)})
        return AttentionMaps(queries[0], keys[0], self._document.name, graph.engine)

    def _opened(self, stage: str) -> Graph:
        names = [projection(stage, part) for part in "fg"]
        return open_graph(self._document, self._engine, "float32", names)


@dataclass(frozen=True, eq=False)
class AttentionMaps:
    """What attention maps of a photo are made of.

    Attributes:
        queries: (m, h, w) of its positions.
        keys: (m, h, w).
        model: its name, for messages.
        engine: what ran the network, in words.
    """

    queries: NDArray[np.float32]
    keys: NDArray[np.float32]
    model: str
    engine: str

    @property
    def shape(self) -> tuple[int, int]:
        """h, w."""
        return self.keys.shape[1], self.keys.shape[2]

    def at(self, row: int, column: int) -> NDArray[np.float32]:
        """The map of one position: (h, w), non-negative, sums to 1.

        Raises:
            SolarError: the weights are not finite.
        """
        (weights,) = self._weights(self.queries[:, row, column][None])
        return np.asarray(weights, np.float32)

    def all(self) -> NDArray[np.float32]:
        """The maps of all positions, row by row: (h * w, h, w).

        Raises:
            SolarError: the weights are not finite.
        """
        return self._weights(self.queries.reshape(len(self.queries), -1).T)

    def _weights(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        scores = np.einsum("nm,mhw->nhw", queries, self.keys, optimize=True)  # (N, h, w)
        scores *= np.float32(len(self.keys) ** -0.5)
        weights: NDArray[np.float32] = np.exp(scores - scores.max((1, 2), keepdims=True))
        weights /= weights.sum((1, 2), keepdims=True)
        return require_finite(weights, self.model, "attention weights")


def _by_graph(
    document: ModelDocument,
    engine: str,
    photo: DecodedPhoto,
    positions: Sequence[tuple[float, float]],
    stage: str | int,
) -> list[Attended]:
    """As `GlobalDescriptor.attention_map`, of which no torch is here."""
    attention = Attention(document, engine)
    name = attention.stage(stage)
    for at in positions:
        photo.cell(at, (1, 1))  # refuses a position outside before the work
    maps, trained = attention.maps(photo, name), attention.trained(name)
    return [
        Attended(photo.image, at, name, maps.at(*photo.cell(at, maps.shape)), trained, maps.engine)
        for at in positions
    ]
