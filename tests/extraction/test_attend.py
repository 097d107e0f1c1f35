"""One position's attention: its spread, its picture, plain values."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from solar.errors import UsageError
from solar.extraction.attend import Attended, attend
from solar.models.checkpoints import load
from tests.scenes import scene


def attended(weights: list[float]) -> Attended:
    map_ = np.array([weights], np.float32)
    return Attended(Image.new("RGB", (32, 32)), (1.0, 2.0), "conv5_x", map_, True)


@given(st.integers(1, 40), st.integers(1, 40))
def test_spread_counts_the_positions_that_share_attention(some: int, more: int) -> None:
    weights = [1 / some] * some + [0.0] * more
    expected = np.log(some) / np.log(some + more)
    assert attended(weights).spread == pytest.approx(expected, abs=1e-6)
    assert attended([1 / (some + more)] * (some + more)).spread == pytest.approx(1)


def test_a_map_is_the_models_own_whatever_the_photo_comes_as(model_folder: Path) -> None:
    photo = scene(3, (160, 120))
    found = attend(photo, (80, 60), model=model_folder, device="cpu")
    expected = load(model_folder).attention_map(np.asarray(photo), at=(80, 60))
    np.testing.assert_array_equal(found.weights, expected)
    assert found.picture().size == photo.size
    plain = json.loads(json.dumps(found.to_json()))
    assert plain["stage"] == "conv5_x" and plain["at"] == [80, 60]
    np.testing.assert_allclose(plain["weights"], found.weights)
    with pytest.raises(UsageError, match="photo: 999,1 is outside its 160x120"):
        attend(photo, (999, 1), model=model_folder)
