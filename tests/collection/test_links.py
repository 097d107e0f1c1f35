"""Pairs of an index: compared once, kept through kills, forgotten with their photos."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import solar.collection.links as links_module
from solar.collection import links_of
from solar.collection._store import NAME, Row, Store
from solar.index import Index
from tests.collection.colours import ColourExtractor
from tests.collection.holidays import save, view


def pairs_of(index: Index) -> dict[tuple[int, int], tuple[float, int]]:
    found = links_of(index)
    ids = found.ids[found.pairs].tolist()
    values = zip(found.cosines.tolist(), found.inliers.tolist(), strict=True)
    return {(one, two): value for (one, two), value in zip(ids, values, strict=True)}


def test_each_pair_is_compared_once(index: Index, photos: Path) -> None:
    calls: list[tuple[int, int]] = []
    found = links_of(index, lambda *call: calls.append(call))
    assert calls == [(11, 11)] and found.compared == 11 and found.kept
    assert len(found.pairs) == 11 * 10 / 2 and (found.pairs[:, 0] < found.pairs[:, 1]).all()
    label = [Path(index[number].path).parent.name for number in found.ids.tolist()]
    same = np.array([label[one] == label[two] for one, two in found.pairs.tolist()])
    assert found.probabilities[same].min() > 0.9 > 0.5 > found.probabilities[~same].max()
    again = links_of(index)
    assert again.compared == 0 and np.array_equal(again.probabilities, found.probabilities)


def test_only_new_and_changed_photos_are_compared_again(index: Index, photos: Path) -> None:
    before = pairs_of(index)
    new = index.add(save(photos / "tower" / "7.jpg", view("tower", 7)))
    assert new.added and links_of(index).compared == 1
    number = index.id_of(photos / "tower" / "7.jpg")
    after = pairs_of(index)
    assert {pair: after[pair] for pair in before} == before
    assert {pair for pair in after if number in pair} == after.keys() - before.keys()
    save(photos / "tower" / "7.jpg", view("garden", 7))
    index.add(photos)
    assert links_of(index).compared == 1
    fresh = Index.create(photos.parent / "fresh.index", ColourExtractor())
    fresh.add(photos)
    assert sorted(pairs_of(index).values()) == sorted(pairs_of(fresh).values())
    index.remove(number)
    assert pairs_of(index) == before and links_of(index).compared == 0


def test_an_index_without_features_is_linked_by_descriptors(tmp_path: Path, photos: Path) -> None:
    index = Index.create(tmp_path / "bare.index", ColourExtractor(), local=None)
    index.add(photos)
    found = links_of(index)
    assert set(found.inliers.tolist()) == {-1} and len(found.pairs) == 55
    assert links_of(Index.create(tmp_path / "no.index", ColourExtractor())).pairs.shape == (0, 2)


def test_what_is_damaged_is_begun_anew(index: Index, tmp_path: Path) -> None:
    before = pairs_of(index)
    mine = tmp_path / "mine.jpg"
    mine.write_text("a photo of mine")

    def link(file: Path) -> None:
        file.unlink()
        file.symlink_to(mine)

    def done(statement: str) -> Callable[[Path], object]:
        def execute(file: Path) -> None:
            with sqlite3.connect(file) as connection:
                connection.execute(statement)

        return execute

    damages: dict[str, Callable[[Path], object]] = {
        "cut": lambda file: file.write_bytes(file.read_bytes()[:5000]),
        "text": lambda file: file.write_text("no database"),
        "link": link,
        "schema": done("CREATE VIEW v AS SELECT 1"),
        "settings": done("UPDATE made SET settings = '{}'"),
        "row": done("INSERT INTO links VALUES (3, 999, 0.5, 7, 7)"),
    }
    for name, damage in damages.items():
        folder = shutil.copytree(index.folder, tmp_path / name)
        damage(folder / NAME)
        assert pairs_of(Index.open(folder, ColourExtractor())) == before, name
        assert not (folder / NAME).is_symlink(), name
    assert mine.read_text() == "a photo of mine"


def test_a_folder_that_cannot_be_written_keeps_nothing(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Store) -> sqlite3.Connection:
        raise sqlite3.OperationalError("unable to open database file")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "_begun", refused)
        found = links_of(index)
    assert not found.kept and found.compared == 11 and not (index.folder / NAME).exists()
    before = pairs_of(index)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "_writable", lambda self: False)
        assert pairs_of(index) == before


def test_rows_and_their_photos_are_kept_together_or_not_at_all(tmp_path: Path) -> None:
    with Store(tmp_path, {"a": 1}) as store:
        store.put([Row(1, 2, 0.5, 7, 5), Row(2, 3, 0.25, None, None)], {1: b"x", 2: b"y"})
        with pytest.raises(sqlite3.Error):
            store.put([Row(4, 5, 0.5, 7, 7), Row(4, 6, None, 7, 7)], {4: b"z"})  # type: ignore[arg-type]
        assert store.compared() == {1, 2} and len(store.rows()) == 2
        assert store.partners(2) == {1, 3} and store.partners(9) == set()
        store.forget({1: b"x", 2: b"other"})
        assert store.compared() == {1} and store.rows() == []
    with Store(tmp_path, {"a": 1}) as store:
        assert store.compared() == {1}
    with Store(tmp_path, {"a": 2}) as store:
        assert store.compared() == set()


KILLED = """
import sys, time
import solar.collection.links as links
from solar.index import Index
from solar.index._models import Models
links._AT_ONCE = 2
Models.calibration = lambda self, made: None
def slowly(done, total):
    print(done, flush=True)
    time.sleep(0.2)
links.links_of(Index.open(sys.argv[1]), slowly)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_a_kill_loses_nothing_that_was_told(index: Index) -> None:
    command = [sys.executable, "-c", KILLED, str(index.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(2)][-1]
        time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert told == 4
    assert links_of(index).compared <= 11 - told
    assert len(pairs_of(index)) == 55 and links_module.REACH > 10
