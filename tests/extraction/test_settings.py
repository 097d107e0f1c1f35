"""What descriptors and features depend on: as JSON and back, and what is refused."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solar.errors import SolarError, UsageError
from solar.extraction import Extraction
from solar.features.extraction import FeatureExtraction

GLOBAL = Extraction("solar-r18", "ab" * 32, 512, 1024, (1.0, 0.5))
LOCAL = FeatureExtraction("rootsift", "ab" * 32, 128)
OTHER = {str: "cd" * 32, int: 64, bool: True, tuple: (1.0,), type(None): "cd" * 32}
VALID = {"decoding": "stored", "bits": 4}


@given(
    st.integers(1, 512),
    st.integers(1, 1 << 20),
    st.integers(1, 1 << 16),
    st.sampled_from((1, 4, 8)),
    st.text(),
)
def test_features_come_back_from_json(
    dimensions: int, keypoints: int, image_size: int, bits: int, detector: str
) -> None:
    numbers = 8 * dimensions, keypoints, image_size
    extraction = FeatureExtraction("a/b.pth", "0" * 64, *numbers, bits, detector)
    assert FeatureExtraction.from_json(extraction.to_json(), "file") == extraction


@given(st.lists(st.floats(0.25, 2), min_size=1, max_size=4), st.none() | st.text())
def test_descriptors_come_back_from_json(scales: list[float], whitening: str | None) -> None:
    extraction = replace(GLOBAL, scales=tuple(scales), whitening=whitening)
    assert Extraction.from_json(extraction.to_json(), "file") == extraction


@pytest.mark.parametrize(
    "change",
    [
        {"dimensions": "128"},
        {"dimensions": 0},
        {"image_size": True},
        {"image_size": 1.5},
        {"fingerprint": "12"},
        {"odd": 1},
    ],
)
@pytest.mark.parametrize("settings", [GLOBAL, LOCAL])
def test_json_of_something_else_is_refused(
    settings: Extraction | FeatureExtraction, change: dict[str, Any]
) -> None:
    with pytest.raises(SolarError, match=r"^settings\.json: "):
        type(settings).from_json({**settings.to_json(), **change}, "settings.json")
    documents: list[object] = [None, [], "text", {}]
    for document in documents:
        with pytest.raises(SolarError, match=r"'(model|descriptor)' of the extraction is missing"):
            type(settings).from_json(document, "settings.json")


@pytest.mark.parametrize(
    ("settings", "change"),
    [
        (GLOBAL, {"scales": ["1"]}),
        (GLOBAL, {"scales": [1, True]}),
        (GLOBAL, {"scales": []}),
        (GLOBAL, {"model": ""}),
        (GLOBAL, {"whitening": 3}),
        (GLOBAL, {"decoding": "turned"}),
        (LOCAL, {"descriptor": "a\0"}),
        (LOCAL, {"bits": 2}),
        (LOCAL, {"keypoints": [1]}),
        (LOCAL, {"dimensions": 12, "bits": 1}),
    ],
)
def test_values_out_of_range_are_refused(
    settings: Extraction | FeatureExtraction, change: dict[str, Any]
) -> None:
    with pytest.raises(SolarError, match=r"^file: "):
        type(settings).from_json({**settings.to_json(), **change}, "file")


@pytest.mark.parametrize("settings", [GLOBAL, LOCAL])
def test_only_a_name_may_differ(settings: Any) -> None:
    name, *compared = fields(settings)
    settings.require_same(replace(settings, **{name.name: "moved"}), "here", "go")
    for field in compared:
        value = VALID.get(field.name, OTHER[type(getattr(settings, field.name))])
        other = replace(settings, **{field.name: value})
        assert len(settings.differences(other)) == 1
        with pytest.raises(UsageError, match=r"^here was made with .*, not .*: go$"):
            settings.require_same(other, "here", "go")


def test_bytes_of_a_row_of_features() -> None:
    assert LOCAL.row_bytes == 8 + 128
    assert replace(LOCAL, bits=4).row_bytes == 8 + 64
    assert replace(LOCAL, dimensions=256, bits=1).row_bytes == 8 + 32
