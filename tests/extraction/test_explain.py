"""Contributions of positions to a cosine: they sum to it, in torch's numbers and in the graph's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from solar.errors import UsageError
from solar.extraction.attend import Attention, attend
from solar.extraction.engines.choose import document_of, open_graph
from solar.extraction.engines.graph import DESCRIPTORS, FEATURE_MAP, PHOTOS, SCALE
from solar.extraction.explain import Explainer, contributions
from solar.models.pooling import GeM
from solar.models.registry import GLOBAL
from tests.scenes import scene


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 5), st.booleans(), st.booleans())
def test_parts_sum_to_the_descriptor_of_torch(
    seed: int, height: int, width: int, whitened: bool, each: bool
) -> None:
    chance = np.random.default_rng(seed)
    channels, dimensions = 6, 4 if whitened else 6
    features = chance.exponential(1, (channels, height, width)).astype(np.float32)
    features[chance.random(features.shape) < 0.3] = 0
    pool = GeM(channels if each else None)
    power = chance.uniform(1, 5, channels if each else 1).astype(np.float32)
    pool.p.data = torch.from_numpy(power)
    pooled = torch.nn.functional.normalize(pool(torch.from_numpy(features)[None]), eps=1e-6)
    weight = chance.standard_normal((dimensions, channels)).astype(np.float32)
    bias = chance.standard_normal(dimensions).astype(np.float32) / 10
    if whitened:
        layer = torch.nn.functional.linear(pooled, torch.tensor(weight), torch.tensor(bias))
        pooled = torch.nn.functional.normalize(layer, eps=1e-6)
    expected = pooled[0].detach().numpy()
    layers = (weight, bias) if whitened else (None, None)
    parts = contributions(features, power, *layers)
    np.testing.assert_allclose(parts.descriptor, expected, atol=2e-5)
    other = chance.standard_normal(dimensions).astype(np.float32)
    other /= np.linalg.norm(other)
    added = parts.towards(other)
    assert added.shape == (height, width)
    assert added.sum() == pytest.approx(float(expected @ other), abs=5e-5)
    turned = contributions(features[:, ::-1], power, *layers).towards(other)
    np.testing.assert_allclose(turned[::-1], added, atol=1e-5)  # each goes with its position


def test_an_empty_position_adds_nothing_without_a_bias() -> None:
    features = np.zeros((3, 1, 2), np.float32)
    features[:, 0, 0] = 1, 2, 3
    parts = contributions(features, np.array([3], np.float32), np.eye(3, dtype=np.float32))
    added = parts.towards(np.array([1, 0, 0], np.float32))
    assert abs(added[0, 1]) < 1e-12
    assert added[0, 0] == pytest.approx(1 / np.sqrt(14), abs=1e-6)


def test_explanations_sum_to_the_cosine_of_the_graph() -> None:
    document = document_of("solar-r18", GLOBAL)
    assert document is not None
    graph = open_graph(document, "openvino", "float32", [DESCRIPTORS, FEATURE_MAP])
    one, two = scene(3, (320, 240)), scene(5, (200, 300))
    rows = []
    for photo in (one, two):
        inputs = {PHOTOS: np.asarray(photo)[None], SCALE: np.ones(1, np.float32)}
        rows.append(graph.run(inputs)[0][0])
    explainer = Explainer("solar-r18", "openvino")
    found = explainer.explain(one, two)
    cosine = float(rows[0] @ rows[1])
    assert found.score == pytest.approx(cosine, abs=1e-4)
    assert found.query.sum() == pytest.approx(cosine, abs=1e-4)
    assert found.hit.sum() == pytest.approx(cosine, abs=1e-4)
    assert found.query.shape == (8, 10)
    part = explainer.explain(one, one, (0, 0, 160, 120))
    assert part.query.size < part.hit.size and part.score < 1
    itself = explainer.explain(one, one)
    assert itself.score == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(itself.query, itself.hit, atol=1e-6)


def test_a_model_without_a_graph_is_refused(model_folder: Path) -> None:
    for kind in (Explainer, Attention):
        with pytest.raises(UsageError, match="with a graph"):
            kind(model_folder)


def test_all_maps_are_those_of_each_position() -> None:
    photo = scene(3, (160, 120))
    attention = Attention("solar-r18")
    assert attention.stages == ["conv4_x", "conv5_x"] and attention.trained("conv5_x")
    maps = attention.maps(photo, attention.stage(4))
    height, width = maps.shape
    every = maps.all().reshape(height, width, height, width)
    np.testing.assert_allclose(every.sum((2, 3)), 1, atol=1e-5)
    one = attend(photo, (70, 90), stage=4, engine="openvino")
    row, column = int(90 / 120 * height), int(70 / 160 * width)
    np.testing.assert_allclose(every[row, column], one.weights, atol=1e-6)
