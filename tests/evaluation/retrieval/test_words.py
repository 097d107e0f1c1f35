"""ASMK* on a small set of places: found, verified, scored."""

from __future__ import annotations

from pathlib import Path

import pytest

from solar.aggregation import learn_vocabulary
from solar.datasets import open_folder
from solar.errors import UsageError
from solar.evaluation.retrieval import score_rankings
from solar.evaluation.retrieval._features import features_of_set
from solar.evaluation.retrieval.words import rank_by_words
from solar.features.extractor import open_feature_extractor
from tests.scenes import album, scene


def test_parts_of_a_scene_find_one_another(tmp_path: Path) -> None:
    for place in range(3):
        folder = tmp_path / "places" / str(place)
        folder.mkdir(parents=True)
        whole = scene(place, (320, 240))
        for number, box in enumerate([(0, 0, 280, 240), (40, 0, 320, 240), (20, 10, 300, 230)]):
            whole.crop(box).save(folder / f"{number}.png")
    photos = open_folder(tmp_path / "places")
    maker = open_feature_extractor("rootsift", keypoints=80, image_size=320)
    vocabulary = learn_vocabulary(maker, album(tmp_path / "others", 6, (320, 240)), "asmk", 60)
    features = features_of_set(maker, photos)
    for verified in (0, 4):
        rankings = rank_by_words(features, vocabulary, verified)
        assert all(sorted(ranking.ids.tolist()) == list(range(9)) for ranking in rankings)
        scores = score_rankings(rankings, photos.ground_truth.queries)
        assert next(iter(scores.values())).map > 0.9
    assert rankings[0].evidence[int(rankings[0].ids[0])].inliers
    with pytest.raises(UsageError, match="-1 hits to verify"):
        rank_by_words(features, vocabulary, -1)
