"""INSTRE (Wang, Jiang, TOMM 2015) by the protocol of Iscen et al. (CVPR 2017): mAP.

1,250 queries, cut to their boxes, and 27,293 photos, which `gnd_instre.mat` lists: `imlist`,
`qimlist`, and `gnd` with `ok`, which counts the database from 1, and `bbx`, x1 y1 x2 y2. Photos lie
below the folder by the names of the lists. mAP by the trapezoidal rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from solar.datasets.ground_truth import parse
from solar.datasets.photos import LabelledSet, locate
from solar.errors import SolarError, naming_extras
from solar.files import MEGABYTE, printable, require_file, shown
from solar.typing import AnyPath

LIST = "gnd_instre.mat"


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
    try:
        raw = loadmat(source, squeeze_me=True, struct_as_record=False)
        rows = [
            {
                "ok": (np.atleast_1d(row.ok).astype(np.int64) - 1).tolist(),
                "junk": [],
                "bbx": np.atleast_1d(row.bbx).astype(float).tolist(),
            }
            for row in np.atleast_1d(raw["gnd"])
        ]
        return {"imlist": _names(raw["imlist"]), "qimlist": _names(raw["qimlist"]), "gnd": rows}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, NotImplementedError) as error:
        what = f"no ground truth of INSTRE, or damaged ({shown(error)})"
        raise SolarError(f"{printable(source)}: {what}") from error


def _names(values: Sequence[Any]) -> list[str]:
    return [str(name) for name in np.atleast_1d(values)]
