"""Searching with re-ranking, in an index whose descriptors say nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from solar.errors import PhotoError, UsageError
from solar.index import Index
from solar.rerank import WAYS
from solar.rerank.expansion import Expansion, moved
from solar.rerank.geometric import CHANCE
from tests.index.bytes_extractor import BytesExtractor
from tests.rerank.views import street


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four places of three views."""
    return street(tmp_path_factory.mktemp("street"), 4, 3)


@pytest.fixture
def index(tmp_path: Path, photos: list[Path]) -> Index:
    """All photos but the first view of each place; features of all but 3_2."""
    index = Index.create(tmp_path / "my.index", BytesExtractor(), local=None)
    index.add(photos[11])
    index.keep_features("rootsift")
    index.add([path for path in photos[:11] if not path.name.endswith("_0.png")])
    return index


def test_geometry_finds_what_descriptors_miss(index: Index, photos: list[Path]) -> None:
    for place in range(3):
        plain = index.search(photos[3 * place], top=8, rerank="none")
        hits = index.search(photos[3 * place], top=8, rerank="geometric")
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
    hits = index.search(photos[9], top=8, rerank="geometric")
    assert Path(hits[0].path).name == "3_1.png"
    bare = [hit for hit in hits if Path(hit.path).name == "3_2.png"]
    assert [hit.inliers for hit in bare] == [None] and bare[0].lines == ()


def test_a_place_beyond_the_top_is_brought_up(index: Index, photos: list[Path]) -> None:
    for photo in photos[:9:3]:
        (hit,) = index.search(photo, top=1, rerank="geometric")
        assert Path(hit.path).name[0] == photo.name[0]


def test_ways_are_chained(index: Index, photos: list[Path]) -> None:
    hits = index.search(photos[0], top=8, rerank="superglobal,geometric")
    assert {Path(hit.path).name for hit in hits[:2]} == {"0_1.png", "0_2.png"}
    assert all(hit.lines for hit in hits[:2])
    default = index.search(photos[0], top=8, rerank="default")
    assert default == index.search(photos[0], top=8, rerank="geometric")
    assert all(hit.inliers is None for hit in index.search(photos[0], top=8, rerank="none"))


def test_expansion_is_a_search_with_the_moved_query(index: Index, photos: list[Path]) -> None:
    query = index.describe(photos[0])
    verified = index.search(photos[0], top=Expansion.first, rerank="geometric")
    nearest = [hit.id for hit in verified if (hit.inliers or 0) > CHANCE]
    assert len(nearest) == 2
    sought = moved(query, index.descriptors(nearest), Expansion.alpha)
    hits = index.search(photos[0], top=5, rerank="geometric,expansion")
    expected = index.search_descriptors(sought[None], index.extraction, top=5)[0]
    assert [hit.id for hit in hits] == [hit.id for hit in expected]
    cosines = index.descriptors([hit.id for hit in hits]) @ query
    np.testing.assert_allclose([hit.score for hit in hits], cosines, atol=1e-6)


def test_an_empty_index_is_searched(tmp_path: Path, photos: list[Path]) -> None:
    index = Index.create(tmp_path / "empty", BytesExtractor(), local=None)
    index.keep_features("rootsift")
    assert index.search(photos[0], rerank=",".join(WAYS)) == []


def test_what_goes_wrong_is_told(index: Index, photos: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--rerank 'magic': use none"):
        index.search(photos[0], rerank="magic")
    for rerank in WAYS:
        with pytest.raises(UsageError, match="top"):
            index.search(photos[0], top=0, rerank=rerank)
    (tmp_path / "bad.png").write_bytes(b"not a photo")
    with pytest.raises(PhotoError, match=r"bad\.png"):
        index.search(tmp_path / "bad.png", rerank="geometric")
    bare = Index.create(tmp_path / "bare", BytesExtractor(), local=None)
    with pytest.raises(UsageError, match=r"keeps no keypoints.*--local"):
        bare.search(photos[0], rerank="geometric")
