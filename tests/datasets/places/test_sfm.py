"""SfM-120k, in the layout of its pickle."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from solar.datasets.places.places import open_places
from solar.errors import UsageError

CIDS = ["00a1b2c3d4e5f60718293a4b5c6d7e8f", *(f"{number:032x}" for number in range(1, 5))]


def document() -> dict[str, Any]:
    part = {"cids": CIDS, "cluster": [40, 40, 7, 7, 7], "qidxs": [0, 2, 3], "pidxs": [1, 3, 4]}
    return {"train": part, "val": {**part, "qidxs": [0], "pidxs": [1]}}


def write(folder: Path, document: object, protocol: int = 2) -> Path:
    path = folder / "retrieval-SfM-120k.pkl"
    path.write_bytes(pickle.dumps(document, protocol))
    return path


@pytest.mark.parametrize("protocol", range(6))
def test_its_parts_open(protocol: int, tmp_path: Path) -> None:
    source = write(tmp_path, document(), protocol)
    places = open_places(source)
    assert places.path(0) == tmp_path / "ims" / "8f" / "7e" / "6d" / CIDS[0]
    assert places.places.tolist() == [0, 0, 1, 1, 1]
    assert places.names == ("cluster 40", "cluster 7")
    assert places.pairs is not None and places.pairs.tolist() == [[0, 1], [2, 3], [3, 4]]
    validation = open_places(source, part="val", photos=tmp_path)
    assert validation.pairs is not None and validation.pairs.tolist() == [[0, 1]]
    assert validation.path(0) == tmp_path / "8f" / "7e" / "6d" / CIDS[0]


def test_arrays_are_lists_too(tmp_path: Path) -> None:
    whole = document()
    for key in ("cluster", "qidxs", "pidxs"):
        whole["train"][key] = np.array(whole["train"][key])
    places = open_places(write(tmp_path, whole))
    assert places.pairs is not None and places.pairs.tolist() == [[0, 1], [2, 3], [3, 4]]


def test_the_list_for_whitening_opens(tmp_path: Path) -> None:
    path = tmp_path / "retrieval-SfM-120k-whiten.pkl"
    flat = {"cids": CIDS, "qidxs": np.array([3, 1, 3]), "pidxs": np.array([1, 4, 1])}
    path.write_bytes(pickle.dumps(flat, 2))
    places = open_places(path)
    assert places.path(0) == tmp_path / "ims" / "8f" / "7e" / "6d" / CIDS[0]
    assert places.pairs is not None and places.pairs.tolist() == [[3, 1], [1, 4], [3, 1]]
    assert places.places.tolist() == [0, 1, 2, 1, 1]
    for change, reason in (
        ({"pidxs": [9, 4, 1]}, "pair 0 names no"),
        ({"qidxs": [1, 1, 3]}, "of one"),
    ):
        path.write_bytes(pickle.dumps({**flat, **change}))
        with pytest.raises(UsageError, match=f"whiten.pkl: train: .*{reason}"):
            open_places(path)
    with pytest.raises(UsageError, match="holds no part 'val'"):
        open_places(path, part="val")


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.mark,)


def test_it_runs_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="refused, not a pickle of plain lists"):
        open_places(write(tmp_path, {**document(), "train": Evil(tmp_path / "mark")}))
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"cids": None}, "train has no list 'cids'"),
        ({"cluster": [40, 40]}, "cids and cluster differ in length"),
        ({"cids": [*CIDS[:4], "../../../../etc/passwd"]}, "entry 4 of cids"),
        ({"cids": [*CIDS[:4], 7]}, "entry 4 of cids"),
        ({"cluster": [40, 40, 7, 7, 10**5000]}, "a number of 16610 bits is out of range"),
        ({"qidxs": 0}, "train has no list 'qidxs'"),
        ({"qidxs": [0]}, "differ in length"),
        ({"qidxs": [0, 2, 5]}, "pair 2 names no two photos"),
        ({"pidxs": [1, -1, 4]}, "pair 1 names no two photos"),
        ({"pidxs": [1, 10**30, 4]}, "out of range"),
        ({"pidxs": [1, "3", 4]}, "pair 1 names no two photos"),
        ({"pidxs": [1, 2, 4]}, "pair 1 is of one photo, or of two clusters"),
        ({"pidxs": [1, 0, 4]}, "pair 1 is of one photo, or of two clusters"),
    ],
)
def test_other_layouts_are_refused(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    whole = document()
    whole["train"] |= change
    with pytest.raises(UsageError, match=r"retrieval-SfM-120k\.pkl: ") as caught:
        open_places(write(tmp_path, whole))
    assert reason in str(caught.value)


def test_a_part_that_is_missing(tmp_path: Path) -> None:
    wrongs: list[object] = [[], {"val": {}}, {"train": []}]
    for wrong in wrongs:
        with pytest.raises(UsageError, match="holds no part 'train'"):
            open_places(write(tmp_path, wrong))
