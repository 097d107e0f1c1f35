"""Which photos of an index show the same place, pair by pair: only near ones are compared."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solar.calibration import Calibration, probabilities
from solar.collection._store import Row, Store
from solar.errors import SolarError
from solar.index import Index
from solar.ranking import Evidence
from solar.rerank.geometric import CHANCE, verify
from solar.typing import Ids, Progress

REACH = 30
"""How many of the nearest photos each is compared with."""
_AT_ONCE = 32  # Photos whose pairs are kept together: what a kill can cost.

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Links:
    """Pairs of photos that were compared.

    Attributes:
        ids: (N,) all photos that can be found, rising.
        pairs: (K, 2) positions among these, the lower first, each pair once.
        cosines: (K,) of their descriptors.
        inliers: (K,) keypoints that agree; -1 where they were not compared.
        probabilities: (K,) that both show one place, 0 to 1, the lesser of both directions. Where
            the model is not calibrated: 1 if more keypoints agree than chance gives, else 0.
        compared: photos that were compared now, not before.
        kept: whether these will not have to be compared again.
    """

    ids: Ids
    pairs: Ids
    cosines: Floats
    inliers: Ids
    probabilities: Floats
    compared: int = 0
    kept: bool = True


def links_of(index: Index, progress: Progress | None = None) -> Links:
    """Compare each photo of an index with its nearest; those that were compared before are not.

    What is found is kept in the index's folder as it goes: an interrupted call goes on. Photos that
    were removed or changed since are forgotten. A photo that came later was compared with its own
    nearest, but those that were there are not asked again whether it is among theirs.

    Args:
        index: at its commit.
        progress: called with the number of photos compared, and of all that must be.

    Raises:
        IndexDamaged: a descriptor or features are damaged.
    """
    sums = index.sums()
    made = index.feature_extraction
    settings = {
        "extraction": index.extraction.to_json() | {"model": ""},
        "features": None if made is None else made.to_json() | {"descriptor": ""},
        "reach": REACH,
    }
    try:
        with Store(index.folder, settings) as store:
            store.forget(sums)
            left = sorted(sums.keys() - store.compared())
            for start in range(0, len(left), _AT_ONCE):
                part = left[start : start + _AT_ONCE]
                rows = _compared(index, part, store)
                store.put(rows, {number: sums[number] for number in part})
                if progress is not None:
                    progress(start + len(part), len(left))
            return _links(index, list(sums), store.rows(), len(left), kept=store.kept)
    except sqlite3.Error as error:
        raise SolarError(
            f"cannot be used ({error}): delete it", index.folder / "links.db"
        ) from error


def _compared(index: Index, ids: Sequence[int], store: Store) -> list[Row]:
    """Pairs of some photos with their nearest that were not compared before."""
    rows: list[Row] = []
    done: set[tuple[int, int]] = set()
    for number, ranking in zip(ids, index.neighbours(ids, REACH), strict=True):
        before = store.partners(number)
        scores = {
            other: score
            for other, score in zip(ranking.ids.tolist(), ranking.scores.tolist(), strict=True)
            if other not in before and (min(number, other), max(number, other)) not in done
        }
        verified = _verified(index, number, list(scores))
        for (other, score), seen in zip(scores.items(), verified, strict=True):
            pair = min(number, other), max(number, other)
            done.add(pair)
            rows.append(Row(*pair, score, seen.inliers, seen.apart))
    return rows


def _verified(index: Index, number: int, others: Sequence[int]) -> list[Evidence]:
    """Which keypoints of a photo agree with those of others; none where one has none."""
    if not index.keeps_features or not others:
        return [Evidence()] * len(others)
    query, *features = index.features([number, *others])
    known = [each for each in features if each is not None]
    if query is None or not known:
        return [Evidence()] * len(others)
    found = iter(verify(query, known))
    return [Evidence() if each is None else next(found).evidence() for each in features]


def _links(
    index: Index, ids: list[int], rows: Iterable[Row], compared: int, *, kept: bool
) -> Links:
    every = np.array(ids, np.int64)
    known = set(ids)
    sound = [row for row in rows if row.one in known and row.two in known and abs(row.cosine) < 2]
    pairs = np.array([row[:2] for row in sound], np.int64).reshape(-1, 2)
    inliers = [row.inliers for row in sound]
    cosines = np.array([row.cosine for row in sound], np.float64)
    at = np.searchsorted(every, pairs)
    calibration = index.calibration
    if calibration is None:
        probable = np.array([(count or 0) > CHANCE for count in inliers], np.float64)
    else:
        apart = [row.apart for row in sound]
        probable = _probable(index, calibration, every, at, cosines, apart)
    counts = np.array([-1 if count is None else count for count in inliers], np.int64)
    return Links(every, at, cosines, counts, probable, compared, kept)


def _probable(
    index: Index,
    calibration: Calibration,
    ids: Ids,
    pairs: Ids,
    cosines: Floats,
    apart: Sequence[int | None],
) -> Floats:
    """That pairs show one place: the less probable of both directions."""
    logits = np.full(len(pairs), np.inf)
    order = np.concatenate([pairs[:, 0], pairs[:, 1]])
    which = np.tile(np.arange(len(pairs)), 2)
    sorting = np.argsort(order, kind="stable")
    starts = np.searchsorted(order[sorting], np.arange(len(ids) + 1))
    for start in range(0, len(ids), _AT_ONCE):
        part = ids[start : start + _AT_ONCE]
        for position, descriptor in enumerate(index.descriptors(part.tolist()), start):
            mine = which[sorting[starts[position] : starts[position + 1]]]
            if len(mine):
                counts = [apart[each] for each in mine.tolist()]
                found = calibration.logits(cosines[mine], counts, index.background(descriptor))
                logits[mine] = np.minimum(logits[mine], found)
    return probabilities(logits)
