"""Geometric verification: views of one scene against others, and the rule of the ranking."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solar.errors import PhotoError, UsageError
from solar.extraction import Failed
from solar.features.extractor import FeaturesOf, features_of_one, open_feature_extractor
from solar.features.features import Features
from solar.matching.nearest import mutual_nearest
from solar.photos.augment import revisit
from solar.photos.plane import project
from solar.ranking import Ranking
from solar.rerank import rerank
from solar.rerank.geometric import CHANCE, Geometric, match_features, mutual, order, verify
from tests.evaluation.fakes import unit_rows
from tests.rerank.arrays import ArrayView
from tests.rerank.views import GENTLE, busy_scene, street
from tests.test_calibration import CALIBRATION


@pytest.fixture(scope="module")
def street_features(tmp_path_factory: pytest.TempPathFactory) -> list[Features]:
    """Three places of two views."""
    paths = street(tmp_path_factory.mktemp("street"), 3, 2)
    extractor = open_feature_extractor("rootsift")
    return [features_of_one(extractor, path) for path in paths]


def test_views_of_one_place_agree_and_others_do_not(street_features: list[Features]) -> None:
    inliers = np.array([[found.inliers for found in verify(query, street_features)]
                        for query in street_features])  # fmt: skip
    place = np.arange(6) // 2
    same = place[:, None] == place
    assert inliers[same].min() > 5 * CHANCE
    assert inliers[~same].max() <= CHANCE
    for row, features in zip(inliers, street_features, strict=True):
        assert row.max() <= len(features)


def test_only_the_first_hits_are_verified_and_moved(street_features: list[Features]) -> None:
    view = ArrayView(np.ones(1, np.float32), np.ones((6, 1), np.float32),
                     street_features[:1], [None, *street_features[1:]])  # fmt: skip
    first = Ranking.of(np.array([0, 5, 3, 1, 2, 4]), np.linspace(0.9, 0.1, 6, dtype=np.float32))
    found = Geometric(first=4)(first, view)
    assert found.ids.tolist() == [1, 0, 5, 3, 2, 4]
    assert found.scores[0] == first.scores[3]
    assert set(found.evidence) == {1, 3, 5}
    assert found.evidence[1].inliers == len(found.evidence[1].lines) > CHANCE
    deeper = Geometric()(first, view)
    assert deeper.ids.tolist() == [1, 0, 5, 3, 2, 4] and set(deeper.evidence) == {1, 2, 3, 4, 5}
    view.features = ()
    assert Geometric()(first, view) is first


def test_a_hit_is_verified_with_the_photo_of_the_query_that_it_resembles_most(
    street_features: list[Features],
) -> None:
    view = ArrayView(np.ones(1, np.float32), np.ones((6, 1), np.float32),
                     street_features[:4:2], street_features)  # fmt: skip
    first = Ranking.of(np.arange(6), np.linspace(0.9, 0.1, 6, dtype=np.float32))
    found = Geometric()(first, view)
    assert {number: found.evidence[number].query for number in range(4)} == {0: 0, 1: 0, 2: 1, 3: 1}
    assert sorted(found.ids[:4].tolist()) == [0, 1, 2, 3]
    alone = verify(street_features[2], [street_features[3]])[0]
    assert found.evidence[3].lines == alone.lines()


def test_hits_of_a_calibrated_model_are_in_the_order_of_probability(
    street_features: list[Features],
) -> None:
    rows = unit_rows(np.random.default_rng(3), 6, 8)
    view = ArrayView(rows[0], rows, street_features[:1], [None, *street_features[1:]], CALIBRATION)
    first = view.search(view.descriptor, 6)
    found = rerank(first, view, [Geometric()])
    probable = [found.evidence[number].probability for number in found.ids.tolist()]
    assert probable == sorted(probable, key=lambda each: -(each or 0)) and None not in probable
    assert found.ids[0] in (0, 1) and found.evidence[1].inliers is not None
    assert found.evidence[0].inliers is None and not found.evidence[0].lines
    unverified = rerank(first, view, [])
    assert unverified.ids.tolist() == first.ids.tolist()
    assert unverified.evidence[0] == found.evidence[0]


def test_inliers_lie_where_the_camera_saw_them(tmp_path: Path) -> None:
    scene = busy_scene(4)
    view = revisit(scene, 3, replace(GENTLE, roll=20, zoom=1.5))
    scene.save(tmp_path / "a.png")
    view.photo.save(tmp_path / "b.png")
    extractor = open_feature_extractor("rootsift")
    one, two = (features_of_one(extractor, tmp_path / name) for name in ("a.png", "b.png"))
    (found,) = verify(one, [two])
    assert found.inliers > 30
    expected = project(view.homography, found.query * scene.size - 0.5)
    off = np.linalg.norm(expected - (found.photo * view.photo.size - 0.5), axis=1)
    assert np.median(off) < 2
    assert np.quantile(off, 0.95) < 30
    for (x1, y1, x2, y2), a, b in zip(found.lines(), found.query, found.photo, strict=True):
        assert (x1, y1, x2, y2) == pytest.approx((*a, *b), abs=1e-4)
        assert 0 <= min(x1, y1, x2, y2) <= max(x1, y1, x2, y2) <= 1


def test_a_box_is_verified_alone_and_placed_in_the_whole_photo(tmp_path: Path) -> None:
    busy_scene(5).save(tmp_path / "a.png")
    extractor = open_feature_extractor("rootsift")
    box = (160.0, 120.0, 320.0, 240.0)
    part, whole = (features_of_one(extractor, tmp_path / "a.png", each) for each in (box, None))
    assert (part.width, part.height) == (160, 120)
    (found,) = verify(part, [whole])
    assert found.inliers > CHANCE
    inside = found.query * (480, 360)
    assert (inside >= box[:2]).all() and (inside <= box[2:]).all()
    assert np.abs(found.query - found.photo).max() < 0.05
    with pytest.raises(UsageError, match="box"):
        features_of_one(extractor, tmp_path / "a.png", (900, 900, 999, 999))


def test_fast_matches_are_the_exact_ones(street_features: list[Features]) -> None:
    query = street_features[0]
    for photo, fast in zip(street_features, match_features(query, street_features), strict=True):
        exact = mutual_nearest(query.unit_descriptors, photo.unit_descriptors)
        pairs = set(zip(fast.first.tolist(), fast.second.tolist(), strict=True))
        expected = set(zip(exact.first.tolist(), exact.second.tolist(), strict=True))
        assert len(pairs ^ expected) <= 0.01 * len(expected)


def test_blocks_change_nothing(
    street_features: list[Features], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [found.inliers for found in verify(street_features[0], street_features)]
    monkeypatch.setattr("solar.rerank.geometric._PHOTOS_AT_ONCE", 1)
    assert [found.inliers for found in verify(street_features[0], street_features)] == whole


def test_equal_rows_are_matched_once() -> None:
    found = mutual(np.ones((4, 3), np.float32))
    assert (found.first.tolist(), found.second.tolist()) == ([0], [0])


def test_photos_without_keypoints_agree_with_nothing(
    street_features: list[Features], tmp_path: Path
) -> None:
    from PIL import Image

    Image.new("RGB", (64, 48)).save(tmp_path / "flat.png")
    flat = features_of_one(open_feature_extractor("rootsift"), tmp_path / "flat.png")
    assert len(flat) == 0
    assert [found.inliers for found in verify(flat, [flat, street_features[0]])] == [0, 0]
    assert verify(street_features[0], [flat])[0].lines() == ()
    assert verify(street_features[0], []) == []


@given(st.lists(st.none() | st.integers(0, 3 * CHANCE)))
def test_the_rule_of_the_ranking(inliers: list[int | None]) -> None:
    places = order(inliers)
    assert sorted(places) == list(range(len(inliers)))
    counts = [inliers[place] or 0 for place in places]
    trusted = [count for count in counts if count > CHANCE]
    assert counts[: len(trusted)] == trusted == sorted(trusted, reverse=True)
    rest = places[len(trusted) :]
    assert rest == sorted(rest)
    for a, b in pairwise(places):
        assert a < b or (inliers[a] or 0) > (inliers[b] or 0)


def test_a_photo_that_cannot_be_used_stops_no_other(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"not a photo")
    busy_scene(1).save(tmp_path / "good.png")
    extractor = open_feature_extractor("rootsift")
    photos = [tmp_path / "bad.png", tmp_path / "good.png"] * 9
    found = {outcome.position: outcome for outcome in extractor.describe(photos)}
    assert sorted(found) == list(range(18))
    for position, outcome in found.items():
        if position % 2:
            assert isinstance(outcome, FeaturesOf)
        else:
            assert isinstance(outcome, Failed) and "bad.png" in outcome.reason
    with pytest.raises(PhotoError):
        features_of_one(extractor, tmp_path / "bad.png")


@pytest.mark.slow
def test_a_network_makes_features_too(tmp_path: Path) -> None:
    import torch

    from solar.models.checkpoints import save
    from solar.models.local_descriptor import LocalDescriptor

    torch.manual_seed(3)
    network = LocalDescriptor().eval()
    save(network, tmp_path / "network")
    extractor = open_feature_extractor(str(tmp_path / "network"))
    assert extractor.extraction.fingerprint == network.fingerprint
    paths = street(tmp_path, 2, 2)
    features = [features_of_one(extractor, path) for path in paths]
    assert features[0].descriptors.shape == (len(features[0]), extractor.extraction.dimensions)
    counts = [found.inliers for found in verify(features[0], features)]
    assert counts[0] > 0.7 * len(features[0]) > counts[1] > max(counts[2:])
