"""A view of arrays in memory: the simplest that there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from solar.calibration import Background, Calibration, index_level
from solar.features.features import Features
from solar.ranking import Ranking
from solar.typing import Descriptor, Descriptors, Ids


@dataclass
class ArrayView:
    """See `solar.rerank.View`; ids are rows."""

    descriptor: Descriptor
    rows: Descriptors
    features: Sequence[Features] = ()
    kept: Sequence[Features | None] = ()
    calibration: Calibration | None = None

    @property
    def background(self) -> Background:
        return Background.of(self.descriptor, self.rows, index_level(self.rows))

    def descriptors(self, ids: Ids) -> Descriptors:
        return self.rows[ids]

    def features_of(self, ids: Ids) -> Sequence[Features | None]:
        return [self.kept[number] for number in ids.tolist()]

    def search(self, descriptor: Descriptor, top: int) -> Ranking:
        scores = self.rows @ descriptor
        best = np.argsort(-scores, kind="stable")[:top]
        return Ranking.of(best, scores[best])
