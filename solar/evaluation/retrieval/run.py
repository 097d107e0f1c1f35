"""A model measured on a data set: describe, rank, score, write the report."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import solar
from solar.datasets.folder import open_labelled
from solar.datasets.ground_truth import GroundTruth, Query
from solar.datasets.photos import LabelledSet
from solar.errors import UsageError
from solar.evaluation.report.pages import write_page
from solar.evaluation.report.report import FINDS_NONE, LabelledHit, Report, Result, number
from solar.evaluation.retrieval._features import features_of_set
from solar.evaluation.retrieval._ranking import SHOWN, FeaturesOfSet, Ranked
from solar.evaluation.retrieval.described import DescribedSet, describe_set
from solar.evaluation.retrieval.distractors import open_distractors
from solar.evaluation.retrieval.metrics import Score, precision_recall, score_rankings
from solar.extraction import Extraction, Extractor, calibration_of, open_extractor
from solar.features.extractor import FeatureExtractor, open_feature_extractor
from solar.files import claim_folder
from solar.ranking import Evidence, Ranking
from solar.rerank import Reranker, parse_rerank
from solar.typing import AnyPath, Progress

if TYPE_CHECKING:
    from solar.models.global_descriptor import GlobalDescriptor


BAD_PHOTOS = ("stop", "skip")


def evaluate(
    photos: LabelledSet | AnyPath,
    model: AnyPath | GlobalDescriptor | Extractor = "solar-r18",
    to: AnyPath | None = None,
    *,
    crop: bool = True,
    rerank: str = "none",
    local: str | Path | FeatureExtractor | None = None,
    distractors: AnyPath | None = None,
    dimensions: Sequence[int] = (),
    bad_photos: str = "stop",
    page: bool = True,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Describe a data set, rank and score it, and write the report into a folder.

    Descriptors are kept in the user's cache, whatever the folder: after the first time, this only
    scores.

    Args:
        photos: the data set, as `open_dataset` or `open_folder` reads it; or a folder, with a
            ground truth or with sub-folders that are places.
        model: what describes the photos: an extractor, or a model, which computes in float32 so
            that figures are the same on every machine, and takes the photos of a published
            protocol as they are stored.
        to: the folder; None for one in `runs/eval` that no other settings share.
        crop: crop each query to its box.
        rerank: ways to re-rank, see `solar.rerank.parse_rerank`.
        local: what makes the features that they compare: a name, or an extractor of features.
        distractors: a folder of shards made with the same settings.
        dimensions: numbers of dimensions to score as well.
        bad_photos: what to do about photos that cannot be used: "stop", before the work, as a
            published protocol asks for; or "skip" them, and say so in the report.
        page: write `report.html` too.
        overwrite: replace a report that was made with other settings.
        progress: called with photos done and in all; once more with those of the features.

    Raises:
        UsageError: the folder holds a report of other settings, the distractors were made with
            others, a way to re-rank wants features and there are none, or the other way round, no
            query has anything to find, or every photo is right for every query.
        SolarError: photos cannot be used; names them.
    """
    if bad_photos not in BAD_PHOTOS:
        raise UsageError(f"--bad-photos {bad_photos:.60}: use {' or '.join(BAD_PHOTOS)}")
    chain = parse_rerank(rerank, features=local is not None)
    if any(way.needs_features for way in chain) != (local is not None):
        raise UsageError("--rerank geometric and --local go together, such as --local solar-local")
    if not isinstance(photos, LabelledSet):
        photos = open_labelled(photos)
    photos.ground_truth.require_positives()
    if distractors is None:
        photos.ground_truth.require_wrong_hits()
    extractor = model
    if not isinstance(extractor, Extractor):
        decoding = "stored" if photos.stored else "draft"
        extractor = open_extractor(extractor, precision="float32", decoding=decoding)
    folder, truth = (
        Path(to or default_folder(photos, extractor.extraction, crop)),
        photos.ground_truth,
    )
    about = {"crop": crop, "dataset": truth.dataset, "ground_truth": truth.sha256}
    claim_folder(
        folder,
        {**extractor.extraction.to_json(), **about},
        ["report.*"],
        overwrite=overwrite,
        uncompared=("model",),
    )
    described = describe_set(
        extractor, photos, crop=crop, skip=bad_photos == "skip", progress=progress
    )
    features = None
    if local is not None:
        maker = local if isinstance(local, FeatureExtractor) else open_feature_extractor(local)
        turned = extractor.extraction.decoding != "stored"
        features = features_of_set(
            maker, described.photos, crop=crop, turned=turned, progress=progress
        )
    found = search(
        described, chain, features=features, distractors=distractors, dimensions=dimensions
    )
    report = score(found)
    report.write(folder)
    if page:
        write_page(report, folder, described.photos, crop=crop)
    return report


@dataclass(frozen=True, eq=False)
class Searched:
    """What was found for the queries of a data set.

    Attributes:
        truth: what they should find, and the figures to tell.
        rankings: one per query; ids are positions in the database, those of distractors count on
            from it.
        protocol: how they were made, for the report.
        by_dimension: rankings by the first so many dimensions of each descriptor.
        skipped: a line for each photo that could not be used.
    """

    truth: GroundTruth
    rankings: Sequence[Ranking]
    protocol: Mapping[str, object]
    by_dimension: Mapping[int, Sequence[Ranking]] = field(default_factory=dict)
    skipped: Sequence[str] = ()


