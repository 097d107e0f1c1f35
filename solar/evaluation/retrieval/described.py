"""The first step of an evaluation: descriptors of a data set, in a folder with all their settings.

`config.json` holds the settings, `ground_truth.json` the labels, `database/` and
`queries/` the descriptors, float32. Whoever has the folder can score it without the photos and
without the model.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import solar
from solar.datasets.ground_truth import GroundTruth, parse
from solar.datasets.photos import LabelledSet
from solar.errors import SolarError, UsageError
from solar.extraction import Extraction, Extractor
from solar.extraction.shards import (
    create_shards,
    fill,
    open_shards,
    progress_within,
    report_failures,
)
from solar.files import MEGABYTE, read_json, write_atomically
from solar.photos import Box
from solar.typing import AnyPath, Progress

_SHARD = 1024


@dataclass(frozen=True, eq=False)
class DescribedSet:
    """Descriptors of a data set, in a folder.

    Attributes:
        folder: where it is.
        config: ``extraction`` (of the descriptors), ``crop``, ``dataset``, ``ground_truth``
            (digest), ``solar`` (version).
        ground_truth: the labels.
        queries: (Q, D) float32, unit rows.
        database: (N, D) float32, unit rows.
    """

    folder: Path
    config: Mapping[str, Any]
    ground_truth: GroundTruth
    queries: NDArray[np.float32]
    database: NDArray[np.float32]

    @property
    def extraction(self) -> Extraction:
        """What made the descriptors."""
        return Extraction.from_json(self.config["extraction"], self.folder / "config.json")


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
    config = {
        "extraction": extractor.extraction.to_json(),
        "crop": crop,
        "dataset": truth.dataset,
        "ground_truth": truth.sha256,
        "solar": solar.__version__,
    }
    _claim(folder, config, overwrite)
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
    config = _read_config(folder)
    if config is None:
        raise SolarError(f"{folder}: no config.json: describe a data set into this folder first")
    source = folder / "ground_truth.json"
    truth = parse(read_json(source, way_out="evaluate again"), config["dataset"], str(source))
    if truth.sha256 != config["ground_truth"]:
        raise SolarError(f"{source}: not the ground truth of config.json: evaluate again")
    database = open_shards(folder / "database").load()
    if _queries_are_rows(truth, config["crop"]):
        row = {name: number for number, name in enumerate(truth.database)}
        queries = database[[row[query.name] for query in truth.queries]]
    else:
        queries = open_shards(folder / "queries").load()
    if len(queries) != len(truth.queries) or len(database) != len(truth.database):
        raise SolarError(f"{folder}: not as many descriptors as photos: evaluate again")
    return DescribedSet(
        folder, config, truth, queries.astype(np.float32), database.astype(np.float32)
    )


def _queries_are_rows(truth: GroundTruth, crop: bool) -> bool:
    """Whether every query is a whole photo of the database, so that its descriptor is there."""
    whole = not crop or all(query.box is None for query in truth.queries)
    return whole and {query.name for query in truth.queries} <= set(truth.database)


def _claim(folder: Path, config: Mapping[str, Any], overwrite: bool) -> None:
    """Make the folder this configuration's own, or refuse."""
    found = _read_config(folder)
    if found is None and folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder}: holds something else: choose an empty folder")
    if found is not None:
        different = _differences(config, found)
        if not different:
            return
        if not overwrite:
            raise UsageError(
                f"{folder}: holds descriptors made otherwise ({different}): "
                "choose another folder, or say --overwrite"
            )
        for part in (folder / "database", folder / "queries"):
            if part.exists():
                shutil.rmtree(part)
    folder.mkdir(parents=True, exist_ok=True)
    with write_atomically(folder / "config.json") as file:
        file.write(json.dumps(config, indent=1).encode())


def _differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    changed = [
        f"{name} {ours[name]!s:.16} and {theirs.get(name)!s:.16}"
        for name in ("dataset", "ground_truth", "crop")
        if ours[name] != theirs.get(name)
    ]
    made, asked = (
        Extraction.from_json(config["extraction"], "config.json") for config in (theirs, ours)
    )
    return ", ".join([*changed, *made.differences(asked)])


def _read_config(folder: Path) -> dict[str, Any] | None:
    path = folder / "config.json"
    if not path.exists():
        return None
    config = read_json(path, MEGABYTE)
    needed = {"extraction", "crop", "dataset", "ground_truth"}
    if isinstance(config, dict) and needed <= config.keys():
        return config
    raise SolarError(f"{path}: not the configuration of an evaluation's descriptors")
