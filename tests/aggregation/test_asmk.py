"""ASMK* against the published formulas done pair by pair."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from solar.aggregation.asmk import InvertedFile, binary_words
from solar.aggregation.vocabulary import Vocabulary
from solar.errors import UsageError
from solar.features.extraction import FeatureExtraction
from solar.features.features import Features
from solar.features.keypoints import Keypoints

MADE = FeatureExtraction("made", "a" * 64, 16)


def features(count: int, seed: int) -> Features:
    random = np.random.default_rng(seed)
    xy = random.uniform(0, 90, (count, 2)).astype(np.float32)
    sizes = (random.uniform(2, 9, count).astype(np.float32) for _ in range(3))
    keypoints = Keypoints(xy, *sizes)
    return Features.of(keypoints, random.normal(size=(count, 16)).astype(np.float32), (100, 100))


@pytest.fixture
def vocabulary() -> Vocabulary:
    centres = np.random.default_rng(9).normal(size=(7, 16)).astype(np.float32) / 4
    return Vocabulary("asmk", MADE, {"centres": centres}, 1)


def slow_words(photo: Features, vocabulary: Vocabulary, assigned: int) -> dict[int, list[int]]:
    """By word: the signs of the summed differences."""
    centres = vocabulary.arrays["centres"]
    sums: dict[int, npt.NDArray[np.float64]] = {}
    for row in photo.unit_descriptors:
        order = sorted(range(7), key=lambda k: float(np.linalg.norm(row - centres[k])))
        for k in order[:assigned]:
            sums[k] = sums.get(k, np.zeros(16)) + row.astype(np.float64) - centres[k]
    return {k: [1 if value > 0 else -1 for value in total] for k, total in sums.items()}


def slow_kernel(query: Features, photo: Features, vocabulary: Vocabulary, assigned: int) -> float:
    """Eq. of section 4: γ(X) γ(Z) Σ σ(bᵀb' / D) over common words."""
    x, z = slow_words(query, vocabulary, assigned), slow_words(photo, vocabulary, 1)
    total = 0.0
    for word in x.keys() & z.keys():
        u = float(np.dot(x[word], z[word])) / 16
        total += u**3 if u > 0 else 0
    return float(total / (len(x) * len(z)) ** 0.5)


@pytest.mark.parametrize("assigned", [1, 3])
def test_the_kernel_equals_the_slow_one(vocabulary: Vocabulary, assigned: int) -> None:
    photos = [features(count, seed) for seed, count in enumerate((12, 1, 30, 5))]
    index, query = InvertedFile(vocabulary, photos), features(20, 77)
    expected = [slow_kernel(query, photo, vocabulary, assigned) for photo in photos]
    np.testing.assert_allclose(index.similarities(query, assigned), expected, atol=1e-6)
    ranking = index.ranking(query, assigned)
    assert ranking.ids.tolist() == np.argsort(-np.array(expected), kind="stable").tolist()


def test_a_photo_is_most_like_itself(vocabulary: Vocabulary) -> None:
    photos = [features(25, seed) for seed in range(5)]
    index = InvertedFile(vocabulary, photos)
    for number, photo in enumerate(photos):
        found = index.similarities(photo, 1)
        assert found[number] == pytest.approx(1) and found.argmax() == number


def test_photos_without_features_are_like_nothing(vocabulary: Vocabulary) -> None:
    index = InvertedFile(vocabulary, [features(0, 1), features(9, 2)])
    assert index.similarities(features(0, 3)).tolist() == [0, 0]
    assert index.similarities(features(9, 2))[0] == 0
    assert binary_words(features(0, 1), vocabulary)[1].shape == (0, 2)
    assert len(InvertedFile(vocabulary, [])) == 0


def test_a_vocabulary_of_vectors_has_no_inverted_file(vocabulary: Vocabulary) -> None:
    other = Vocabulary("vlad", MADE, vocabulary.arrays)
    with pytest.raises(UsageError, match="kind vlad has no inverted file"):
        InvertedFile(other, [])
    with pytest.raises(UsageError, match="asmk gives no vectors"):
        _ = vocabulary.dimensions
