"""The first step of an evaluation: descriptors of a data set, in a folder with all their settings.

Beside the settings, `ground_truth.json` holds the labels, `database/` and `queries/` the
descriptors, float32. Whoever has the folder can score it without the photos and
without the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import solar
from solar.datasets.ground_truth import GroundTruth, parse
from solar.datasets.photos import LabelledSet
from solar.errors import SolarError
from solar.extraction import Extraction, Extractor
from solar.extraction.shards import (
    create_shards,
    fill,
    open_shards,
    progress_within,
    report_failures,
)
from solar.files import SETTINGS, claim_folder, read_json, read_settings, write_atomically
from solar.photos import Box
from solar.typing import AnyPath, Progress

_SHARD = 1024
_OWN = ("crop", "dataset", "ground_truth", "solar")


@dataclass(frozen=True, eq=False)
class DescribedSet:
    """Descriptors of a data set, in a folder.

    Attributes:
        folder: where it is.
        extraction: what made the descriptors.
        settings: beside it `crop`, `dataset`, `ground_truth` (digest), `solar` (version).
        ground_truth: the labels.
        queries: (Q, D) float32, unit rows.
        database: (N, D) float32, unit rows.
    """

    folder: Path
    extraction: Extraction
    settings: Mapping[str, Any]
    ground_truth: GroundTruth
    queries: NDArray[np.float32]
    database: NDArray[np.float32]


def describe_set(
    extractor: Extractor,
    photos: LabelledSet,
    folder: AnyPath,
    *,
    crop: bool = True,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> DescribedSet:
    """Describe a data set's photos; what the folder already has is kept, so it resumes.

    Args:
        extractor: what describes them.
        photos: the data set.
        folder: made if missing.
        crop: crop each query to its box.
        overwrite: replace descriptors that were made with other settings.
        progress: called with photos done and in all.

    Raises:
        UsageError: the folder holds descriptors made with other settings; says which differ.
        SolarError: photos cannot be described; names them.
    """
    folder, truth = Path(folder), photos.ground_truth
    settings = {
        "crop": crop,
        "dataset": truth.dataset,
        "ground_truth": truth.sha256,
        "solar": solar.__version__,
    }
    claim_folder(
        folder,
        {**extractor.extraction.to_json(), **settings},
        ["database", "queries"],
        overwrite=overwrite,
        uncompared=("model", "solar"),
    )
    with write_atomically(folder / "ground_truth.json") as file:
        file.write(truth.to_json().encode())
    whole: list[Box | None] = [None] * len(truth.database)
    parts = [("database", truth.database, photos.database, whole)]
    if not _queries_are_rows(truth, crop):
        names = tuple(query.name for query in truth.queries)
        parts.append(("queries", names, photos.queries, photos.boxes(crop)))
    before, total = 0, sum(len(names) for _, names, _, _ in parts)
    for part, names, paths, boxes in parts:
        shards = create_shards(folder / part, extractor.extraction, names, _SHARD, "float32")
        told = progress and progress_within(progress, before, total)
        if failures := fill(shards, extractor, paths, boxes, progress=told):
            raise SolarError(report_failures(failures, len(paths)))
        before += len(names)
    return load(folder)


def load(folder: AnyPath) -> DescribedSet:
    """Read a folder that `describe_set` has filled.

    Raises:
        SolarError: it holds no descriptors, or not all of them.
    """
    folder = Path(folder)
    settings, source = read_settings(folder), folder / "ground_truth.json"
    own = {name: settings.pop(name, None) for name in _OWN}
    extraction = Extraction.from_json(settings, folder / SETTINGS)
    truth = parse(read_json(source, way_out="evaluate again"), str(own["dataset"]), str(source))
    if truth.sha256 != own["ground_truth"]:
        raise SolarError(f"{source}: not the ground truth of {SETTINGS}: evaluate again")
    database = open_shards(folder / "database").load()
    if _queries_are_rows(truth, own["crop"]):
        row = {name: number for number, name in enumerate(truth.database)}
        queries = database[[row[query.name] for query in truth.queries]]
    else:
        queries = open_shards(folder / "queries").load()
    if len(queries) != len(truth.queries) or len(database) != len(truth.database):
        raise SolarError(f"{folder}: not as many descriptors as photos: evaluate again")
    return DescribedSet(
        folder, extraction, own, truth, queries.astype(np.float32), database.astype(np.float32)
    )


def _queries_are_rows(truth: GroundTruth, crop: bool) -> bool:
    """Whether every query is a whole photo of the database, so that its descriptor is there."""
    whole = not crop or all(query.box is None for query in truth.queries)
    return whole and {query.name for query in truth.queries} <= set(truth.database)
