"""INSTRE (Wang, Jiang, TOMM 2015) by the protocol of Iscen et al. (CVPR 2017): mAP.

1,250 queries, cut to their boxes, and 27,293 photos, which `gnd_instre.mat` lists: `imlist`,
`qimlist`, and `gnd` with `ok`, which counts the database from 1, and `bbx`, x1 y1 x2 y2. Photos lie
below the folder by the names of the lists. mAP by the trapezoidal rule.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from solar.datasets.ground_truth import parse
from solar.datasets.photos import LabelledSet, locate
from solar.errors import SolarError, naming_extras
from solar.files import MEGABYTE, cut, printable, require_file, shown
from solar.typing import AnyPath

LIST = "gnd_instre.mat"
LISTS, FIELDS = ("imlist", "qimlist", "gnd"), ("ok", "bbx")

_DAMAGE = (  # what SciPy says of it
    *(OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, EOFError),
    *(NotImplementedError, UnboundLocalError, zlib.error, struct.error),
)


def open_instre(root: AnyPath) -> LabelledSet:
    """INSTRE; see the module (extra `rerank`, whose SciPy reads .mat files).

    Raises:
        SolarError: the list is missing or damaged, or photos are missing.
        MissingPackage: SciPy is not installed.
    """
    source = Path(root, LIST)
    truth = parse(_read(source), "instre", str(source))
    found = locate([*truth.database, *(query.name for query in truth.queries)], root)
    count = len(truth.database)
    return LabelledSet(truth, found[:count], found[count:], stored=True)


def _read(source: Path) -> dict[str, Any]:
    """What the list holds, as the published pickles of other data sets hold it."""
    require_file(source, 256 * MEGABYTE)
    with naming_extras():
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError
    try:
        raw = loadmat(source, squeeze_me=True, struct_as_record=False)
        _require(set(LISTS) - set(raw), "")
        database, rows = _names(raw["imlist"]), []
        for number, row in enumerate(np.atleast_1d(raw["gnd"])):
            _require(set(FIELDS) - set(row._fieldnames), f" of query {number}")
            rows.append(_labels(row, number, len(database)))
        return {"imlist": database, "qimlist": _names(raw["qimlist"]), "gnd": rows}
    except (*_DAMAGE, MatReadError) as error:
        reason = shown(error) if type(error) is not ValueError else cut(error)
        what = f"no ground truth of INSTRE, or damaged ({reason})"
        raise SolarError(f"{printable(source)}: {what}") from error


def _labels(row: Any, number: int, count: int) -> dict[str, Any]:
    ok = np.atleast_1d(row.ok).astype(np.int64)
    if wrong := ok[(ok < 1) | (ok > count)].tolist():
        raise ValueError(f"ok of query {number}: {wrong[0]}, but imlist counts from 1 to {count}")
    box = np.atleast_1d(row.bbx).astype(float).tolist()
    return {"ok": (ok - 1).tolist(), "junk": [], "bbx": box}


def _require(lacking: set[str], of: str) -> None:
    if lacking:
        raise ValueError(f"no {' and '.join(sorted(lacking))}{of} in it")


def _names(values: Sequence[Any]) -> list[str]:
    return [str(name) for name in np.atleast_1d(values)]
