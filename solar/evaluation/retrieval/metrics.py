"""From the places of positives in a ranking to average precision and precision at k."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solar.datasets.ground_truth import Positions, Query
from solar.errors import UsageError
from solar.evaluation.average_precision import average_precision

KAPPAS = (1, 5, 10)

# By protocol: the labels to be found, and the labels taken out of the ranking.
Protocols = Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]


@dataclass(frozen=True, eq=False)
class Placed:
    """Where the labelled database photos of one query stand in its ranking.

    Attributes:
        positions: (L,) their database positions, sorted.
        places: (L,) how many photos stand before each one; -1 where it is not ranked at all.
    """

    positions: Positions
    places: Positions

    def among(self, positions: Positions) -> Positions:
        """The places of some of them, best first, those not ranked left out."""
        places = self.places[np.searchsorted(self.positions, positions)]
        return np.sort(places[places >= 0])


@dataclass(frozen=True, eq=False)
class Score:
    """The result of one protocol.

    Attributes:
        map: mean of ``ap`` over the queries that have positives, 0 to 1; NaN where none has any.
        ap: (Q,) average precision; NaN where a query has no positives.
        mp_at: mean precision at 1, 5 and 10.
        places: per query, the 0-based places of the positives found, ignored photos taken out.
        wanted: (Q,) how many positives each query has.
    """

    map: float
    ap: NDArray[np.float64]
    mp_at: dict[int, float]
    places: tuple[Positions, ...]
    wanted: Positions


def evaluate_ranks(
    ranks: NDArray[np.integer], queries: Sequence[Query], protocols: Protocols
) -> dict[str, Score]:
    """Score whole rankings under each protocol.

    Args:
        ranks: (Q, N) database positions, best first. A positive that is not ranked counts as never
            found, as in the published code, so N may be shorter than the database.
        queries: Q of them.
        protocols: ``revisited.PROTOCOLS`` or ``classic.PROTOCOLS``.

    Raises:
        UsageError: ranks of another shape, not integer, negative, or with a position twice.
    """
    ranks = np.asarray(ranks)
    if ranks.ndim != 2 or len(ranks) != len(queries) or ranks.dtype.kind not in "iu":
        raise UsageError(
            f"ranks are (Q, N) integers with Q = {len(queries)} queries as rows, "
            f"not {ranks.dtype} {ranks.shape}"
        )
    placed = [
        _place(row, query.labelled, number)
        for number, (row, query) in enumerate(zip(ranks, queries, strict=True))
    ]
    return score_protocols(placed, queries, protocols)


def score_protocols(
    placed: Sequence[Placed], queries: Sequence[Query], protocols: Protocols
) -> dict[str, Score]:
    """Score every protocol from the places of the labelled photos.

    Args:
        placed: one per query, holding all its labelled positions.
        queries: their labels.
        protocols: as for ``evaluate_ranks``.
    """
    return {
        protocol: _score(placed, queries, positive, ignored)
        for protocol, (positive, ignored) in protocols.items()
    }


def precision_at(places: Positions, k: int) -> float:
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
    placed: Sequence[Placed],
    queries: Sequence[Query],
    positive: Iterable[str],
    ignored: Iterable[str],
) -> Score:
    places, wanted = [], []
    for ranking, query in zip(placed, queries, strict=True):
        sought = np.concatenate([query.labels[label] for label in positive])
        left_out = ranking.among(np.concatenate([query.labels[label] for label in ignored]))
        found = ranking.among(sought)
        places.append(found - np.searchsorted(left_out, found))
        wanted.append(len(sought))
    ap = np.array(
        [average_precision(p, n) if n else np.nan for p, n in zip(places, wanted, strict=True)]
    )
    counted = [p for p, n in zip(places, wanted, strict=True) if n]
    mp_at = {k: _mean([precision_at(p, k) for p in counted]) for k in KAPPAS}
    return Score(
        map=_mean(ap[~np.isnan(ap)]),
        ap=ap,
        mp_at=mp_at,
        places=tuple(places),
        wanted=np.array(wanted, np.int64),
    )


def _mean(values: Sequence[float] | NDArray[np.float64]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _place(row: NDArray[np.integer], labelled: Positions, number: int) -> Placed:
    """Invert one ranking; the table also shows a position that was ranked twice."""
    size = int(max(row.max(initial=-1), labelled.max(initial=-1))) + 1
    if row.min(initial=0) < 0:
        raise UsageError(f"ranks of query {number}: {row.min()} is not a database position")
    table = np.full(size, -1, np.int64)
    table[row] = np.arange(len(row))
    if np.count_nonzero(table >= 0) != len(row):
        raise UsageError(f"ranks of query {number}: a database position stands twice")
    return Placed(labelled, table[labelled])
