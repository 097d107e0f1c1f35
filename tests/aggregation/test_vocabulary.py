"""Vocabularies learned from photos, kept in files, and what describes photos with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from solar.aggregation import (
    AggregatedExtractor,
    InvertedFile,
    Vocabulary,
    learn_vocabulary,
    open_aggregated,
)
from solar.aggregation.vocabulary import is_vocabulary
from solar.errors import CheckpointError, SolarError, UsageError
from solar.extraction import Extractor, collect, describe_one
from solar.features.extractor import features_of_one, open_feature_extractor
from solar.models.whitening import Whitening
from tests.scenes import album


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return album(tmp_path_factory.mktemp("photos"), 6, (160, 120))


@pytest.mark.parametrize(("kind", "dimensions"), [("vlad", 5 * 128), ("fisher", 2 * 5 * 64)])
def test_from_photos_to_descriptors(
    kind: str, dimensions: int, photos: list[Path], tmp_path: Path
) -> None:
    maker = open_feature_extractor("rootsift", keypoints=60, image_size=160)
    vocabulary = learn_vocabulary(maker, photos, kind, 5)
    assert (vocabulary.words, vocabulary.dimensions, vocabulary.photos) == (5, dimensions, 6)
    vocabulary.save(tmp_path / "v.npz")
    assert is_vocabulary(tmp_path / "v.npz")
    extractor = open_aggregated(tmp_path / "v.npz")
    assert isinstance(extractor, Extractor)
    assert extractor.extraction.fingerprint == vocabulary.fingerprint
    found = collect(extractor, [*photos, tmp_path / "gone.jpg"])
    assert found.descriptors.shape == (6, dimensions) and len(found.failures) == 1
    np.testing.assert_allclose(np.linalg.norm(found.descriptors, axis=1), 1, rtol=1e-5)
    one = vocabulary.aggregate(features_of_one(maker, photos[0]))
    np.testing.assert_allclose(found.descriptors[0], one, atol=1e-5)
    cosines = found.descriptors @ found.descriptors.T - 2 * np.eye(6)
    assert cosines.max() < 0.9
    part = describe_one(extractor, photos[0], (0, 0, 80, 120))
    assert part @ one < 0.999
    whitening = Whitening.pca(found.descriptors)
    whitened = open_aggregated(tmp_path / "v.npz", whitening=whitening, decoding="stored")
    assert whitened.extraction.whitening == whitening.digest
    expected = whitening.apply(found.descriptors)
    np.testing.assert_allclose(collect(whitened, photos).descriptors, expected, atol=1e-4)


def test_asmk_finds_a_photo_by_a_part_of_it(photos: list[Path], tmp_path: Path) -> None:
    maker = open_feature_extractor("rootsift", keypoints=60, image_size=160)
    learn_vocabulary(maker, photos, "asmk", 20).save(tmp_path / "v.npz")
    vocabulary = Vocabulary.load(tmp_path / "v.npz")
    index = InvertedFile(vocabulary, [features_of_one(maker, photo) for photo in photos])
    for number, photo in enumerate(photos):
        part = features_of_one(maker, photo, (10, 10, 150, 110))
        assert index.ranking(part).ids[0] == number
    with pytest.raises(UsageError, match="asmk gives no vectors"):
        open_aggregated(tmp_path / "v.npz")


def test_what_gives_no_vocabulary(photos: list[Path], tmp_path: Path) -> None:
    maker = open_feature_extractor("rootsift", keypoints=20, image_size=100)
    with pytest.raises(UsageError, match="kind bow: use vlad, fisher, asmk"):
        learn_vocabulary(maker, photos, "bow")
    with pytest.raises(UsageError, match=r"500 words from .* features"):
        learn_vocabulary(maker, photos, "vlad", 500)
    (tmp_path / "torn.jpg").write_bytes(b"no photo")
    with pytest.raises(SolarError, match="no photo gives features"):
        learn_vocabulary(maker, [tmp_path / "torn.jpg"], "vlad")


def test_features_of_another_kind_are_refused(photos: list[Path]) -> None:
    maker = open_feature_extractor("rootsift", keypoints=40, image_size=100)
    vocabulary = learn_vocabulary(maker, photos, "vlad", 3)
    other = open_feature_extractor("rootsift", keypoints=41, image_size=100)
    with pytest.raises(UsageError, match="keypoints 40, not 41"):
        AggregatedExtractor(vocabulary, other, "v")


@pytest.mark.parametrize("change", ["nan", "shape", "kind", "lacks", "torn", "settings"])
def test_hostile_files_are_refused(change: str, photos: list[Path], tmp_path: Path) -> None:
    maker = open_feature_extractor("rootsift", keypoints=40, image_size=100)
    path = tmp_path / "v.npz"
    learn_vocabulary(maker, photos, "vlad", 3).save(path)
    with np.load(path) as data:
        arrays = dict(data)
    if change == "nan":
        arrays["centres"][0, 0] = np.nan
    elif change == "shape":
        arrays["centres"] = arrays["centres"][:, :9]
    elif change == "kind":
        arrays["vocabulary"] = np.array(str(arrays["vocabulary"]).replace("vlad", "bow"))
    elif change == "settings":
        arrays["vocabulary"] = np.array("[1]")
    elif change == "lacks":
        arrays["odd"] = arrays.pop("centres")
    np.savez(path, **arrays)
    if change == "torn":
        path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(CheckpointError, match=r"v\.npz"):
        Vocabulary.load(path)
