"""The tuples of an epoch: photos drawn, described, and for each query its hardest negatives."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from solar.errors import PhotoError, SolarError
from solar.extraction import collect
from solar.extraction.engines.torch import TorchExtractor
from solar.models.global_descriptor import GlobalDescriptor
from solar.training.retrieval.mining import hardest_negatives
from solar.training.retrieval.recipe import RetrievalRecipe
from solar.training.retrieval.sampling import Draw
from solar.training.retrieval.tuples import Numbers, TrainingPhotos, Tuples
from solar.training.run.processes import Processes
from solar.training.run.task import Progress


@dataclass(frozen=True)
class Mined:
    """Tuples and how they came about.

    Attributes:
        tuples: of the epoch.
        pool: photos among which negatives were looked for.
        photos: that were described: the pool, the queries and their positives, each once.
        unreadable: one line for each photo that could not be.
        seconds: that it took.
    """

    tuples: Tuples
    pool: int
    photos: int
    unreadable: Sequence[str]
    seconds: float


def mine(
    model: GlobalDescriptor,
    photos: TrainingPhotos,
    drawn: Draw,
    recipe: RetrievalRecipe,
    processes: Processes,
    progress: Progress,
) -> Mined:
    """Find the hardest negatives of an epoch's queries; the work is divided among the processes.

    Queries, positives and pool are described once each, whole, at one scale. Those that cannot
    be read are left out, a tuple with its query or positive.

    Args:
        model: as it is now.
        photos: of the recipe.
        drawn: the epoch's queries, positives and pool.
        recipe: sizes and counts.
        processes: all get the same tuples.
        progress: called with "pool", photos done and in all, of this process.

    Raises:
        UsageError: too few places for so many negatives.
        SolarError: no query can be read.
    """
    started = time.monotonic()
    numbers = np.unique(np.concatenate([drawn.queries, drawn.positives, drawn.pool]))
    descriptors, unreadable = _describe(model, photos, numbers, recipe, processes, progress)
    readable = descriptors.isfinite().all(1)
    query, positive, pool = (
        torch.from_numpy(np.searchsorted(numbers, part)).to(processes.device)
        for part in (drawn.queries, drawn.positives, drawn.pool)
    )
    usable = readable[query] & readable[positive]
    query, positive, pool = query[usable], positive[usable], pool[readable[pool]]
    if not len(query):
        raise SolarError(f"no query and its positive can be read: {unreadable[0]}")
    places = torch.from_numpy(photos.places[numbers]).to(processes.device)
    own = query[processes.share(len(query))]
    rows = hardest_negatives(
        descriptors[own], descriptors[pool], places[own], places[pool], recipe.tuples.negatives
    )
    negatives = processes.gather(pool[rows], len(query))
    tuples = torch.cat([query[:, None], positive[:, None], negatives], 1).cpu().numpy()
    seconds = time.monotonic() - started
    return Mined(Tuples(numbers[tuples]), len(pool), len(numbers), unreadable, seconds)


def _describe(
    model: GlobalDescriptor,
    photos: TrainingPhotos,
    numbers: Numbers,
    recipe: RetrievalRecipe,
    processes: Processes,
    progress: Progress,
) -> tuple[Tensor, list[str]]:
    """Descriptors (N, D), rows of NaN for photos that cannot be read; and why they cannot."""
    own = numbers[processes.share(len(numbers))].tolist()
    descriptors = torch.full((len(own), model.dimensions), torch.nan)
    rows, boxes, unreadable = [], [], []
    for row, number in enumerate(own):
        try:
            boxes.append(photos.box(number))
            rows.append(row)
        except PhotoError as error:  # a relative box needs the photo's size
            unreadable.append(str(error))
    extractor = TorchExtractor(
        model,
        image_size=recipe.tuples.pool_image_size,
        scales=(1.0,),
        precision=recipe.optimiser.precision,
    )
    found = collect(
        extractor,
        [photos.path(own[row]) for row in rows],
        boxes,
        lambda done, total: progress("pool", done, total),
    )
    descriptors[np.array(rows, np.int64)[found.positions]] = torch.from_numpy(found.descriptors)
    unreadable += [failure.reason for failure in found.failures]
    descriptors = processes.gather(descriptors.to(processes.device), len(numbers))
    return descriptors, processes.gather_lines(unreadable)
