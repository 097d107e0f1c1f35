"""Why two photos are alike: what each position adds to the cosine of their descriptors.

Holds for networks that pool by GeM over the whole map, at one scale; docs/explain.md derives it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solar.errors import UsageError
from solar.extraction.engines.choose import engine_for, open_graph, with_graph
from solar.extraction.engines.graph import FEATURE_MAP, PHOTOS, SCALE, Graph
from solar.models.config import GlobalConfig
from solar.models.document import ModelDocument, require_finite
from solar.photos import Box, Photo, decode
from solar.typing import Descriptor

_LEAST = 1e-6  # of a feature, as GeM has it


@dataclass(frozen=True, eq=False)
class Parts:
    """A photo's descriptor at one scale, as the sum of what its positions add.

    Attributes:
        rows: (h * w, D), by rows of the map; they sum to a unit vector.
        shape: h, w.
    """

    rows: NDArray[np.float32]
    shape: tuple[int, int]

    @property
    def descriptor(self) -> Descriptor:
        """(D,), unit length."""
        total: Descriptor = self.rows.sum(0, dtype=np.float64).astype(np.float32)
        return total

    def towards(self, descriptor: Descriptor) -> NDArray[np.float32]:
        """What each position adds to the cosine with another descriptor (D,): (h, w)."""
        added: NDArray[np.float32] = (self.rows @ descriptor).reshape(self.shape)
        return added


@dataclass(frozen=True, eq=False)
class Explanation:
    """What each position of two photos adds to the cosine of their descriptors at one scale.

    Attributes:
        query: (h, w) of the first; sums to `score`.
        hit: (h, w) of the second; likewise.
        score: the cosine.
    """

    query: NDArray[np.float32]
    hit: NDArray[np.float32]
    score: float


def contributions(
    features: NDArray[np.float32],
    power: NDArray[np.float32],
    weight: NDArray[np.float32] | None = None,
    bias: NDArray[np.float32] | None = None,
) -> Parts:
    """A descriptor in parts: GeM, a division by length, a whitening layer, a division by length.

    Args:
        features: (C, h, w).
        power: p of GeM: (1,) or (C,).
        weight: (D, C) of the whitening layer; None where there is none.
        bias: (D,) likewise; shared by all positions alike.
    """
    channels, *shape = features.shape
    p = np.broadcast_to(power.astype(np.float64), (channels,))
    powers = np.maximum(features.reshape(channels, -1), _LEAST).T.astype(np.float64) ** p  # (N, C)
    means = powers.mean(0)  # (C,)
    rows = powers * (means ** (1 / p - 1) / len(powers))  # (N, C), which sum to GeM's
    rows /= np.linalg.norm(rows.sum(0))
    if weight is not None:
        rows = rows @ weight.T.astype(np.float64)  # (N, D)
        if bias is not None:
            rows += bias / len(rows)
    rows /= np.linalg.norm(rows.sum(0))
    return Parts(rows.astype(np.float32), (shape[0], shape[1]))


class Explainer:
    """Explains what one model finds, its graph kept open; threads may share one."""

    def __init__(self, model: str | Path | ModelDocument, engine: str = "auto") -> None:
        """Read what a model's folder says; the graph is opened with the first photo.

        Args:
            model: a named model or a model folder, with a graph.
            engine: that runs it, on the processor; `auto` for the one that is installed.

        Raises:
            UsageError: it has no graph, or does not pool by GeM over the whole map.
            CheckpointError: there is no such model.
        """
        self._document = with_graph(model)
        config = self._document.config
        assert isinstance(config, GlobalConfig)  # noqa: S101 - narrows the type
        if config.regional or config.pooling not in ("gem", "gem-channel"):
            what = f"{'regional ' * config.regional}{config.pooling}"
            raise UsageError(f"model {self._document.name}: pools by {what}, which has no parts")
        self._config = config
        self._engine = engine_for(self._document, engine, "cpu", "float32")

    @cached_property
    def _graph(self) -> Graph:
        return open_graph(self._document, self._engine, "float32", [FEATURE_MAP])

    @cached_property
    def _layers(self) -> dict[str, NDArray[np.float32]]:
        names = {"pool.p", "whiten.weight", "whiten.bias"}
        return {name: tensor.astype(np.float32) for name, tensor in self._document.tensors(names)}

    def parts(self, photo: Photo, box: Box | None = None) -> Parts:
        """The descriptor of a photo at scale 1, in parts.

        Args:
            photo: any.
            box: the part of it that is described.

        Raises:
            PhotoError: the photo cannot be used.
            UsageError: the box lies outside it.
            CheckpointError: the graph does not name what is needed.
        """
        size = self._config.image_size
        pixels = np.asarray(decode(photo, wanted=size, draft=True).prepared(size, box))
        (maps,) = self._graph.run({PHOTOS: pixels[None], SCALE: np.ones(1, np.float32)})
        features = require_finite(maps[0], self._document.name, "features")
        layers = self._layers
        return contributions(
            features, layers["pool.p"], layers.get("whiten.weight"), layers.get("whiten.bias")
        )

    def explain(self, query: Photo, hit: Photo, box: Box | None = None) -> Explanation:
        """What each position of two photos adds to their cosine.

        Args:
            query: a photo.
            hit: another.
            box: the part of the first that was searched for.

        Raises:
            PhotoError: one of them cannot be used.
            UsageError: the box lies outside the first.
        """
        one, two = self.parts(query, box), self.parts(hit)
        first, second = one.descriptor, two.descriptor
        return Explanation(one.towards(second), two.towards(first), float(first @ second))
