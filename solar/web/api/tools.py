"""What shows why: attention, keypoints and contributions, opened when they are first asked for."""

from __future__ import annotations

import threading
from functools import cached_property

from solar.errors import SolarError
from solar.extraction.attend import Attention
from solar.extraction.explain import Explainer
from solar.features.descriptors import open_descriptor
from solar.features.keypoints import KeypointDescriptor

_PATCHES = "solar-local"


class Tools:
    """Those of one model; threads may share them."""

    def __init__(self, model: str, engine: str) -> None:
        """Name the model.

        Args:
            model: a named model, or its folder.
            engine: that runs it; torch is none here, and counts as auto.
        """
        self._model, self._engine = model, "auto" if engine == "torch" else engine
        self._opening = threading.Lock()

    @cached_property
    def stages(self) -> list[str]:
        """After which attention can be shown; empty of a model without a graph."""
        try:
            return self.attention.stages
        except SolarError:
            return []

    @property
    def attention(self) -> Attention:
        """Of the model.

        Raises:
            SolarError: it has no graph.
        """
        with self._opening:
            return self._attention

    @property
    def explainer(self) -> Explainer:
        """Of the model.

        Raises:
            SolarError: it has no graph, or its descriptors have no parts.
        """
        with self._opening:
            return self._explainer

    @property
    def patches(self) -> KeypointDescriptor:
        """What describes keypoints for `solar.match`."""
        with self._opening:
            return self._patches

    @cached_property
    def _attention(self) -> Attention:
        return Attention(self._model, self._engine)

    @cached_property
    def _explainer(self) -> Explainer:
        return Explainer(self._model, self._engine)

    @cached_property
    def _patches(self) -> KeypointDescriptor:
        return open_descriptor(_PATCHES, engine=self._engine)
