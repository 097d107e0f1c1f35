"""What an approximate index finds and how long it takes, by how much it looks at."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from solar.errors import UsageError
from solar.index._snapshot import Snapshot
from solar.index.vectors import Effort, ListedVectors
from solar.typing import Descriptors, Ids, Progress

_FEW, _MANY = 10, 100  # Of which recall is told.
_CANDIDATES = (50, 200, 1000)
_CANDIDATES_OF_ALL = (100, 400, 1000, 2000, 4000)  # Where all lists are looked at.


@dataclass(frozen=True)
class Setting:
    """What one setting comes to.

    Attributes:
        probes: lists that are looked at.
        candidates: rows that are ranked, at least.
        recall_at_10: part of the ten nearest photos that are found, 0 to 1.
        recall_at_100: likewise, of a hundred.
        milliseconds: of a search for ten, one query at a time.
    """

    probes: int
    candidates: int
    recall_at_10: float
    recall_at_100: float
    milliseconds: float


@dataclass(frozen=True)
class Tuning:
    """What was measured.

    Attributes:
        kind: of vectors.
        photos: that were searched.
        queries: photos of the index that were searched for, each among the others.
        exact_milliseconds: of a search that compares all.
        settings: from the fastest to the slowest, each better than all that are faster.
        chosen: of these, for every search from now on.
    """

    kind: str
    photos: int
    queries: int
    exact_milliseconds: float
    settings: tuple[Setting, ...]
    chosen: Setting


def tuned(snapshot: Snapshot, recall: float, queries: int, progress: Progress | None) -> Tuning:
    """Measure an index, and choose the fastest setting that finds enough.

    Args:
        snapshot: of the index.
        recall: of the ten nearest, 0 to 1; where nothing reaches it, the best is chosen.
        queries: how many photos of the index to search for.
        progress: called with the settings that are measured, and all.

    Raises:
        UsageError: the index has no lists, or `recall` or `queries` is out of range.
    """
    vectors, commit = snapshot.vectors, snapshot.commit
    if not 0 < recall <= 1 or queries < 1:
        raise UsageError(f"recall {recall:g} of {queries} queries: use above 0 to 1, and 1 or more")
    if not isinstance(vectors, ListedVectors) or vectors.trained is None or not vectors.listed:
        raise UsageError(
            f"is of kind {commit.kind} and compares all of its {commit.photos:,} photos: there is "
            "nothing to tune",
            snapshot.folder,
        )
    owners = snapshot.owners
    owned = np.flatnonzero(owners >= 0)
    chosen = np.random.default_rng(0).choice(owned, min(queries, len(owned)), replace=False)
    asked, own = vectors.read(chosen), owners[chosen]
    truth = {top: _others(vectors.exact(asked, owners, top + 1)[1], own) for top in (_FEW, _MANY)}
    began = time.perf_counter()
    for query in asked[:5]:
        vectors.exact(query[None], owners, _FEW)
    exact_milliseconds = 1000 * (time.perf_counter() - began) / len(asked[:5])
    lists = len(vectors.trained.middles)
    probes = [lists] if vectors.flat else [1 << n for n in range(lists.bit_length())]
    numbers = _CANDIDATES_OF_ALL if vectors.flat else _CANDIDATES
    efforts = [Effort(each, candidates) for each in probes for candidates in numbers]
    before, measured = vectors.effort, []
    try:
        vectors.effort = Effort(lists, _FEW)
        vectors.search(asked, owners, _FEW)  # Lists are read once.
        for number, effort in enumerate(efforts, 1):
            vectors.effort = effort
            measured.append(_measure(vectors, asked, owners, own, truth))
            if progress is not None:
                progress(number, len(efforts))
    finally:
        vectors.effort = before
    settings = _best(measured)
    enough = [each for each in settings if each.recall_at_10 >= recall]
    pick = enough[0] if enough else settings[-1]
    return Tuning(commit.kind, commit.photos, len(asked), exact_milliseconds, settings, pick)


def _measure(
    vectors: ListedVectors, asked: Descriptors, owners: Ids, own: Ids, truth: dict[int, list[Ids]]
) -> Setting:
    seconds, found = [], []
    for query in asked:
        began = time.perf_counter()
        found.append(vectors.search(query[None], owners, _FEW + 1)[1][0])
        seconds.append(time.perf_counter() - began)
    many = vectors.search(asked, owners, _MANY + 1)[1]
    few = _recall(_others(np.stack(found), own), truth[_FEW])
    return Setting(
        *vectors.effort, few, _recall(_others(many, own), truth[_MANY]),
        1000 * float(np.median(seconds)),
    )  # fmt: skip


def _others(found: Ids, own: Ids) -> list[Ids]:
    """What was found of each query, without the query itself."""
    return [row[row != each][: found.shape[1] - 1] for row, each in zip(found, own, strict=True)]


def _recall(found: list[Ids], truth: list[Ids]) -> float:
    parts = [
        len(np.intersect1d(each, known)) / max(len(known), 1)
        for each, known in zip(found, truth, strict=True)
    ]
    return float(np.mean(parts))


def _best(measured: Sequence[Setting]) -> tuple[Setting, ...]:
    """Those that nothing faster reaches, from the fastest."""
    kept: list[Setting] = []
    for each in sorted(measured, key=lambda setting: setting.milliseconds):
        if not kept or each.recall_at_10 > kept[-1].recall_at_10:
            kept.append(each)
    return tuple(kept)
