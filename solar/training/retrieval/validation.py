"""How good a network is on places that it was not trained on: what chooses the best epoch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solar.datasets import open_folder
from solar.datasets.ground_truth import GroundTruth
from solar.errors import SolarError, UsageError
from solar.evaluation.retrieval import rank, score_rankings
from solar.extraction import collect
from solar.extraction.engines.torch import TorchExtractor
from solar.models.global_descriptor import GlobalDescriptor
from solar.training.retrieval.recipe import ValidationSettings


def validate(
    model: GlobalDescriptor,
    settings: ValidationSettings,
    base: Path,
    progress: Callable[[int, int], None] | None = None,
) -> float:
    """Mean average precision on a folder of places, every photo a query in turn.

    Args:
        model: the network.
        settings: the folder, and how its photos are seen.
        base: the folder that relative paths refer to.
        progress: called with photos done and in all.

    Returns:
        0 to 1.

    Raises:
        UsageError: there is nothing to measure.
        SolarError: a photo cannot be read.
    """
    try:
        photos = open_folder(base / settings.places)
    except SolarError as error:
        raise UsageError(f"[validation] places: {error}") from error
    extractor = TorchExtractor(model, image_size=settings.image_size, scales=settings.scales)
    found = collect(extractor, photos.database, progress=progress)
    if found.failures:
        raise SolarError(f"[validation] places: {found.failures[0].reason}")
    return folder_map(found.descriptors, photos.ground_truth)


def folder_map(
    descriptors: NDArray[np.float32],
    truth: GroundTruth,
    queries: NDArray[np.float32] | None = None,
) -> float:
    """Mean average precision where the queries are photos of the database.

    Args:
        descriptors: (N, D) of the database, unit rows.
        truth: as `solar.datasets.folder.open_folder` gives it.
        queries: (N, D), another look at each photo of the database, for those that are queries;
            None for the same.

    Returns:
        0 to 1.
    """
    rows = {name: row for row, name in enumerate(truth.database)}
    looks = descriptors if queries is None else queries
    asked = looks[[rows[query.name] for query in truth.queries]]
    rankings = rank(asked, descriptors, [query.labelled for query in truth.queries])
    return next(iter(score_rankings(rankings, truth.queries).values())).map
