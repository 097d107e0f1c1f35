"""What describes photos for an index: loaded once, whichever thread asks first."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from solar.errors import CheckpointError, SolarError, UsageError
from solar.extraction import Extraction, Extractor, open_extractor
from solar.features.extraction import FeatureExtraction
from solar.features.extractor import FeatureExtractor, open_feature_extractor
from solar.typing import AnyPath

if TYPE_CHECKING:
    from solar.models.global_descriptor import GlobalDescriptor

    Model = AnyPath | GlobalDescriptor | Extractor

_T = TypeVar("_T")


def place_of(model: Model) -> Model:
    """A model, its path made absolute where it is one: an index remembers it."""
    if not isinstance(model, str | os.PathLike):
        return model
    from solar.models.registry import is_named

    path = Path(model)
    return os.fspath(model) if is_named(model) or not path.exists() else str(path.absolute())


@dataclass
class Models:
    """The extractors of an index.

    Attributes:
        folder: of the index, for messages.
        model: what `open_extractor` takes; None for the one that the index names.
        features: what makes features; None for what the index names.
        device: where networks run.
        precision: of their arithmetic.
        engine: that runs the network.
    """

    folder: Path
    model: Model | None = None
    features: FeatureExtractor | None = None
    device: str = "auto"
    precision: str = "auto"
    engine: str = "auto"
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _extractor: Extractor | None = field(default=None, repr=False)

    def open(self, image_size: int | None, scales: tuple[float, ...] | None) -> Extractor:
        """Load the model that was given, with settings of its own or others."""
        if self.model is None:
            raise UsageError("no model was given", self.folder)
        given = isinstance(self.model, Extractor)
        return open_extractor(
            self.model,
            engine=self.engine,
            device=self.device,
            precision=self.precision,
            image_size=None if given else image_size,
            scales=None if given else scales,
        )

    def use(self, extractor: Extractor, made: Extraction) -> Extractor:
        """Take an extractor for this index from now on.

        Raises:
            UsageError: it describes otherwise than the index's photos were.
        """
        name = made.model
        made.require_same(
            extractor.extraction,
            self.folder,
            f"use what it was made with, or describe its photos anew with `solar index --to "
            f"{self.folder} --model {extractor.extraction.model or name}`",
        )
        self._extractor = extractor
        return extractor

    def extractor(self, made: Extraction) -> Extractor:
        """What describes photos as an index's were described, loaded on first use.

        Raises:
            CheckpointError: the model cannot be loaded.
            UsageError: it is another now.
        """
        with self._lock:
            if self._extractor is None:
                model = made.model if self.model is None else self.model
                loading = Models(self.folder, model, None, self.device, self.precision, self.engine)
                found = self._told(
                    lambda: loading.open(made.image_size, made.scales),
                    f"the model that it was made with, {made.model}",
                    "--model",
                    CheckpointError,
                )
                self.use(found, made)
            assert self._extractor is not None  # noqa: S101
            return self._extractor

    def renamed(self, made: Extraction) -> Extraction | None:
        """The index's extraction by the name that its model has now, if that is another."""
        if self._extractor is None or self._extractor.extraction.model == made.model:
            return None
        return replace(made, model=self._extractor.extraction.model)

    def feature_extractor(self, made: FeatureExtraction) -> FeatureExtractor:
        """What makes features as an index's were made, loaded on first use.

        Raises:
            CheckpointError: its network cannot be loaded.
            UsageError: it is another now.
        """
        with self._lock:
            if self.features is None:
                self.features = self._told(
                    lambda: open_feature_extractor(
                        made.descriptor,
                        self.device,
                        precision=self.precision,
                        detector=made.detector,
                        keypoints=made.keypoints,
                        image_size=made.image_size,
                    ),
                    f"the local descriptor that its features were made with, {made.descriptor}",
                    f"`solar index --to {self.folder} --local`",
                    (CheckpointError, UsageError),
                )
            made.require_same(self.features.extraction, self.folder, "use what they were made with")
            return self.features

    def _told(
        self,
        load: Callable[[], _T],
        what: str,
        option: str,
        errors: type[SolarError] | tuple[type[SolarError], ...],
    ) -> _T:
        """Load something; if it is not where it was, say how to tell where it is now."""
        try:
            return load()
        except errors as error:
            raise CheckpointError(
                f"needs {what} ({error}): say where it is now with {option}", self.folder
            ) from error
