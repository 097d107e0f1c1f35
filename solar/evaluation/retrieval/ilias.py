"""ILIAS (Kordopatis-Zilos et al., CVPR 2025) from files of descriptors: mAP@1k.

The files are those of its authors, and of whoever extracts with their code:
`features_queries.hdf5`, `features_positives.hdf5`, and `features_distractors_*.hdf5` where there
are some. In each stand `features` (N, D) and `index` (N,), ids of photos; an id begins with the
instance that a query and its positives share. Average precision is that of the first 1,000 places,
over the lesser of 1,000 and the number of positives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from solar.datasets.ground_truth import Figures, GroundTruth, Query
from solar.errors import SolarError
from solar.evaluation.retrieval._ranking import SHOWN
from solar.evaluation.retrieval.exact import rank
from solar.evaluation.retrieval.run import Searched
from solar.extraction.given import unit_rows
from solar.files import printable, shown
from solar.files.hdf5 import array, read_hdf5, stored
from solar.typing import AnyPath, Descriptors

FIGURES = Figures((1, 10, 100, 1000), cut=1000, every=True)
QUERIES, POSITIVES = "features_queries.hdf5", "features_positives.hdf5"
DISTRACTORS = "features_distractors_*.hdf5"
_BLOCK = 8192  # rows that are in memory at once


def search_ilias(folder: AnyPath) -> Searched:
    """Rank the positives, and all distractors there are, for each query; see the module.

    Args:
        folder: that holds the files.

    Raises:
        UsageError: no query has anything to find, or every photo is right for every query.
        SolarError: a file is missing, or is another, or has other dimensions; names it.
        MissingPackage: h5py is not installed (extra `h5`).
    """
    root = Path(folder)
    asked, queries = _read(root / QUERIES)
    names, database = _read(root / POSITIVES)
    size = database.shape[1]
    _require_size(queries, size, root / QUERIES)
    truth = GroundTruth("ilias", tuple(names), tuple(_queries(asked, names)), FIGURES)
    truth.require_positives()
    distractors = sorted(root.glob(DISTRACTORS))
    if not distractors:
        truth.require_wrong_hits()
    counted = [0]
    rankings = rank(
        queries,
        database,
        [query.labelled for query in truth.queries],
        _blocks(distractors, size, counted),
        top=SHOWN,
    )
    protocol = {
        "model": root.resolve().name,
        "dimensions": size,
        "queries": len(queries),
        "database": len(database),
        "distractors": counted[0],
    }
    return Searched(truth, rankings, protocol)


def _queries(asked: list[str], names: list[str]) -> Iterator[Query]:
    """Each finds the photos of its instance."""
    members: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        members.setdefault(_instance(name), []).append(row)
    for name in asked:
        ok = np.array(members.get(_instance(name), []), np.int64)
        yield Query(name, None, {"ok": ok, "junk": np.empty(0, np.int64)})


def _instance(name: str) -> str:
    return name.partition("/")[0]


def _read(path: Path) -> tuple[list[str], Descriptors]:
    """Ids and descriptors of a file."""
    with read_hdf5(path, SolarError) as file:
        rows = array(file, "features", "f", 2).astype(np.float32)
        ids = array(file, "index", "OSU", 1)
    names = [each.decode() if isinstance(each, bytes) else str(each) for each in ids.tolist()]
    if not names or len(names) != len(rows):
        raise SolarError(f"{len(names)} ids of {len(rows)} descriptors", path)
    if len(set(names)) != len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise SolarError(f"the id {shown(twice)} stands twice", path)
    return names, unit_rows(rows, rows.shape[1], printable(path))


def _require_size(rows: Any, size: int, path: Path) -> None:
    if rows.shape[1] != size:
        what = f"descriptors of {rows.shape[1]} dimensions, those of {POSITIVES} have {size}"
        raise SolarError(what, path)


def _blocks(paths: list[Path], size: int, counted: list[int]) -> Iterator[Descriptors]:
    """Descriptors of distractors, block by block."""
    for path in paths:
        with read_hdf5(path, SolarError) as file:
            rows = stored(file, "features", "f", 2)
            _require_size(rows, size, path)
            for start in range(0, len(rows), _BLOCK):
                block = rows[start : start + _BLOCK].astype(np.float32)
                block = unit_rows(block, block.shape[1], printable(path), start)
                counted[0] += len(block)
                yield block
