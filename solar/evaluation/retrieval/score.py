"""The second step of an evaluation: exported descriptors to a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import solar
from solar.datasets.ground_truth import REVISITED, GroundTruth, Query
from solar.errors import UsageError
from solar.evaluation import revisited
from solar.evaluation.report.report import Hit, Report, Result, number
from solar.evaluation.retrieval import classic
from solar.evaluation.retrieval.distractors import open_distractors
from solar.evaluation.retrieval.exact import rank
from solar.evaluation.retrieval.export import Export
from solar.evaluation.retrieval.metrics import (
    Protocols,
    Score,
    evaluate_ranks,
    precision_recall,
    score_protocols,
)
from solar.extraction.shards import Shards

SHOWN = 10

Ranks = NDArray[np.int64]


@dataclass(frozen=True)
class Reranking:
    """A way to rank a database other than by descriptors alone.

    Attributes:
        name: recorded in the report, with its parameters.
        rank: (Q, D) queries and (N, D) database, unit rows, to (Q, N) positions, best first.
    """

    name: str
    rank: Callable[[NDArray[np.float32], NDArray[np.float32]], Ranks]


def score(
    exported: Export,
    *,
    distractors: str | Path | None = None,
    dimensions: Sequence[int] = (),
    reranking: Reranking | None = None,
) -> Report:
    """Score exported descriptors.

    Args:
        exported: descriptors and ground truth.
        distractors: a folder of float16 shards made with the same settings.
        dimensions: also score the first so many dimensions, normalised again.
        reranking: ranks the database instead of the descriptors' own order; not with distractors.

    Raises:
        UsageError: the distractors were made with other settings, or are to be re-ranked.
        SolarError: distractors are missing or damaged.
    """
    if distractors is not None and reranking is not None:
        raise UsageError(
            "--rerank and --distractors: distractors cannot be re-ranked, leave one out"
        )
    shards = None if distractors is None else open_distractors(distractors, exported)
    scores, top = _rank(exported, shards, None, reranking)
    return Report(
        dataset=exported.ground_truth.dataset,
        protocol=_protocol(exported, shards, reranking),
        results={name: _result(value) for name, value in scores.items()},
        queries=[query.name for query in exported.ground_truth.queries],
        ranks=[
            _hits(row, query, exported.ground_truth)
            for row, query in zip(top, exported.ground_truth.queries, strict=True)
        ],
        by_dimension={
            d: {
                name: number(value.map)
                for name, value in _rank(exported, shards, d, reranking)[0].items()
            }
            for d in dimensions
        },
    )


def protocols(ground_truth: GroundTruth) -> Protocols:
    """The protocols that a ground truth's layout allows."""
    return revisited.PROTOCOLS if ground_truth.layout == REVISITED else classic.PROTOCOLS


def _rank(
    exported: Export, shards: Shards | None, dimensions: int | None, reranking: Reranking | None
) -> tuple[dict[str, Score], Ranks]:
    """The scores, and the first positions of each query."""
    truth = exported.ground_truth
    if reranking is not None:
        ranks = reranking.rank(
            _cut(exported.queries, dimensions), _cut(exported.database, dimensions)
        )
        return evaluate_ranks(ranks, truth.queries, protocols(truth)), ranks[:, :SHOWN]
    ranked = rank(
        exported.queries,
        exported.database,
        [query.labelled for query in truth.queries],
        () if shards is None else shards.blocks(),
        dimensions=dimensions,
        top=SHOWN,
    )
    return score_protocols(ranked.placed, truth.queries, protocols(truth)), ranked.top


def _cut(rows: NDArray[np.float32], dimensions: int | None) -> NDArray[np.float32]:
    if dimensions is None:
        return rows
    cut = rows[:, :dimensions]
    unit: NDArray[np.float32] = cut / np.maximum(np.linalg.norm(cut, axis=1, keepdims=True), 1e-12)
    return unit


def _result(value: Score) -> Result:
    return Result(
        map=number(value.map),
        mp_at={k: number(precision) for k, precision in value.mp_at.items()},
        ap=[number(ap) for ap in value.ap],
        precision=[number(precision) for precision in precision_recall(value)],
    )


def _hits(positions: Ranks, query: Query, truth: GroundTruth) -> list[Hit]:
    size = len(truth.database)
    label = {int(p): name for name, labelled in query.labels.items() for p in labelled}
    return [
        Hit(truth.database[p], label.get(p, "wrong"))
        if p < size
        else Hit(str(p - size), "distractor")
        for p in positions.tolist()
    ]


def _protocol(
    exported: Export, shards: Shards | None, reranking: Reranking | None
) -> Mapping[str, object]:
    return {
        **exported.extraction.to_json(),
        "crop": exported.config["crop"],
        "rerank": reranking and reranking.name,
        "ground_truth": exported.config["ground_truth"],
        "queries": len(exported.queries),
        "database": len(exported.database),
        "distractors": 0 if shards is None else shards.rows(),
        "distractors_failed": 0 if shards is None else len(shards.failures()),
        "average_precision": "trapezoidal rule, ignored photos taken out (revisitop)",
        "ties": "the photo that comes first in the database",
        "solar": f"descriptors {exported.config['solar']}, scores {solar.__version__}",
    }
