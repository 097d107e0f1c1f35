"""A new model: photos are described again beside the old descriptors, and switched at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from solar.errors import UsageError
from solar.extraction import Described, Failed
from solar.index import Index
from solar.photos import Box, Photo
from tests.index.bytes_extractor import EXTRACTION, NOT_A_PHOTO, BytesExtractor, describe_bytes
from tests.index.bytes_features import BytesFeatures
from tests.index.listing import paths

NEW = replace(EXTRACTION, model="new", fingerprint=hashlib.sha256(b"new").hexdigest(), dimensions=8)


class Interrupted(BytesExtractor):
    """Comes to three photos."""

    def describe(
        self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
    ) -> Iterator[Described | Failed]:
        for result in super().describe(photos, boxes):
            if len(self.described) > 3:
                raise KeyboardInterrupt
            yield result


@pytest.fixture
def full(index: Index, photos: Path) -> Index:
    """An index with features, a hole in its ids, and a photo that is none."""
    index.keep_features(BytesFeatures())
    (photos / "bad.jpg").write_bytes(NOT_A_PHOTO)
    index.add(photos)
    index.remove([1])
    return index


def test_ids_and_features_are_kept(full: Index, photos: Path) -> None:
    (photos / "c.jpg").write_text("changed meanwhile")
    before, generation = paths(full), full.generation
    reader = Index.open(full.folder, BytesExtractor())
    features = BytesFeatures()
    full.keep_features(features)
    report = full.renew(BytesExtractor(NEW))
    assert len(report.added) == 4 and len(report.failed) == 1
    assert paths(full) == before
    assert full.extraction == NEW and full.generation > generation
    assert np.array_equal(full.descriptors([0])[0], describe_bytes(b"photo a.jpg", 8))
    assert np.array_equal(full.descriptors([2])[0], describe_bytes(b"changed meanwhile", 8))
    assert [each is not None for each in full.features([0, 2, 3, 4])] == [True, False, True, True]
    assert not features.described and full.verify() == []
    assert full.search(photos / "a.jpg", top=1, rerank="none")[0].id == 0
    assert reader.search(photos / "a.jpg", top=1, rerank="none")[0].id == 0, "a reader stays"
    with pytest.raises(UsageError, match=r"was made with model new .*, not bytes"):
        Index.open(full.folder, BytesExtractor())
    assert len(list(full.folder.iterdir())) == 5
    full.add(photos)
    assert max(paths(full).values()) == 6, "an id was used again"
    assert all(full.features([0, 2, 3, 4]))


def test_it_goes_on_where_it_was_interrupted(full: Index, photos: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        full.renew(Interrupted(NEW))
    assert full.extraction == EXTRACTION
    assert full.search(photos / "a.jpg", top=1, rerank="none")[0].id == 0
    (photos / "later.jpg").write_text("later")
    full.add(photos / "later.jpg")
    full.remove([4])
    full.compact()
    full.keep_features(BytesFeatures())
    before = paths(full)
    extractor = BytesExtractor(NEW)
    report = full.renew(extractor)
    assert len(extractor.described) < 4 and report.unchanged
    assert paths(full) == before and full.verify() == []
    assert len(list(full.folder.iterdir())) == 5


def test_another_model_begins_anew(full: Index) -> None:
    with pytest.raises(KeyboardInterrupt):
        full.renew(Interrupted(NEW))
    extractor = BytesExtractor(replace(NEW, image_size=100))
    full.renew(extractor)
    assert len(extractor.described) == 5 and full.extraction.image_size == 100
    assert len(list(full.folder.iterdir())) == 5


def test_photos_out_of_reach_are_not_lost(full: Index, photos: Path) -> None:
    away = photos.rename(photos.with_name("away"))
    with pytest.raises(UsageError, match=r"out of reach.*--moved"):
        full.renew(BytesExtractor(NEW))
    assert len(full) == 4
    away.rename(photos)
    (photos / "a.jpg").unlink()
    report = full.renew(BytesExtractor(NEW))
    assert len(full) == 3 and len(report.added) == 3
    assert "it is gone" in dict(full.info().failed)[str(photos / "a.jpg")]


def test_the_refusal_names_the_command(index: Index) -> None:
    with pytest.raises(UsageError, match=r"solar index --to .*my\.index --model new"):
        Index.open(index.folder, BytesExtractor(NEW))


def test_the_same_model_elsewhere_describes_nothing_again(full: Index, photos: Path) -> None:
    """Given without sizes, it keeps those that the index was made with."""
    before, count = paths(full), len(full)
    elsewhere = BytesExtractor(replace(EXTRACTION, model="/moved/model", scales=(1.0,)))
    report = full.renew(elsewhere)
    assert not elsewhere.described and len(report.unchanged) == count
    assert full.extraction == replace(EXTRACTION, model="/moved/model")
    assert paths(full) == before and full.verify() == []