def search(
    described: DescribedSet,
    chain: Sequence[Reranker] = (),
    *,
    features: FeaturesOfSet | None = None,
    distractors: AnyPath | None = None,
    dimensions: Sequence[int] = (),
) -> Searched:
    """The second step: rank what was described.

    Args:
        described: descriptors and ground truth.
        chain: ways to re-rank.
        features: that they compare.
        distractors: a folder of float16 shards made with the same settings.
        dimensions: also rank by the first so many dimensions, normalised again.

    Raises:
        UsageError: the distractors were made with other settings.
        SolarError: distractors are missing or damaged.
    """
    shards = None if distractors is None else open_distractors(distractors, described)
    ranked = Ranked(described, shards, features, calibration_of(described.extraction))
    return Searched(
        described.ground_truth,
        ranked.rankings(chain),
        _protocol(ranked, chain),
        {d: ranked.rankings(chain, d) for d in dimensions},
        described.skipped,
    )


def score(searched: Searched) -> Report:
    """The third step: the figures of rankings, whoever made them."""
    truth = searched.truth
    return Report(
        dataset=truth.dataset,
        protocol={**searched.protocol, **_figures(truth)},
        results=_results(searched.rankings, truth),
        queries=[query.name for query in truth.queries],
        ranks=[
            _hits(ranking.top(SHOWN), query, truth.database)
            for ranking, query in zip(searched.rankings, truth.queries, strict=True)
        ],
        places=places_of(truth),
        by_dimension={d: _results(found, truth) for d, found in searched.by_dimension.items()},
        skipped=searched.skipped,
    )


def _results(rankings: Sequence[Ranking], truth: GroundTruth) -> dict[str, Result]:
    scores = score_rankings(rankings, truth.queries, truth.figures)
    return {name: _result(value) for name, value in scores.items()}


def _figures(truth: GroundTruth) -> dict[str, object]:
    """What the figures of a report mean."""
    cut = truth.figures.cut
    rule = (
        "trapezoidal rule, ignored photos taken out (revisitop)"
        if cut is None
        else f"of the first {cut:,} places: precisions at positives, over the most there can be"
    )
    return {
        "ground_truth": truth.sha256,
        "average_precision": rule,
        "cut": cut,
        "without_positives": FINDS_NONE if truth.figures.every else "in no mean",
        "ties": "the photo that comes first in the database",
        "solar": solar.__version__,
    }


def places_of(truth: GroundTruth) -> list[int]:
    """The place of each query, numbered in order; queries that share positives are of one place.

    A query that is itself in the database belongs to the positives of others.
    """
    rows = {name: row for row, name in enumerate(truth.database)}
    place_of: dict[int, int] = {}  # of a photo
    merged: list[int] = []  # by place: itself, or the earlier one that it turned out to be

    def of(place: int) -> int:
        while merged[place] != place:
            place = merged[place]
        return place

    for row, query in enumerate(truth.queries):
        merged.append(row)
        positives = [found for label, found in query.labels.items() if label != "junk"]
        photos = [rows[query.name]] if query.name in rows else []
        for photo in [*photos, *np.concatenate(positives).tolist()]:
            first, second = sorted((of(place_of.setdefault(photo, row)), of(row)))
            merged[second] = first
    order = {place: n for n, place in enumerate(dict.fromkeys(map(of, range(len(merged)))))}
    return [order[of(row)] for row in range(len(merged))]


def default_folder(photos: LabelledSet, extraction: Extraction, crop: bool = True) -> Path:
    """A folder that no other settings share, so that no report is refused or replaced."""
    truth = photos.ground_truth
    settings = json.dumps([extraction.to_json(), truth.sha256, crop], sort_keys=True)
    digest = hashlib.sha256(settings.encode()).hexdigest()[:8]
    model = re.sub(r"[^\w.-]", "_", Path(extraction.model).name)
    return Path("runs") / "eval" / f"{truth.dataset}-{model}-{digest}"


def _result(value: Score) -> Result:
    return Result(
        map=number(value.map),
        mp_at={k: number(precision) for k, precision in value.mp_at.items()},
        p_at={k: number(precision) for k, precision in value.p_at.items()},
        recall_at={k: number(recall) for k, recall in value.recall_at.items()},
        ap=[number(ap) for ap in value.ap],
        precision=[number(precision) for precision in precision_recall(value)],
    )


def _hits(ranking: Ranking, query: Query, database: Sequence[str]) -> list[LabelledHit]:
    labels = {int(p): name for name, labelled in query.labels.items() for p in labelled}
    hits = []
    for row, score in zip(ranking.ids.tolist(), ranking.scores.tolist(), strict=True):
        far = row - len(database)
        name, label = (
            (database[row], labels.get(row, "wrong")) if far < 0 else (str(far), "distractor")
        )
        seen = ranking.evidence.get(row, Evidence())
        hits.append(LabelledHit(name, label, score, seen.inliers, seen.probability))
    return hits


def _protocol(ranked: Ranked, chain: Sequence[Reranker]) -> Mapping[str, object]:
    described, shards, features = ranked.described, ranked.shards, ranked.features
    unseen = "; distractors have none, and stay behind verified photos" if shards else ""
    return {
        **described.extraction.to_json(),
        "engine": described.engine,
        "crop": described.crop,
        "rerank": "; ".join(way.description for way in chain) or None,
        "features": features and features.description + unseen,
        "queries": len(described.queries),
        "database": len(described.database),
        "distractors": 0 if shards is None else shards.rows(),
        "distractors_failed": 0 if shards is None else len(shards.failures()),
        "unusable": len(described.skipped),
    }
