"""Whole evaluations of a model: describe, score, write the report. What a command calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from solar.datasets.folder import pairs, places
from solar.datasets.ground_truth import GroundTruth
from solar.datasets.photos import locate, open_dataset
from solar.errors import UsageError
from solar.evaluation.report.pages import write_page
from solar.evaluation.report.report import Report
from solar.evaluation.retrieval.export import Export, export
from solar.evaluation.retrieval.features import geometric
from solar.evaluation.retrieval.score import Reranking, score
from solar.extraction import Extractor
from solar.features.extractor import FeatureExtractor

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Photos:
    """A data set with its photos found.

    Attributes:
        ground_truth: names and labels.
        database: paths, one per database name.
        queries: paths, one per query.
    """

    ground_truth: GroundTruth
    database: Sequence[Path]
    queries: Sequence[Path]


@dataclass(frozen=True)
class Options:
    """How exported descriptors are scored.

    Attributes:
        distractors: a folder of shards made with the same settings.
        dimensions: numbers of dimensions to score as well.
        reranking: ranks the database instead of the descriptors' own order.
        page: write ``report.html`` too.
        to: the folder of the report; None for that of the descriptors.
    """

    distractors: Path | None = None
    dimensions: Sequence[int] = ()
    reranking: Reranking | None = None
    page: bool = True
    to: Path | None = None


def revisited_photos(dataset: str, root: str | Path | None = None) -> Photos:
    """A published data set, or a folder with a ground truth, and all its photos.

    Args:
        dataset: as for ``solar.datasets.photos.open_dataset``.
        root: the same.

    Raises:
        SolarError: the ground truth or photos are missing; names them.
    """
    truth, place = open_dataset(dataset, root)
    found = locate([*truth.database, *(query.name for query in truth.queries)], place)
    count = len(truth.database)
    return Photos(truth, found[:count], found[count:])


def folder_photos(root: str | Path, table: str | Path | None = None) -> Photos:
    """Any folder: its sub-folders are places, or a CSV names pairs.

    Raises:
        SolarError: there is nothing to evaluate; or a row of the CSV is wrong, names it.
    """
    truth = places(root) if table is None else pairs(root, table)
    database = [Path(root) / name for name in truth.database]
    return Photos(truth, database, [Path(root) / query.name for query in truth.queries])


def evaluate(
    extractor: Extractor,
    photos: Photos,
    folder: str | Path,
    *,
    crop: bool = True,
    overwrite: bool = False,
    options: Options | None = None,
    local: FeatureExtractor | None = None,
    progress: Progress | None = None,
) -> Report:
    """Describe a data set into a folder, score it, and write the report.

    Descriptors that the folder already has are kept; so, after the first time, this only scores.

    Args:
        extractor: what describes the photos.
        photos: the data set.
        folder: for the descriptors.
        crop: crop each query to its box.
        overwrite: replace descriptors that were made with other settings.
        options: how to score.
        local: what describes keypoints, to re-rank the first hits geometrically; None for not.
        progress: told ``("database" | "queries" | "keypoints", photos done, photos in all)``.

    Raises:
        UsageError: the folder's or the distractors' descriptors were made with other settings, or
            there are two ways to re-rank.
        SolarError: photos cannot be described; names them.
    """
    options = options or Options()
    if local is not None and options.reranking is not None:
        raise UsageError(f"geometric re-ranking and {options.reranking.name}: choose one")
    files = photos.ground_truth, photos.database, photos.queries, folder
    exported = export(extractor, *files, crop=crop, overwrite=overwrite, progress=progress)
    if local is not None:
        reranking = geometric(local, *files, crop=crop, overwrite=overwrite, progress=progress)
        options = replace(options, reranking=reranking)
    return score_folder(exported, options, photos)


def score_folder(
    exported: Export, options: Options | None = None, photos: Photos | None = None
) -> Report:
    """Score exported descriptors and write the report.

    Args:
        exported: as ``solar.evaluation.retrieval.export.load`` reads it.
        options: how to score.
        photos: for ``report.html``, which is not written without them.
    """
    options = options or Options()
    report = score(
        exported,
        distractors=options.distractors,
        dimensions=options.dimensions,
        reranking=options.reranking,
    )
    folder = options.to or exported.folder
    report.write(folder)
    if options.page and photos is not None:
        truth = photos.ground_truth
        names = [*truth.database, *(query.name for query in truth.queries)]
        paths = dict(zip(names, [*photos.database, *photos.queries], strict=True))
        cropped = exported.config["crop"]
        boxes = [query.box if cropped else None for query in truth.queries]
        write_page(report, folder, paths.__getitem__, boxes)
    return report
