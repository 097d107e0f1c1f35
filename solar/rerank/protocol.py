"""What a way to re-rank is, and what it may ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from solar.calibration import Background, Calibration
from solar.features.features import Features
from solar.ranking import Ranking
from solar.typing import Descriptor, Descriptors, Ids


class View(Protocol):
    """One query, and the photos that it is compared with; an index and an evaluation have it."""

    @property
    def descriptor(self) -> Descriptor:
        """(D,) of the query."""
        ...

    @property
    def features(self) -> Sequence[Features]:
        """Of each photo of the query; empty if none can be had."""
        ...

    @property
    def calibration(self) -> Calibration | None:
        """Of the model; None if it has none."""
        ...

    @property
    def background(self) -> Background:
        """What the query's cosines are compared with."""
        ...

    def descriptors(self, ids: Ids) -> Descriptors:
        """(K, D), those of some photos."""
        ...

    def features_of(self, ids: Ids) -> Sequence[Features | None]:
        """Those of K photos; None where a photo has none."""
        ...

    def search(self, descriptor: Descriptor, top: int) -> Ranking:
        """Rank all photos for another descriptor (D,) of unit length.

        Returns:
            A ranking whose `head` is `top`, or the number of photos.
        """
        ...


class Reranker(Protocol):
    """One way to re-rank."""

    @property
    def name(self) -> str:
        """By which it is asked for."""
        ...

    @property
    def description(self) -> str:
        """The name with all parameters, for reports."""
        ...

    @property
    def first(self) -> int:
        """How many of the first hits it looks at."""
        ...

    @property
    def needs_features(self) -> bool:
        """Whether it compares features."""
        ...

    def __call__(self, ranking: Ranking, view: View) -> Ranking:
        """Rank again.

        Args:
            ranking: of the query.
            view: the query, and what it is compared with.

        Returns:
            As many first places as were known, each photo once. Scores stay cosines of the
            query's descriptor.
        """
        ...
