"""Whitening learned from photos, places or a file of descriptors.

It is learned from the descriptors that the model pools, without the whitening layer it may have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solar.datasets.places import Places, open_places
from solar.errors import PhotoError, SolarError, UsageError
from solar.extraction import Collected, Extraction, Extractor, collect, open_extractor
from solar.extraction.descriptors import SUFFIXES, DescriptorsFile
from solar.models.whitening import Whitening, require_power
from solar.photos import Box, find_photos
from solar.typing import Progress
from solar.whitening.pairs import all_pairs, matching_pairs


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


def fit(
    source: Path,
    *,
    model: str | Path | None = None,
    learned: bool = False,
    published: bool = False,
    photos: Path | None = None,
    dimensions: int | None = None,
    image_size: int | None = None,
    scales: Sequence[float] | None = None,
    power: float | None = None,
    engine: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    progress: Progress | None = None,
) -> Learned:
    """Whitening from photos, labelled photos or a file of descriptors, as `solar whiten fit` does.

    Args:
        source: a folder of photos, or a file of descriptors; with `learned`, a folder of
            places or a list of labels.
        model: what `solar.load` takes; None for the bundled one.
        learned: from matching pairs instead of PCA.
        published: learn from all pairs and without shrinkage, as the published code does.
        photos: folder that a list's paths refer to, see `open_places`.
        dimensions: to keep; None for all.
        image_size: see `open_extractor`; so `scales`, `engine`, `device` and `precision`.
        scales: see there.
        power: of PCA, see `Whitening.pca`; None for 1.
        engine: see there.
        device: see there.
        precision: see there.
        progress: called with photos done and in all.

    Raises:
        UsageError: options that do not go together, or a source that does not support them.
        SolarError: the source cannot be read.
    """
    if source.suffix in SUFFIXES:
        if learned or any(option is not None for option in (model, image_size, scales)):
            raise UsageError(
                f"{source}: holds descriptors as they are: only --to, --dimensions and --power go "
                "with it"
            )
        return learn_pca_from_file(source, dimensions, 1.0 if power is None else power)
    if learned and power is not None:
        raise UsageError("--power is for PCA: leave it out, or leave --learned out")
    if (published or photos) and not learned:
        raise UsageError("--published and --photos are for pairs: give --learned too")
    found = open_places(source, photos=photos) if learned else find_photos(source)
    if not len(found):
        raise UsageError(f"{source}: holds no photos")
    bare = open_extractor(
        model or "solar-r18",
        engine=engine,
        device=device,
        precision=precision,
        image_size=image_size,
        scales=scales,
        pooled=True,
    )
    if isinstance(found, list):
        return learn_pca(bare, found, dimensions, progress, 1.0 if power is None else power)
    return learn_from_places(bare, found, dimensions, progress, published=published)


def learn_pca(
    extractor: Extractor,
    photos: Sequence[Path],
    dimensions: int | None = None,
    progress: Progress | None = None,
    power: float = 1.0,
) -> Learned:
    """PCA whitening from photos.

    Args:
        extractor: see `open_extractor`, `pooled`.
        photos: any, of the kind that will be searched; more than the model has dimensions.
        dimensions: to keep; None for all that the photos support.
        progress: called with photos done and in all.
        power: as for `Whitening.pca`.

    Raises:
        UsageError: the photos support fewer dimensions, or the power is out of range.
        SolarError: no photo could be described.
    """
    require_power(power)
    _require_photos(len(photos), dimensions, extractor.extraction.dimensions)
    found = _describe(extractor, photos, progress=progress)
    whitening = _pca(found.descriptors, dimensions, extractor.extraction, power)
    return Learned(whitening, len(found.descriptors), failed=_failed(found))


def learn_pca_from_file(path: Path, dimensions: int | None = None, power: float = 1.0) -> Learned:
    """PCA whitening from a file of descriptors, for descriptors of that kind.

    Raises:
        UsageError: no such file, its photos support fewer dimensions, or the power is out of range.
        SolarError: not a file of descriptors.
    """
    file = DescriptorsFile.load(path)
    whitening = _pca(file.descriptors, dimensions, file.extraction, power)
    return Learned(whitening, len(file.descriptors))


def learn_from_places(
    extractor: Extractor,
    places: Places,
    dimensions: int | None = None,
    progress: Progress | None = None,
    *,
    published: bool = False,
) -> Learned:
    """Whitening learned from matching pairs of photos, with shrinkage.

    `matching_pairs` says which pairs; only their photos are described. As published: all pairs,
    all photos for the principal axes, and no shrinkage.

    Args:
        extractor: see `open_extractor`, `pooled`.
        places: photos with labels.
        dimensions: to keep; None for all.
        progress: called with photos done and in all.
        published: as the published code does it.

    Raises:
        UsageError: no place has two photos, or the model has fewer dimensions.
        SolarError: no photo could be described.
    """
    pairs = all_pairs(places) if published else matching_pairs(places)
    if not len(pairs):
        raise UsageError(f"{places.source}: no place has two photos to learn from")
    _require_dimensions(dimensions, extractor.extraction.dimensions)
    used = np.arange(len(places)) if published else np.unique(pairs)
    numbers, boxes, unsized = _boxes(places, used)
    paths = [places.path(number) for number in numbers]
    found = _describe(extractor, paths, boxes, progress)
    rows = np.full(len(places), -1)
    rows[np.array(numbers)[found.positions]] = np.arange(len(found.positions))
    matched = rows[pairs]
    matched = matched[(matched >= 0).all(1)]
    if not len(matched):
        raise SolarError(f"{places.source}: no pair is left of photos that can be used")
    whitening = Whitening.learned(found.descriptors, *matched.T, shrink=not published)
    how = {"method": "learned", "photos": len(found.descriptors), "pairs": len(matched)}
    how["shrinkage"] = not published
    settings = {**how, "extraction": extractor.extraction.to_json()}
    return Learned(
        replace(whitening.reduced(dimensions), settings=settings),
        len(found.descriptors),
        len(matched),
        (*unsized, *_failed(found)),
    )


def _describe(
    extractor: Extractor,
    paths: Sequence[Path],
    boxes: Sequence[Box | None] | None = None,
    progress: Progress | None = None,
) -> Collected:
    found = collect(extractor, paths, boxes, progress)
    if not len(found.positions):
        reason = "there is no photo to learn a whitening from"
        raise SolarError(found.failures[0].reason if found.failures else reason)
    return found


def _failed(found: Collected) -> tuple[str, ...]:
    return tuple(failure.reason for failure in found.failures)


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
    extraction: Extraction,
    power: float,
) -> Whitening:
    _require_photos(len(descriptors), dimensions, descriptors.shape[1])
    how = {"method": "pca", "photos": len(descriptors), "power": power}
    whitening = Whitening.pca(descriptors, power).reduced(dimensions)
    return replace(whitening, settings={**how, "extraction": extraction.to_json()})


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
