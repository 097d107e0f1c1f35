"""Engines without torch: they run the graph in a model's folder, whose numbers are its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from solar.extraction.engines.batches import BatchExtractor
from solar.files.threads import cores
from solar.models.config import GlobalConfig
from solar.models.document import INT8, ModelDocument, require_finite
from solar.models.whitening import Whitening
from solar.typing import Descriptors

PHOTOS, SCALE, PATCHES = "photos", "scale", "patches"
"""What a graph's inputs are called."""

DESCRIPTORS, POOLED, FEATURE_MAP = "descriptors", "pooled", "feature_map"
"""Its output, what the network pools before its own whitening layer, if it has one, and, where it
pools by GeM over the whole map, that map (B, C, h, w)."""


_MANY = 4  # photos a core, for which it pays to open the graph once more
_SMALL = 4_000_000  # pixels at the largest scale, of which several cores hold one each
_MOST_AT_ONCE = 8


def projection(stage: str, part: str) -> str:
    """What a graph calls f(x) or g(x), (B, mid, h, w), of the attention after a stage."""
    return f"attention.{stage}.{part}"


@dataclass(frozen=True)
class Graph:
    """A graph, ready to run.

    Attributes:
        run: the tensors asked for, in order, for its inputs by name; many threads may call it.
        dimensions: length of the first one's second axis: D of descriptors.
        engine: what runs it, and in which precision, in words.
        name: of the engine.
    """

    run: Callable[[Mapping[str, NDArray[np.generic]]], list[NDArray[np.float32]]]
    dimensions: int
    engine: str
    name: str


class GraphExtractor(BatchExtractor):
    """A model's graph with the settings that it extracts with; see `Extractor`."""

    batch_pixels = 2_000_000

    def __init__(
        self,
        document: ModelDocument,
        open_graph: Callable[[int], Graph],
        *,
        image_size: int | None,
        scales: Sequence[float] | None,
        decoding: str,
        whitening: Whitening | None,
        name: str,
    ) -> None:
        """Use `open_extractor`, which takes the settings too.

        Args:
            document: of the model's folder.
            open_graph: opens its graph, for so many threads that run it at once.
            image_size: None for the model's own.
            scales: None for the model's own.
            decoding: of files.
            whitening: applied after the model.
            name: what the extraction calls the model.

        Raises:
            UsageError: a setting out of range.
        """
        assert isinstance(document.config, GlobalConfig)  # noqa: S101 - narrows the type
        super().__init__(
            name,
            document.config,
            image_size=image_size,
            scales=scales,
            decoding=decoding,
            whitening=whitening,
        )
        self._document, self._open = document, lru_cache(open_graph)
        self._graph = self._open(1)

    def _at_once(self, count: int) -> int:
        most = min(cores(), _MOST_AT_ONCE)
        small = (self.image_size * max(self.scales)) ** 2 <= _SMALL
        at_once = most if small and count >= _MANY * most else 1
        self._open(at_once)  # here, or the first threads would each open it
        return at_once

    @property
    def engine(self) -> str:
        """What runs the network, in words."""
        return self._graph.engine

    def _network(self) -> tuple[str, int]:
        return self._document.fingerprint(), self._graph.dimensions

    def _precision(self) -> str:
        if self._document.stored != INT8:
            return super()._precision()
        return f"int8 {self._document.graph_digest[:8]} {self._graph.name}"

    @cached_property
    def _power(self) -> float:
        """Of the mean over scales; see `GlobalDescriptor.multi_scale`."""
        if not self._config.power_mean:
            return 1.0
        ((_, p),) = self._document.tensors({"pool.p"})
        return float(p.item())

    def _describe_batch(self, photos: Sequence[Image], at_once: int) -> Descriptors:
        graph = self._open(at_once)
        images = np.stack([np.asarray(photo) for photo in photos])  # (B, H, W, 3) uint8
        total: Descriptors = np.zeros((), np.float32)
        power = self._power if len(self.scales) > 1 else 1.0
        for scale in self.scales:
            inputs = {PHOTOS: images, SCALE: np.array([scale], np.float32)}
            (found,) = graph.run(inputs)  # (B, D)
            total = total + found**power
        total = total ** (1 / power)
        length = np.linalg.norm(total, axis=1, keepdims=True)
        require_finite(length, self._document.name, "descriptors")
        descriptors: Descriptors = total / np.maximum(length, np.float32(1e-6))
        return descriptors
