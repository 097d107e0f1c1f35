"""Photos into an index in one call: what `solar index` does, without its words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from solar.errors import UsageError
from solar.index import Index, index_photos
from tests.index.bytes_extractor import NOT_A_PHOTO, BytesExtractor
from tests.index.killed_writer import MODELS


def test_an_index_is_made_added_to_and_pruned(tmp_path: Path, photos: Path) -> None:
    to = tmp_path / "my.index"
    done = index_photos(to, [photos], model=BytesExtractor(), local=None)
    assert done.photos == len(done.report.added) == 5 and not done.useless
    (photos / "a.jpg").unlink()
    (photos / "again.jpg").write_bytes((photos / "b.jpg").read_bytes())
    done = index_photos(to, [photos], model=BytesExtractor(), local=None, prune=True)
    assert (done.photos, done.dropped, len(done.copies)) == (5, 1, 1)
    told = json.loads(json.dumps(done.to_json()))
    assert told["index"] == str(to) and told["added"] == [str(photos / "again.jpg")]
    assert "report" not in told


def test_photos_move_and_another_model_describes_them_anew(tmp_path: Path, photos: Path) -> None:
    to, new = tmp_path / "my.index", tmp_path / "elsewhere"
    index_photos(to, [photos], model=BytesExtractor(), local=None)
    photos.rename(new)
    done = index_photos(to, moved=[(str(photos), str(new))])
    assert done.relocated == [(str(photos), str(new), 5)]
    done = index_photos(to, model=BytesExtractor(MODELS["new"]), local=None)
    assert len(done.report.added) == 5 and Index.open(to).extraction == MODELS["new"]


def test_nothing_to_do_and_nothing_of_use_are_said(tmp_path: Path) -> None:
    to, bad = tmp_path / "my.index", tmp_path / "bad.jpg"
    with pytest.raises(UsageError, match="PHOTOS"):
        index_photos(to)
    with pytest.raises(UsageError, match="no such file"):
        index_photos(to, [bad])
    assert not to.exists()
    bad.write_bytes(NOT_A_PHOTO)
    assert index_photos(to, [bad], model=BytesExtractor(), local=None).useless
