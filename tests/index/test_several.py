"""Searching with several photos of one place, with photos of the index, and not like others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from solar.errors import UsageError
from solar.extraction import Failed
from solar.index import Index, Search, search_each
from solar.photos import DecodedPhoto, Photo
from solar.rerank.geometric import CHANCE
from tests.index.bytes_extractor import BytesExtractor, describe_bytes
from tests.index.bytes_features import BytesFeatures
from tests.rerank.views import street


def ids(hits: Sequence[object]) -> list[int]:
    return [hit.id for hit in hits]  # type: ignore[attr-defined]


def test_several_photos_are_searched_by_the_sum_of_their_descriptors(index: Index) -> None:
    a, b = describe_bytes(b"1"), describe_bytes(b"2")
    total = (a + b) / np.linalg.norm(a + b)
    hits = index.search([b"1", b"2"], top=5)
    (expected,) = index.search_descriptors(total[None], index.extraction, top=5)
    assert ids(hits) == ids(expected)
    assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in expected], abs=1e-6)
    assert index.search([b"1"], top=5) == index.search(b"1", top=5)


def test_a_photo_of_the_index_is_searched_without_its_file(index: Index, photos: Path) -> None:
    number = index.id_of(photos / "a.jpg")
    whole = index.search(photos / "a.jpg", top=5)
    (photos / "a.jpg").unlink()
    described = len(index._models.extractor(index.extraction).described)  # type: ignore[attr-defined]
    assert index.search(number, top=5) == whole
    mixed = index.search([number, b"2"], top=5)
    assert len(mixed) == 5 and len({hit.id for hit in mixed}) == 5
    made = index._models.extractor(index.extraction).described  # type: ignore[attr-defined]
    assert len(made) == described + 1
    for name, message in (("none.jpg", "no photo"), ("more", "several photos below")):
        with pytest.raises(UsageError, match=message):
            index.id_of(photos / name)


def test_what_is_more_like_another_is_not_found(index: Index) -> None:
    everything = sorted(index)
    for unlike in (everything[0], everything[3]):
        query, other = describe_bytes(b"q"), index.descriptors([unlike])[0]
        rows = index.descriptors(everything)
        left = {n for n, row in zip(everything, rows, strict=True) if row @ other <= row @ query}
        assert 0 < len(left) < 5 and unlike not in left
        hits = index.search(b"q", top=5, not_=[unlike])
        assert ids(hits) == [n for n in ids(index.search(b"q", top=5)) if n in left]
        (first,) = index.search(b"q", top=1, not_=[unlike])
        assert first == hits[0]
        chained = index.search(b"q", top=5, not_=[unlike], rerank="superglobal,diffusion")
        assert set(ids(chained)) == left
    assert index.search(b"q", not_=everything) == [] or set(
        ids(index.search(b"q", not_=everything))
    ) < set(everything)
    assert index.search(b"q", not_=[b"q"]) == index.search(b"q")


def test_copies_of_any_of_the_photos_are_left_out_when_asked(index: Index, photos: Path) -> None:
    (photos / "copy.jpg").write_bytes((photos / "b.jpg").read_bytes())
    index.add(photos)
    found = index.search([photos / "a.jpg", photos / "b.jpg"], top=9, distinct=True)
    assert sorted(Path(hit.path).name for hit in found) == ["c.jpg", "d.jpg", "e.jpg"]


def test_boxes_go_with_their_photos(index: Index, photos: Path) -> None:
    pair = [photos / "a.jpg", photos / "b.jpg"]
    one = index.search(pair, top=5, box=[(0, 0, 9, 9), None])
    other = index.search(pair, top=5, box=[None, (0, 0, 9, 9)])
    assert one != other and index.search(pair, top=5, box=[None, None]) == index.search(pair, top=5)
    for boxes in ([None], [None] * 3, (0, 0, 9, 9)):
        with pytest.raises(UsageError, match="2 photos are searched with"):
            index.search(pair, box=boxes)
    with pytest.raises(UsageError, match="no photo to search with"):
        index.search([])


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three places of three views."""
    return street(tmp_path_factory.mktemp("street"), 3, 3)


def test_each_hit_is_verified_with_each_photo(tmp_path: Path, places: list[Path]) -> None:
    index = Index.create(tmp_path / "i", BytesExtractor(), local=None)
    index.keep_features("rootsift")
    index.add(places[1:3] + places[4:6] + places[7:])
    found = index.search([places[0], places[3]], top=6, rerank="geometric")
    first = {Path(hit.path).name[0]: hit for hit in found if (hit.inliers or 0) > CHANCE}
    assert set(first) == {"0", "1"} and (first["0"].query, first["1"].query) == (0, 1)
    assert len([hit for hit in found if (hit.inliers or 0) > CHANCE]) == 4
    (together,) = search_each(index, places[:4:3], 6, rerank="geometric", together=True)
    assert isinstance(together, Search) and ids(together.hits) == ids(found)
    plain = together.to_json()
    assert plain["query"] == [str(places[0]), str(places[3])] and plain["box"] == [None, None]
    hits: list[dict[str, object]] = plain["hits"]  # type: ignore[assignment]
    assert {hit["query"] for hit in hits if hit.get("query") is not None} >= {0, 1}


def test_searches_stay_apart_unless_asked_and_a_bad_photo_stops_none(
    tmp_path: Path, places: list[Path]
) -> None:
    index = Index.create(tmp_path / "i", BytesExtractor(), local=None)
    index.add(places)
    (tmp_path / "bad.png").write_bytes(b"no photo")
    asked: list[Photo | int] = [places[0], tmp_path / "bad.png", index.id_of(places[3])]
    one, bad, two = search_each(index, asked)
    assert isinstance(one, Search) and isinstance(two, Search) and isinstance(bad, Failed)
    assert two.name == str(places[3]) and two.hits[0].id == asked[2]
    bad, whole = search_each(index, asked, together=True)
    assert isinstance(bad, Failed) and isinstance(whole, Search)
    assert [each.name for each in whole.queries] == [str(places[0]), str(places[3])]
    assert list(map(type, search_each(index, [tmp_path / "bad.png"], together=True))) == [Failed]
    boxed, _ = search_each(index, [places[0], asked[2]], box=["10%,10%,90%,90%", None])
    assert isinstance(boxed, Search) and boxed.box is not None
    assert isinstance(boxed.query, DecodedPhoto)
    width, height = boxed.query.size
    assert boxed.box == pytest.approx((0.1 * width, 0.1 * height, 0.9 * width, 0.9 * height))
    with pytest.raises(UsageError, match="2 boxes for 3 photos"):
        list(search_each(index, asked, box=["1,1,9,9", None]))
    (unknown,) = search_each(index, [99])
    assert isinstance(unknown, Failed) and "no photo of id 99" in unknown.reason


def test_a_photo_without_features_is_no_obstacle(tmp_path: Path, photos: Path) -> None:
    index = Index.create(tmp_path / "f", BytesExtractor(), local=None)
    index.add(photos / "a.jpg")
    index.keep_features(BytesFeatures())
    index.add(photos / "more")
    bare = index.id_of(photos / "a.jpg")
    assert all(hit.inliers is None for hit in index.search([bare], top=3, rerank="geometric"))
