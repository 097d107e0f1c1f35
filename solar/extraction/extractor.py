"""Photos in, descriptors out: the protocol that engines implement, and who collects them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from solar.calibration import Calibration
from solar.errors import SolarError, UsageError
from solar.extraction.extraction import Extraction
from solar.photos import Box, Photo
from solar.typing import AnyPath, Descriptor, Descriptors, Ids, Progress

if TYPE_CHECKING:
    from solar.models.global_descriptor import GlobalDescriptor
    from solar.models.whitening import Whitening

ENGINES = ("auto", "openvino", "onnx", "torch")


@dataclass(frozen=True, eq=False)
class Described:
    """A photo's descriptor.

    Attributes:
        position: of the photo among those asked for.
        descriptor: (D,) float32, unit length.
    """

    position: int
    descriptor: Descriptor


@dataclass(frozen=True, eq=False)
class Failed:
    """A photo that could not be used.

    Attributes:
        position: of the photo among those asked for.
        error: its message is one line that names the photo.
    """

    position: int
    error: SolarError

    @property
    def reason(self) -> str:
        """One line that names the photo."""
        return str(self.error)


@runtime_checkable
class Extractor(Protocol):
    """Makes descriptors, always in the same way."""

    @property
    def extraction(self) -> Extraction:
        """Everything that the descriptors depend on."""
        ...

    def describe(
        self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
    ) -> Iterator[Described | Failed]:
        """Describe photos; one that cannot be used never stops the rest.

        Args:
            photos: any, each decoded once.
            boxes: x1, y1, x2, y2 in pixels of each upright photo, or None for all of it; None for
                whole photos.

        Yields:
            One result for each photo, in any order.
        """
        ...


def open_extractor(
    model: AnyPath | GlobalDescriptor | Extractor = "solar-r18",
    *,
    engine: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    image_size: int | None = None,
    scales: Sequence[float] | None = None,
    decoding: str = "draft",
    whitening: Whitening | None = None,
    pooled: bool = False,
) -> Extractor:
    """What makes descriptors with a model: every command and function asks here.

    Args:
        model: what `solar.load` takes, a loaded network, an extractor, which comes back, a file
            that `solar.extraction.given` reads, or the name of an installed package's extractor;
            see `solar.extractor`.
        engine: that runs the network: `openvino` or `onnx`, on the processor, without torch, for
            a model with a graph; `torch`; `auto` takes torch if there is a graphics processor or
            no graph, else the first of these that is installed.
        device: `cpu`, `cuda`, `cuda:1`, `mps`; `auto` is a graphics processor if there is one.
        precision: of the arithmetic: `float32`, `bfloat16` or `float16`; `auto` is bfloat16 where
            the processor has it.
        image_size: limit of a photo's longest side in pixels; None for the model's own.
        scales: at which descriptors are averaged; None for the model's own.
        decoding: `draft` decodes no more of a large JPEG than is looked at, `upright` all of it;
            both turn photos by their EXIF orientation. `stored` leaves them as they are; so do
            images that were decoded before.
        whitening: applied after the model.
        pooled: leave the model's own whitening layer out, if it has one: what it pools is what
            another whitening is learned from.

    Raises:
        UsageError: a name or a size out of range, a whitening learned from other descriptors, or
            settings for an extractor, which has its own.
        CheckpointError: the model cannot be loaded.
        MissingPackage: only torch runs this model, and it is not installed.
    """
    if isinstance(model, Extractor):
        own = (image_size, scales, decoding, whitening, pooled)
        if own != (None, None, "draft", None, False):
            raise UsageError("an extractor has settings of its own: leave the others out")
        return model
    from solar.extraction.engines.choose import open_engine

    made = open_engine(
        model,
        engine,
        device=device,
        precision=precision,
        image_size=image_size,
        scales=scales,
        decoding=decoding,
        whitening=whitening,
        pooled=pooled,
    )
    if whitening is not None:
        _ = made.extraction  # refuses one of other descriptors before any is made
    return made


def calibration_of(extraction: Extraction) -> Calibration | None:
    """The calibration of the model that made descriptors.

    Returns:
        None if it has none, lies elsewhere now, or if it is of other descriptors: those of a
        network of the same name, or whitened afterwards.

    Raises:
        CheckpointError: what the model's folder says is damaged.
    """
    from solar.models.document import CONFIG, read_document
    from solar.models.registry import is_named, lies_at

    model = extraction.model
    folder = lies_at(model) if is_named(model) else Path(model)
    if extraction.whitening is not None or not (folder / CONFIG).is_file():
        return None
    found = read_document(folder).calibration
    return found if found and found.fingerprint == extraction.fingerprint else None


def engine_of(extractor: Extractor) -> str | None:
    """What runs the network, and in which precision, in words; None of one that does not say."""
    return getattr(extractor, "engine", None)


def describe_one(extractor: Extractor, photo: Photo, box: Box | None = None) -> Descriptor:
    """The descriptor of one photo, or of a box of it: (D,) float32, unit length.

    Raises:
        PhotoError: the photo cannot be used.
        UsageError: the box lies outside it.
    """
    (result,) = extractor.describe([photo], [box])
    if isinstance(result, Failed):
        raise result.error
    return result.descriptor


@dataclass(frozen=True, eq=False)
class Collected:
    """Many photos described.

    Attributes:
        descriptors: (K, D) float32, unit rows, of those that could be used, in order.
        positions: (K,) of these among the photos asked for, rising.
        failures: of the others, in order.
    """

    descriptors: Descriptors
    positions: Ids
    failures: tuple[Failed, ...]


def collect(
    extractor: Extractor,
    photos: Sequence[Photo],
    boxes: Sequence[Box | None] | None = None,
    progress: Progress | None = None,
) -> Collected:
    """Describe photos, and wait for all of them.

    Args:
        extractor: what describes them.
        photos: any.
        boxes: see `Extractor.describe`.
        progress: called with photos done and in all.

    Raises:
        SolarError: the extractor gave no result for a photo, two, or one of another shape.
    """
    rows = np.zeros((len(photos), extractor.extraction.dimensions), np.float32)
    described, failures = np.zeros(len(photos), bool), {}
    for done, result in enumerate(extractor.describe(photos, boxes), 1):
        if described[result.position] or result.position in failures:
            raise SolarError(f"{extractor.extraction.model}: described a photo twice")
        if isinstance(result, Failed):
            failures[result.position] = result
        elif result.descriptor.shape != rows.shape[1:]:
            shape = f"{result.descriptor.shape}, not {rows.shape[1:]}"
            raise SolarError(f"{extractor.extraction.model}: a descriptor of shape {shape}")
        else:
            rows[result.position], described[result.position] = result.descriptor, True
        if progress:
            progress(done, len(photos))
    if described.sum() + len(failures) != len(photos):
        raise SolarError(f"{extractor.extraction.model}: left out a photo")
    return Collected(
        rows if described.all() else rows[described],
        np.flatnonzero(described),
        tuple(failures[position] for position in sorted(failures)),
    )
