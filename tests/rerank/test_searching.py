"""Searching with re-ranking, in an index whose descriptors say nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from solar.errors import IndexFolderError, PhotoError, UsageError
from solar.index import Index
from solar.rerank.expansion import Expansion, moved
from solar.rerank.geometric import CHANCE
from solar.rerank.searching import search
from tests.index.bytes_describer import BytesDescriber
from tests.rerank.views import street


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four places of three views."""
    return street(tmp_path_factory.mktemp("street"), 4, 3)


@pytest.fixture
def index(tmp_path: Path, photos: list[Path]) -> Index:
    """All photos but the first view of each place; features of all but 3_2."""
    pytest.importorskip("cv2", reason="needs opencv-python-headless")
    index = Index.create(tmp_path / "my.index", BytesDescriber())
    index.add(photos[11])
    index.keep_local("rootsift")
    index.add([path for path in photos[:11] if not path.name.endswith("_0.png")])
    return index


def test_geometry_finds_what_descriptors_miss(index: Index, photos: list[Path]) -> None:
    for place in range(3):
        plain = index.search(photos[3 * place], top=8)
        hits = search(index, photos[3 * place], top=8, rerank_by="geometric")
        assert {hit.id for hit in hits} == {hit.id for hit in plain}
        assert {Path(hit.path).name for hit in hits[:2]} == {f"{place}_1.png", f"{place}_2.png"}
        counts = [hit.inliers for hit in hits]
        assert all(count is not None and count > CHANCE for count in counts[:2])
        assert all(count is None or count <= CHANCE for count in counts[2:])
        rest = [hit.id for hit in hits[2:]]
        assert rest == [hit.id for hit in plain if hit.id in rest]
        assert all(len(hit.lines) == (hit.inliers or 0) for hit in hits)
        scores = {hit.id: hit.score for hit in plain}
        assert all(hit.score == scores[hit.id] for hit in hits)


def test_a_hit_without_features_is_not_verified(index: Index, photos: list[Path]) -> None:
    hits = search(index, photos[9], top=8, rerank_by="geometric")
    assert Path(hits[0].path).name == "3_1.png"
    bare = [hit for hit in hits if Path(hit.path).name == "3_2.png"]
    assert [hit.inliers for hit in bare] == [None] and bare[0].lines == ()


def test_a_place_beyond_the_top_is_brought_up(index: Index, photos: list[Path]) -> None:
    for photo in photos[:9:3]:
        (hit,) = search(index, photo, top=1, rerank_by="geometric")
        assert Path(hit.path).name[0] == photo.name[0]


def test_ways_are_chained(index: Index, photos: list[Path]) -> None:
    hits = search(index, photos[0], top=8, rerank_by="expansion,geometric")
    assert {Path(hit.path).name for hit in hits[:2]} == {"0_1.png", "0_2.png"}
    assert all(hit.lines for hit in hits[:2])
    default = search(index, photos[0], top=8, rerank_by="default")
    assert default == search(index, photos[0], top=8, rerank_by="geometric")
    assert search(index, photos[0], top=8, rerank_by="none") == index.search(photos[0], top=8)


def test_expansion_is_a_search_with_the_moved_query(index: Index, photos: list[Path]) -> None:
    query = index.describe(photos[0])
    nearest = [hit.id for hit in index.search(photos[0], top=Expansion.first)]
    sought = moved(query, index.descriptors(nearest), Expansion.alpha)
    hits = search(index, photos[0], top=5, rerank_by="expansion")
    expected = index.search_descriptors(sought[None], top=5)[0]
    assert [hit.id for hit in hits] == [hit.id for hit in expected]
    cosines = index.descriptors([hit.id for hit in hits]) @ query
    np.testing.assert_allclose([hit.score for hit in hits], cosines, atol=1e-6)


def test_an_empty_index_is_searched(tmp_path: Path, photos: list[Path]) -> None:
    pytest.importorskip("cv2", reason="needs opencv-python-headless")
    index = Index.create(tmp_path / "empty", BytesDescriber())
    index.keep_local("rootsift")
    for rerank in ("geometric", "expansion"):
        assert search(index, photos[0], rerank_by=rerank) == []


def test_what_goes_wrong_is_told(index: Index, photos: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--rerank 'magic': use none"):
        search(index, photos[0], rerank_by="magic")
    for rerank in ("geometric", "expansion"):
        with pytest.raises(UsageError, match="top"):
            search(index, photos[0], top=0, rerank_by=rerank)
    (tmp_path / "bad.png").write_bytes(b"not a photo")
    with pytest.raises(PhotoError, match=r"bad\.png"):
        search(index, tmp_path / "bad.png", rerank_by="geometric")
    bare = Index.create(tmp_path / "bare", BytesDescriber())
    with pytest.raises(IndexFolderError, match=r"keeps no features.*--local"):
        search(bare, photos[0], rerank_by="geometric")
