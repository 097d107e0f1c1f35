"""Photos into an index in one call: what `solar index` does, without its words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from solar.errors import UsageError
from solar.index import Index, index_photos
from solar.index.vectors import KINDS
from solar.index.vectors.choice import cost
from solar.photos import Found, look_for_photos
from tests.index.bytes_extractor import NOT_A_PHOTO, BytesExtractor
from tests.index.bytes_features import BytesFeatures
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


def test_the_folders_of_a_new_index_are_listed_once(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[list[Path]] = []

    def look(roots: list[Path], exclude: Sequence[str]) -> Found:
        listed.append(roots)
        return look_for_photos(roots, exclude)

    monkeypatch.setattr("solar.index._given.look_for_photos", look)
    to, model = tmp_path / "my.index", BytesExtractor()
    done = index_photos(to, [photos], model=model, local=None, exclude=["b*", "more"])
    assert listed == [[photos.resolve()]]
    assert [Path(path).name for path in done.report.added] == ["a.jpg", "c.jpg"]
    assert done.cost == "kind exact: 96 bytes a photo, a search finds all of the ten nearest"


def test_what_a_filter_leaves_and_keypoints_are_counted(tmp_path: Path, photos: Path) -> None:
    index = Index.create(tmp_path / "my.index", BytesExtractor(), local=BytesFeatures())
    index.add(photos)
    assert index.count() == len(index) == 5
    assert index.count("name ~ 'a.jpg'") == 1 and index.count("name ~ 'nowhere'") == 0
    size = index.keypoint_bytes()
    assert size is not None and size > 10
    assert f"{size:,.0f} for its keypoints" in cost(index.kind, 16, 5, size)


def test_what_a_search_finds_is_said_of_the_number_that_was_measured() -> None:
    assert "kind rabitq: 592 bytes a photo, a search finds about 95.7%" in cost(
        "rabitq", 512, 10**7
    )
    assert cost("rabitq", 512, 250_000).endswith("99.1% of the ten nearest, measured among 100,000")
    for name, kind in KINDS.items():
        assert cost(name, 8, 0) and all(0 < part <= 1 for part in kind.recall.values())
