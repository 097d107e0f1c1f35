"""What describes photos for an index: loaded once, whichever thread asks first."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from solar.calibration import Calibration
from solar.errors import CheckpointError, SolarError, UsageError
from solar.extraction import Extraction, Extractor, calibration_of, engine_of, open_extractor
from solar.features import (
    HAND_MADE,
    FeatureExtraction,
    FeatureExtractor,
    open_feature_extractor,
)
from solar.typing import AnyPath

if TYPE_CHECKING:
    from solar.models.global_descriptor import GlobalDescriptor

    Model = AnyPath | GlobalDescriptor | Extractor


def absolute_model(model: Model) -> Model:
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

    def load(
        self,
        model: Model,
        image_size: int | None,
        scales: Sequence[float] | None,
        decoding: str = "draft",
    ) -> Extractor:
        """An extractor by a model, which has settings of its own if it is one already.

        Raises:
            UsageError: it reads pixels as stored, while queries are turned upright.
        """
        given = isinstance(model, Extractor)
        extractor = open_extractor(
            model,
            engine=self.engine,
            device=self.device,
            precision=self.precision,
            image_size=None if given else image_size,
            scales=None if given or scales is None else tuple(scales),
            decoding="draft" if given else decoding,
        )
        if extractor.extraction.decoding == "stored":
            raise UsageError("an index is of upright photos: use decoding='upright'", self.folder)
        return extractor

    def load_features(self, features: AnyPath | FeatureExtractor) -> FeatureExtractor:
        """An extractor of features by its name, or as it is.

        Raises:
            CheckpointError: the network cannot be loaded.
            UsageError: there is none of this name.
        """
        if isinstance(features, FeatureExtractor):
            return features
        name = str(features if features in HAND_MADE else absolute_model(features))
        return open_feature_extractor(name, self.device, precision=self.precision)

    def calibration(self, made: Extraction) -> Calibration | None:
        """That of the model of an index; None if it has none, or does not lie where it did.

        Raises:
            CheckpointError: what the model's folder says is damaged.
        """
        if isinstance(self.model, str | os.PathLike):
            made = replace(made, model=os.fspath(self.model))
        return calibration_of(made)

    def use(self, extractor: Extractor, made: Extraction) -> None:
        """Take an extractor for this index from now on.

        Raises:
            UsageError: it describes otherwise than the index's photos were.
        """
        made.require_same(
            extractor.extraction,
            self.folder,
            f"use what it was made with, or describe its photos anew with `solar index --to "
            f"{self.folder} --model {extractor.extraction.model or made.model}`, or --extractor",
        )
        self._extractor = extractor

    def follow(self, before: Extraction, now: Extraction) -> None:
        """Let go of what described an index's photos before they were described anew otherwise.

        Args:
            before: what they were described by.
            now: what they are described by.
        """
        if before.differences(now):
            with self._lock:
                self._extractor = None
                self.model = self.model if before.fingerprint == now.fingerprint else None

    def extractor(self, made: Extraction) -> Extractor:
        """What describes photos as an index's were described, loaded on first use.

        Raises:
            CheckpointError: the model cannot be loaded.
            UsageError: it is another now.
        """
        with self._lock:
            if self._extractor is None:
                model = made.model if self.model is None else self.model
                try:
                    found = self.load(model, made.image_size, made.scales, made.decoding)
                except CheckpointError as error:
                    what = f"the model that it was made with, {made.model}"
                    option = "--model, or with --extractor if it is one of your own"
                    raise self._lost(what, error, option) from error
                self.use(found, made)
            assert self._extractor is not None  # noqa: S101
            return self._extractor

    def begin(self, made: Extraction, features: FeatureExtraction | None) -> None:
        """Load them in another thread; who asks for one waits for it, or gets the error."""

        def load() -> None:
            with suppress(Exception):  # whoever asks for it meets it again
                self.extractor(made)
                if features is not None:
                    self.feature_extractor(features)

        threading.Thread(target=load).start()

    @property
    def ran(self) -> str | None:
        """What runs the network, in words; None as long as no photo had to be described."""
        return None if self._extractor is None else engine_of(self._extractor)

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
                try:
                    self.features = open_feature_extractor(
                        made.descriptor,
                        self.device,
                        precision=self.precision,
                        detector=made.detector,
                        keypoints=made.keypoints,
                        image_size=made.image_size,
                    )
                except (CheckpointError, UsageError) as error:
                    name = made.descriptor
                    what = f"the local descriptor that its features were made with, {name}"
                    option = f"`solar index --to {self.folder} --local`"
                    raise self._lost(what, error, option) from error
            made.require_same(self.features.extraction, self.folder, "use what they were made with")
            return self.features

    def _lost(self, what: str, error: SolarError, option: str) -> CheckpointError:
        return CheckpointError(
            f"needs {what} ({error}): say where it is now with {option}", self.folder
        )
