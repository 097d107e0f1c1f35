"""Feature extractors: any photo, every name, and no more work than is asked for."""

from __future__ import annotations

import io
from pathlib import Path
from threading import Lock

import numpy as np
import pytest
from PIL import Image

from solar.errors import PhotoError, UsageError
from solar.extraction import Failed
from solar.features import Features, FeaturesOf, features_of_one, open_feature_extractor
from solar.features.extractor import KeypointExtractor
from solar.features.keypoints import FloatArray, Keypoints
from solar.photos import Photo
from solar.rerank.geometric import verify
from solar.typing import GrayImage
from tests.rerank.views import busy_scene, street


def bytes_of(photo: Image.Image) -> bytes:
    file = io.BytesIO()
    photo.save(file, "PNG")
    return file.getvalue()


def test_a_photo_has_the_same_features_however_it_comes(tmp_path: Path) -> None:
    photo = busy_scene(1)
    photo.save(tmp_path / "a.png")
    given: list[Photo] = [
        tmp_path / "a.png",
        bytes_of(photo),
        io.BytesIO(bytes_of(photo)),
        photo,
        np.array(photo),
        b"no photo",
    ]
    extractor = open_feature_extractor("rootsift", keypoints=60)
    found = {outcome.position: outcome for outcome in extractor.describe(given)}
    first = found[0]
    assert isinstance(first, FeaturesOf) and 20 < len(first.features) <= 60
    for position in range(1, 5):
        outcome = found[position]
        assert isinstance(outcome, FeaturesOf)
        np.testing.assert_array_equal(outcome.features.rows(), first.features.rows())
    failed = found[5]
    assert isinstance(failed, Failed) and failed.reason.startswith("photo 6 of 6: ")
    with pytest.raises(PhotoError, match=r"^photo: "):
        features_of_one(extractor, b"no photo")
    with pytest.raises(UsageError, match="1 boxes for 6 photos"):
        list(extractor.describe(given, [None]))


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two photos of each of two places."""
    return street(tmp_path_factory.mktemp("street"), 2, 2)


@pytest.mark.parametrize(
    ("name", "detector"),
    [
        *((name, "sift") for name in ("rootsift", "sift", "orb", "raw", "solar-local")),
        ("orb", "orb"),
        *(
            pytest.param(name, "orb", marks=pytest.mark.slow)
            for name in ("rootsift", "sift", "raw", "solar-local")
        ),
    ],
)
def test_features_of_every_name_are_compact_and_find_the_place_again(
    views: list[Path], name: str, detector: str
) -> None:
    extractor = open_feature_extractor(name, "cpu", detector=detector)
    features = [features_of_one(extractor, path) for path in views]
    for found in features:
        rows = found.rows()
        assert rows.shape == (len(found), extractor.extraction.row_bytes)
        again = Features.from_rows(480, 360, rows, bits=extractor.extraction.bits)
        np.testing.assert_array_equal(again.unit_descriptors, found.unit_descriptors)
    itself, same, *others = (found.inliers for found in verify(features[0], features))
    assert itself > same > 2 * max(others)


def test_photos_wait_in_a_bounded_number_and_none_after_the_last_taken() -> None:
    begun, lock = [0], Lock()
    whole = open_feature_extractor("rootsift", keypoints=10)

    def counted(photo: GrayImage, keypoints: Keypoints) -> FloatArray:
        with lock:
            begun[0] += 1
        return np.zeros((len(keypoints), 128), np.float32)

    extractor = KeypointExtractor(whole.extraction, whole.detector, counted)
    photos = [Image.new("RGB", (64, 64), (number, 0, 0)) for number in range(200)]
    outcomes = extractor.describe(photos)
    assert next(outcomes).position == 0
    outcomes.close()  # type: ignore[attr-defined]
    at_close = begun[0]
    assert 1 <= at_close < 200
    assert len(list(extractor.describe(photos))) == 200
    assert begun[0] == at_close + 200
