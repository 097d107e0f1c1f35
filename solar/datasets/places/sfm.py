"""SfM-120k: photos of 3-D reconstructions (Radenovic, Tolias and Chum, PAMI 2018)."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from solar.datasets.places.pairs import joined
from solar.datasets.places.table import Places, PlacesBuilder
from solar.errors import SolarError, UsageError
from solar.files.pickles import load_plain

Part = Literal["train", "val"]

_CID = re.compile("[0-9A-Za-z_-]{6,64}")
_AGAIN = "fetch the file again, or choose another"


def read_sfm(source: Path, photos: Path, part: Part) -> Places:
    """Read `retrieval-SfM-120k.pkl`, or its `-whiten.pkl`, without running what a pickle asks for.

    Each part has `cids`, the photos' names; `cluster`, the reconstruction of each, taken for its
    place; and `qidxs` with `pidxs`, pairs that share enough 3-D points. Photos of one cluster need
    not match otherwise, but photos of two never do. The list for whitening has no parts and no
    clusters: places are the photos that its pairs join.

    Args:
        source: the pickle.
        photos: the folder `ims` of the data set: photo `…ccbbaa` is `aa/bb/cc/…ccbbaa`.
        part: "train" or "val".

    Raises:
        UsageError: it is damaged, or not of this layout.
    """
    try:
        document = load_plain(source)
    except SolarError as error:
        raise UsageError(str(error)) from error
    flat = isinstance(document, dict) and "cids" in document and part == "train"
    lists = document if flat else document.get(part) if isinstance(document, dict) else None
    if not isinstance(lists, dict):
        raise UsageError(f"{source}: holds no part {part!r}: {_AGAIN}")
    names, queries, positives = (
        _list(source, part, lists, key) for key in ("cids", "qidxs", "pidxs")
    )
    pairs = _pairs(source, part, queries, positives, len(names))
    clusters = joined(len(names), pairs) if flat else _list(source, part, lists, "cluster")
    if len(names) != len(clusters):
        raise UsageError(f"{source}: {part}: cids and cluster differ in length: {_AGAIN}")
    builder = PlacesBuilder()
    for number, (name, cluster) in enumerate(zip(names, clusters, strict=True)):
        if not (isinstance(name, str) and _CID.fullmatch(name) and _small(cluster)):
            raise UsageError(
                f"{source}: {part}: entry {number} of cids is no photo's name, or in no cluster: "
                f"{_AGAIN}"
            )
        builder.add(f"{name[-2:]}/{name[-4:-2]}/{name[-6:-4]}/{name}", f"cluster {cluster}")
    places = builder.build(source, photos, rows=False)
    wrong = (pairs[:, 0] == pairs[:, 1]) | (
        places.places[pairs[:, 0]] != places.places[pairs[:, 1]]
    )
    if wrong.any():
        raise UsageError(
            f"{source}: {part}: pair {int(wrong.argmax())} is of one photo, or of two clusters: "
            f"{_AGAIN}"
        )
    return replace(places, pairs=pairs)


def _small(number: object) -> bool:
    """Python refuses to print numbers that are huge enough."""
    return isinstance(number, int) and -(2**63) <= number < 2**63


def _list(source: Path, part: str, lists: dict[Any, Any], key: str) -> list[Any]:
    values = lists.get(key)
    if not isinstance(values, list):
        raise UsageError(f"{source}: {part} has no list {key!r}: {_AGAIN}")
    return values


def _pairs(
    source: Path, part: str, queries: list[Any], positives: list[Any], count: int
) -> NDArray[np.int64]:
    """(K, 2) numbers of photos."""
    if len(queries) != len(positives):
        raise UsageError(f"{source}: {part}: qidxs and pidxs differ in length: {_AGAIN}")
    for number, pair in enumerate(zip(queries, positives, strict=True)):
        if not all(isinstance(photo, int) and 0 <= photo < count for photo in pair):
            raise UsageError(f"{source}: {part}: pair {number} names no two photos: {_AGAIN}")
    pairs: NDArray[np.int64] = np.array([queries, positives], np.int64).T
    return pairs
