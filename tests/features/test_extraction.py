"""What features depend on: as JSON and back, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solar.errors import SolarError, UsageError
from solar.features.extraction import FeatureExtraction

EXTRACTION = FeatureExtraction("rootsift", "ab" * 32, 128)


@given(
    st.integers(1, 512), st.integers(1, 1 << 20), st.integers(1, 1 << 16), st.booleans(), st.text()
)
def test_it_comes_back_from_json(
    dimensions: int, keypoints: int, image_size: int, binary: bool, detector: str
) -> None:
    numbers = 8 * dimensions, keypoints, image_size
    extraction = FeatureExtraction("a/b.pth", "0" * 64, *numbers, binary, detector)
    assert FeatureExtraction.from_json(extraction.to_json(), "file") == extraction


@pytest.mark.parametrize(
    "change",
    [
        {"dimensions": "128"},
        {"dimensions": 0},
        {"keypoints": True},
        {"binary": 1},
        {"fingerprint": "12"},
        {"descriptor": ""},
        {"odd": 1},
        {"dimensions": 12, "binary": True},
    ],
)
def test_json_that_is_none_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SolarError, match=r"^settings\.json: "):
        FeatureExtraction.from_json({**EXTRACTION.to_json(), **change}, "settings.json")
    documents: list[object] = [None, [], "text", {}]
    for document in documents:
        with pytest.raises(SolarError, match="'descriptor' of the features is missing"):
            FeatureExtraction.from_json(document, "settings.json")


def test_only_a_name_may_differ() -> None:
    EXTRACTION.require_same(replace(EXTRACTION, descriptor="moved"), "here", "go")
    for other in (
        replace(EXTRACTION, fingerprint="cd" * 32),
        replace(EXTRACTION, dimensions=64),
        replace(EXTRACTION, keypoints=9),
        replace(EXTRACTION, image_size=8),
        replace(EXTRACTION, binary=True),
        replace(EXTRACTION, detector="orb"),
    ):
        assert len(EXTRACTION.differences(other)) == 1
        with pytest.raises(UsageError, match=r"^here holds features made with .*, not .*: go$"):
            EXTRACTION.require_same(other, "here", "go")


def test_bytes_of_a_row() -> None:
    assert EXTRACTION.row_bytes == 8 + 128
    assert replace(EXTRACTION, dimensions=256, binary=True).row_bytes == 8 + 32
