"""Features of a data set: kept, never mixed, and a photo without any is named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

from solar.datasets import LabelledSet
from solar.datasets.ground_truth import parse
from solar.errors import SolarError
from solar.evaluation.retrieval._features import features_of_set
from solar.extraction import Failed
from solar.features import FeatureExtraction, FeatureExtractor, FeaturesOf, open_feature_extractor
from solar.photos import Box, Photo
from tests.rerank.views import street


@dataclass
class Counting:
    """Tells how many photos were described."""

    inner: FeatureExtractor
    seen: list[Photo] = field(default_factory=list)

    @property
    def extraction(self) -> FeatureExtraction:
        return self.inner.extraction

    def describe(
        self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
    ) -> Iterator[FeaturesOf | Failed]:
        self.seen += photos
        return self.inner.describe(photos, boxes)


@pytest.fixture
def photos(tmp_path: Path) -> LabelledSet:
    """Two places of two views; the queries are a part of the first views."""
    paths = street(tmp_path / "street", 2, 2)
    gnd = [{"bbx": [100, 100, 400, 300], "ok": [2 * n + 1], "junk": [2 * n]} for n in range(2)]
    names = {"imlist": [path.stem for path in paths], "qimlist": ["0_0", "1_0"]}
    return LabelledSet(parse({**names, "gnd": gnd}, "toy", "toy"), paths, paths[::2])


def test_features_are_made_once_and_cropped(photos: LabelledSet) -> None:
    extractor = Counting(open_feature_extractor("rootsift"))
    steps = list[tuple[int, int]]()
    found = features_of_set(extractor, photos, progress=lambda *step: steps.append(step))
    assert len(extractor.seen) == 6 and steps == [(6, 6)]
    for features, path in zip(found.database, photos.database, strict=True):
        assert (features.width, features.height) == Image.open(path).size
    assert all(max(each.width, each.height) <= 300 for each in found.queries)
    assert "rootsift" in found.description and "276 keypoints" in found.description
    again = features_of_set(extractor, photos)
    assert len(extractor.seen) == 6
    assert [each.rows().tobytes() for each in again.database] == [
        each.rows().tobytes() for each in found.database
    ]
    # Whole queries are photos of the database, described once.
    whole = features_of_set(extractor, photos, crop=False)
    assert len(extractor.seen) == 10 and whole.queries == [whole.database[0], whole.database[2]]


def test_features_made_otherwise_are_kept_apart(photos: LabelledSet) -> None:
    features_of_set(open_feature_extractor("rootsift"), photos)
    other = Counting(open_feature_extractor("rootsift", keypoints=50))
    found = features_of_set(other, photos)
    assert max(map(len, found.database)) <= 50 and len(other.seen) == 6


def test_a_photo_without_features_is_named(photos: LabelledSet) -> None:
    good = Path(photos.database[3]).read_bytes()
    Path(photos.database[3]).write_bytes(b"no photo")
    extractor = Counting(open_feature_extractor("rootsift"))
    with pytest.raises(SolarError, match=r"keypoints of 1 of 6 photos .*1_1\.png"):
        features_of_set(extractor, photos)
    Path(photos.database[3]).write_bytes(good)
    features_of_set(extractor, photos)
    assert len(extractor.seen) == 12
