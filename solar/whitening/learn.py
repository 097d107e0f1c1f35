"""Whitening learned from photos, places or a file of descriptors.

It is learned from the descriptors that the model pools, without the whitening layer it may have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from solar.errors import PhotoError, SolarError, UsageError
from solar.extraction.descriptors import DescriptorsFile
from solar.extraction.engines.torch import Described, Progress, describe_photos
from solar.models.whitening import Whitening, require_power, with_whitening
from solar.photos.images import Box
from solar.whitening.pairs import matching_pairs

if TYPE_CHECKING:
    from solar.datasets.places.places import Places
    from solar.models.global_descriptor import GlobalDescriptor


@dataclass(frozen=True)
class Learned:
    """A whitening and what it was learned from.

    Attributes:
        whitening: its settings say how it was learned.
        photos: how many it was learned from.
        pairs: how many matching pairs of them; 0 for PCA.
        failed: one line for each photo that could not be used.
    """

    whitening: Whitening
    photos: int
    pairs: int = 0
    failed: tuple[str, ...] = ()


def learn_pca(
    model: GlobalDescriptor,
    photos: Sequence[Path],
    dimensions: int | None = None,
    image_size: int | None = None,
    scales: Sequence[float] | None = None,
    progress: Progress | None = None,
    power: float = 1.0,
) -> Learned:
    """PCA whitening from photos.

    Args:
        model: whose descriptors are to be whitened.
        photos: any, of the kind that will be searched; more than the model has dimensions.
        dimensions: to keep; None for all that the photos support.
        image_size: limit of the longest side in pixels; None for the model's own.
        scales: None for the model's own.
        progress: called with photos done and in all.
        power: as for `Whitening.pca`.

    Raises:
        UsageError: the photos support fewer dimensions, or the power is out of range.
        SolarError: no photo could be described.
    """
    require_power(power)
    _require_photos(len(photos), dimensions, model.channels)
    found = _describe(model, photos, [None] * len(photos), image_size, scales, progress)
    whitening = _pca(found.descriptors, dimensions, found.settings, power)
    return Learned(whitening, len(found.descriptors), failed=found.failed)


def learn_pca_from_file(path: Path, dimensions: int | None = None, power: float = 1.0) -> Learned:
    """PCA whitening from a file of descriptors, for descriptors of that kind.

    Raises:
        UsageError: no such file, its photos support fewer dimensions, or the power is out of range.
        SolarError: not a file of descriptors.
    """
    file = DescriptorsFile.load(path)
    whitening = _pca(file.descriptors, dimensions, file.settings, power)
    return Learned(whitening, len(file.descriptors))


def learn_from_places(
    model: GlobalDescriptor,
    places: Places,
    dimensions: int | None = None,
    image_size: int | None = None,
    scales: Sequence[float] | None = None,
    progress: Progress | None = None,
) -> Learned:
    """Whitening learned from matching pairs of photos, with shrinkage.

    `matching_pairs` says which pairs; only their photos are described.

    Args:
        model: whose descriptors are to be whitened.
        places: photos with labels.
        dimensions: to keep; None for all.
        image_size: limit of the longest side in pixels; None for the model's own.
        scales: None for the model's own.
        progress: called with photos done and in all.

    Raises:
        UsageError: no place has two photos, or the model has fewer dimensions.
        SolarError: no photo could be described.
    """
    pairs = matching_pairs(places)
    if not len(pairs):
        raise UsageError(f"{places.source}: no place has two photos to learn from")
    _require_dimensions(dimensions, model.channels)
    numbers, boxes, unsized = _boxes(places, np.unique(pairs))
    paths = [places.path(number) for number in numbers]
    found = _describe(model, paths, boxes, image_size, scales, progress)
    rows = np.full(len(places), -1)
    rows[np.array(numbers)[found.positions]] = np.arange(len(found.positions))
    matched = rows[pairs]
    matched = matched[(matched >= 0).all(1)]
    if not len(matched):
        raise SolarError(f"{places.source}: no pair is left of photos that can be used")
    whitening = Whitening.learned(found.descriptors, *matched.T, shrink=True)
    how = {"method": "learned", "photos": len(found.descriptors), "pairs": len(matched)}
    return Learned(
        replace(whitening.reduced(dimensions), settings={**found.settings, **how}),
        len(found.descriptors),
        len(matched),
        (*unsized, *found.failed),
    )


@dataclass(frozen=True, eq=False)
class _Found:
    """Photos described without whitening: rows, their positions, settings, what failed."""

    descriptors: NDArray[np.float32]
    positions: NDArray[np.int64]
    settings: Mapping[str, Any]
    failed: tuple[str, ...]


def _describe(
    model: GlobalDescriptor,
    paths: Sequence[Path],
    boxes: Sequence[Box | None],
    image_size: int | None,
    scales: Sequence[float] | None,
    progress: Progress | None,
) -> _Found:
    bare = with_whitening(model, None)
    rows = np.zeros((len(paths), bare.dimensions), np.float32)
    described = np.zeros(len(paths), bool)
    failed = []
    for result in describe_photos(
        bare, paths, boxes=boxes, image_size=image_size, scales=scales, progress=progress
    ):
        if isinstance(result, Described):
            rows[result.position], described[result.position] = result.descriptor, True
        else:
            failed.append(result.reason)
    if not described.any():
        raise SolarError(failed[0] if failed else "there is no photo to learn a whitening from")
    settings = {
        "model": model.name,
        "fingerprint": bare.fingerprint,
        "image_size": image_size or model.config.image_size,
        "scales": list(scales or model.config.scales),
    }
    return _Found(rows[described], np.flatnonzero(described), settings, tuple(failed))


def _boxes(
    places: Places, numbers: NDArray[np.int64]
) -> tuple[list[int], list[Box | None], list[str]]:
    """The photos whose box is known, their boxes, and a line for each other."""
    kept, boxes, failed = [], [], []
    for number in numbers.tolist():
        try:
            boxes.append(places.box(number))
        except PhotoError as error:
            failed.append(str(error))
        else:
            kept.append(number)
    return kept, boxes, failed


def _pca(
    descriptors: NDArray[np.float32],
    dimensions: int | None,
    settings: Mapping[str, Any],
    power: float,
) -> Whitening:
    _require_photos(len(descriptors), dimensions, descriptors.shape[1])
    how = {"method": "pca", "photos": len(descriptors), "power": power}
    whitening = Whitening.pca(descriptors, power).reduced(dimensions)
    return replace(whitening, settings={**settings, **how})


def _require_photos(photos: int, dimensions: int | None, width: int) -> None:
    """PCA of N descriptors finds at most N - 1 directions in which they differ."""
    if dimensions is not None and min(photos - 1, width) < dimensions <= width:
        raise UsageError(
            f"{dimensions} dimensions need at least {dimensions + 1} photos, there are {photos}: "
            "give more photos or ask for fewer dimensions"
        )
    _require_dimensions(dimensions, width)


def _require_dimensions(dimensions: int | None, width: int) -> None:
    if dimensions is not None and not 1 <= dimensions <= width:
        raise UsageError(f"{dimensions} dimensions asked for; the descriptors have {width}")
