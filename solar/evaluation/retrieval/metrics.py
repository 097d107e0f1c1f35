"""From the places of positives in rankings to average precision and precision at k."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solar.datasets.ground_truth import CLASSIC, REVISITED, Figures, Query
from solar.errors import UsageError
from solar.evaluation.average_precision import average_precision, average_precision_at
from solar.ranking import Ranking
from solar.typing import Ids

# By protocol: the labels to be found, and the labels taken out of the ranking.
Protocols = Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]


PROTOCOLS: Mapping[tuple[str, ...], Protocols] = {
    REVISITED: {
        "easy": (("easy",), ("hard", "junk")),
        "medium": (("easy", "hard"), ("junk",)),
        "hard": (("hard",), ("easy", "junk")),
    },
    CLASSIC: {"classic": (("ok",), ("junk",))},
}
"""By layout of the ground truth: Revisited Oxford and Paris (Radenović et al., CVPR 2018), and the
old protocol of Oxford5k and Paris6k (Philbin et al., CVPR 2007), which folders are scored by."""


@dataclass(frozen=True, eq=False)
class Score:
    """The result of one protocol.

    Attributes:
        map: mean of ``ap`` over the queries that have positives, 0 to 1; NaN where none has any.
        ap: (Q,) average precision; NaN where a query has no positives and is in no mean.
        mp_at: mean precision at each k, k being at most the place of the last positive.
        p_at: mean precision at each k.
        recall_at: share of the queries with a positive among the first k.
        places: per query, the 0-based places of the positives found, ignored photos taken out.
        wanted: (Q,) how many positives each query has.
    """

    map: float
    ap: NDArray[np.float64]
    mp_at: dict[int, float]
    p_at: dict[int, float]
    recall_at: dict[int, float]
    places: tuple[Ids, ...]
    wanted: Ids


def score_rankings(
    rankings: Sequence[Ranking], queries: Sequence[Query], figures: Figures | None = None
) -> dict[str, Score]:
    """Score rankings by each protocol that the labels allow.

    Args:
        rankings: one per query. A positive whose place is not known counts as never found, as in
            the published code.
        queries: their labels.
        figures: that are told; None for those of Revisited Oxford and Paris.
    """
    told = figures or Figures()
    return {
        protocol: _score(rankings, queries, positive, ignored, told)
        for protocol, (positive, ignored) in PROTOCOLS[tuple(queries[0].labels)].items()
    }


def score_ranks(ranks: NDArray[np.integer], queries: Sequence[Query]) -> dict[str, Score]:
    """Score whole rankings.

    Args:
        ranks: (Q, N) database positions, best first; N may be shorter than the database, or
            longer, with distractors.
        queries: Q of them.

    Raises:
        UsageError: ranks of another shape, not integer, negative, or with a position twice.
    """
    ranks = np.asarray(ranks)
    if ranks.ndim != 2 or len(ranks) != len(queries) or ranks.dtype.kind not in "iu":
        raise UsageError(
            f"ranks are (Q, N) integers with Q = {len(queries)} queries as rows, "
            f"not {ranks.dtype} {ranks.shape}"
        )
    return score_rankings([_ranking(row, number) for number, row in enumerate(ranks)], queries)


def _ranking(row: NDArray[np.integer], number: int) -> Ranking:
    if row.min(initial=0) < 0:
        raise UsageError(f"ranks of query {number}: {row.min()} is not a database position")
    try:
        return Ranking.of(row.astype(np.int64), np.zeros(len(row), np.float32))
    except UsageError as error:
        raise UsageError(f"ranks of query {number}: a database position stands twice") from error


def precision_at(places: Ids, k: int) -> float:
    """Share of positives among the first k, k being at most the place of the last positive."""
    if not len(places):
        return 0.0
    k = min(int(places[-1]) + 1, k)
    return float((places < k).sum() / k)


def precision_recall(score: Score) -> NDArray[np.float64]:
    """Mean over queries of the best precision at recall 0, 0.01, …, 1 or more.

    Returns:
        (101,), 0 to 1; NaN where no query has positives.
    """
    levels = np.arange(101) / 100
    curves = []
    for places, wanted in zip(score.places, score.wanted, strict=True):
        if wanted:
            found = np.arange(1, len(places) + 1)
            best = np.maximum.accumulate((found / (places + 1))[::-1])[::-1]
            needed = np.searchsorted(found / wanted, levels - 1e-12)
            curves.append(np.append(best, 0.0)[needed])
    return np.mean(curves, axis=0) if curves else np.full(101, np.nan)


def _score(
    rankings: Sequence[Ranking],
    queries: Sequence[Query],
    positive: Iterable[str],
    ignored: Iterable[str],
    figures: Figures,
) -> Score:
    places, wanted = [], []
    for ranking, query in zip(rankings, queries, strict=True):
        sought = np.concatenate([query.labels[label] for label in positive])
        left_out = ranking.places_of(np.concatenate([query.labels[label] for label in ignored]))
        found = ranking.places_of(sought)
        places.append(found - np.searchsorted(left_out, found))
        wanted.append(len(sought))
    cut, at = figures.cut, figures.at
    none = 0.0 if figures.every else np.nan
    ap = np.array(
        [
            none if not n else average_precision_at(p, n, cut) if cut else average_precision(p, n)
            for p, n in zip(places, wanted, strict=True)
        ]
    )
    counted = [p for p, n in zip(places, wanted, strict=True) if n or figures.every]
    return Score(
        map=_mean(ap[~np.isnan(ap)]),
        ap=ap,
        mp_at={k: _mean([precision_at(p, k) for p in counted]) for k in at},
        p_at={k: _mean([float((p < k).sum() / k) for p in counted]) for k in at},
        recall_at={k: _mean([float((p < k).any()) for p in counted]) for k in at},
        places=tuple(places),
        wanted=np.array(wanted, np.int64),
    )


def _mean(values: Sequence[float] | NDArray[np.float64]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
