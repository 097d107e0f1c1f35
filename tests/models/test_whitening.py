"""Whitening: what it promises, singular input, use as a layer."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from solar.errors import CheckpointError, UsageError
from solar.models.config import GlobalConfig
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.whitening import Whitening
from solar.models.whitening_layer import whitening_layer, with_whitening


def correlated(count: int, seed: int = 0) -> NDArray[np.float64]:
    random = np.random.default_rng(seed)
    rows: NDArray[np.float64] = random.normal(size=(count, 6)) @ random.normal(size=(6, 6)) + 3
    return rows


def test_pca_gives_uncorrelated_dimensions_of_equal_variance() -> None:
    x = correlated(500)
    whitening = Whitening.pca(x)
    z = (x - whitening.mean) @ whitening.projection.T
    np.testing.assert_allclose(z.T @ z / len(z), 2 * np.eye(6), atol=1e-9)


def test_pca_of_fewer_rows_than_dimensions_is_that_of_their_covariance() -> None:
    x = np.random.default_rng(1).normal(size=(9, 30)) * np.linspace(1, 3, 30) + 2
    whitening = Whitening.pca(x)
    centred = x - x.mean(0)
    values, axes = np.linalg.eigh(centred.T @ centred / 18)
    expected = (axes[:, :-9:-1] / np.sqrt(values[:-9:-1])).T
    assert whitening.projection.shape == (8, 30)
    signs = np.sign((whitening.projection * expected).sum(1, keepdims=True))
    np.testing.assert_allclose(signs * whitening.projection, expected, atol=1e-9)


@given(st.floats(0, 1))
def test_attenuated_pca_leaves_the_variances_that_its_power_says(power: float) -> None:
    x = correlated(500)
    whitening = Whitening.pca(x, power)
    z = (x - whitening.mean) @ whitening.projection.T
    covariance = (x - x.mean(0)).T @ (x - x.mean(0)) / (2 * len(x))
    left = np.linalg.eigvalsh(covariance)[::-1] ** (1 - power)
    np.testing.assert_allclose(z.T @ z / (2 * len(z)), np.diag(left), atol=1e-9 * left[0])


def test_learned_whitens_the_differences_of_pairs() -> None:
    x = correlated(400)
    queries, positives = np.arange(200), np.arange(200, 400)
    whitening = Whitening.learned(x, queries, positives)
    d = (x[queries] - x[positives]) @ whitening.projection.T
    np.testing.assert_allclose(d.T @ d / len(d), np.eye(6), atol=1e-9)


def test_shrunk_it_whitens_the_covariance_of_ledoit_and_wolf() -> None:
    x = correlated(40)
    queries, positives = np.arange(20), np.arange(20, 40)
    d = x[queries] - x[positives]
    covariance = d.T @ d / 20
    target = np.trace(covariance) / 6 * np.eye(6)
    error = np.mean([np.square(np.outer(row, row) - covariance).sum() for row in d]) / 20
    weight = error / np.square(covariance - target).sum()
    assert 0.02 < weight < 0.9
    p = Whitening.learned(x, queries, positives, shrink=True).projection
    whitened = p @ ((1 - weight) * covariance + weight * target) @ p.T
    np.testing.assert_allclose(whitened, np.eye(6), atol=1e-9)


def test_shrunk_few_pairs_are_enough_to_tell_places_apart() -> None:
    """Places in a few directions, noise in others; about as many pairs as dimensions."""
    random = np.random.default_rng(0)
    noise = np.diag(np.geomspace(3, 0.3, 40)) @ np.linalg.qr(random.normal(size=(40, 40)))[0]
    places = random.normal(size=(400, 8)) @ random.normal(size=(8, 40))
    a, b = (places + random.normal(size=(400, 40)) @ noise for _ in range(2))
    x = np.concatenate([a[:44], b[:44]])
    found = {}
    for shrink in (False, True):
        whitening = Whitening.learned(x, np.arange(44), np.arange(44, 88), shrink=shrink)
        scores = whitening.apply(a[44:], 8) @ whitening.apply(b[44:], 8).T
        found[shrink] = np.mean(scores.argmax(1) == np.arange(356))
    assert found[True] > found[False] + 0.1


@pytest.mark.parametrize("pairs", [1, 2, 5])
def test_shrunk_pairs_of_equal_photos_are_no_obstacle(pairs: int) -> None:
    x = correlated(9)
    rows = np.arange(pairs)
    whitening = Whitening.learned(x, rows, rows, shrink=True)
    assert np.isfinite(whitening.apply(x)).all()


@settings(deadline=None, max_examples=25)
@given(st.integers(3, 20), st.integers(2, 30))
def test_fewer_descriptors_than_dimensions_are_no_obstacle(count: int, dimensions: int) -> None:
    x = np.random.default_rng(count * 31 + dimensions).normal(size=(count, dimensions))
    whitening = Whitening.pca(x)
    assert 1 <= len(whitening.projection) <= min(count - 1, dimensions)
    assert np.isfinite(whitening.projection).all()
    learned = Whitening.learned(x, np.array([0, 1]), np.array([1, 2]))
    np.testing.assert_allclose(np.linalg.norm(learned.apply(x), axis=1), 1, atol=1e-6)


def test_as_a_layer_it_does_the_same() -> None:
    x = correlated(100)
    whitening = Whitening.pca(x).reduced(4)
    layer = whitening_layer(whitening)
    ours = torch.nn.functional.normalize(layer(torch.from_numpy(x).float()), dim=1)
    np.testing.assert_allclose(ours.detach().numpy(), whitening.apply(x), atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Whitening.pca(np.ones((5, 3))), "differ"),
        (lambda: Whitening.pca(correlated(9), 1.5), "power of 1.5"),
        (lambda: Whitening.pca(np.ones(5)), r"\(N, D\)"),
        (lambda: Whitening.pca(np.full((5, 3), np.nan)), "not finite"),
        (lambda: Whitening.learned(correlated(9), np.array([0]), np.array([9])), "outside 0 to 8"),
        (lambda: Whitening.learned(correlated(9), np.array([]), np.array([])), "pairs"),
        (lambda: Whitening.pca(correlated(9)).apply(correlated(9), 7), "1 to 6"),
        (lambda: Whitening.pca(correlated(9)).apply(np.ones((2, 5))), r"6-D .* \(2, 5\)"),
        (lambda: Whitening.pca(correlated(9)).apply(np.ones(6)), r"cannot take \(6,\)"),
    ],
)
def test_wrong_input_is_explained(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(UsageError, match=message):
        call()


def test_on_disk_and_back(tmp_path: Path) -> None:
    whitening = replace(Whitening.pca(correlated(50)), settings={"photos": 50, "model": "größer"})
    whitening.save(tmp_path / "w.npz")
    again = Whitening.load(tmp_path / "w.npz")
    assert again.settings == whitening.settings == again.reduced(3).settings
    assert np.array_equal(again.mean, whitening.mean)
    assert np.array_equal(again.projection, whitening.projection)


def test_a_file_of_mean_and_projection_alone_will_do(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", mean=np.ones(3), projection=np.eye(3)[:2])
    assert Whitening.load(tmp_path / "w.npz").settings == {}


@pytest.fixture(scope="module")
def model() -> GlobalDescriptor:
    torch.manual_seed(3)
    return GlobalDescriptor(
        GlobalConfig("resnet18", ("conv5_x",), whitening=16), name="small"
    ).eval()


@torch.inference_mode()
def test_in_a_model_it_replaces_the_layer_and_whitens_each_scale(model: GlobalDescriptor) -> None:
    random = np.random.default_rng(0)
    whitening = Whitening.pca(random.normal(size=(40, 512))).reduced(8)
    images = torch.rand(2, 3, 64, 48)
    bare, made = with_whitening(model, None), with_whitening(model, whitening)
    assert (bare.dimensions, bare.config.whitening) == (512, None)
    assert (made.dimensions, made.config.whitening) == (8, 8)
    expected = whitening.apply(bare(images).numpy())
    np.testing.assert_allclose(made(images).numpy(), expected, atol=1e-5)
    scales = (1.0, 0.5)
    mean = sum(whitening.apply(bare.multi_scale(images, (scale,)).numpy()) for scale in scales)
    unit = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    np.testing.assert_allclose(made.multi_scale(images, scales).numpy(), unit, atol=1e-5)
    assert (model.dimensions, model.config.whitening) == (16, 16)
    assert model(images).shape == (2, 16)
    assert len({m.fingerprint for m in (model, bare, made)}) == 3
    assert with_whitening(made, None).fingerprint == bare.fingerprint


def test_a_model_of_other_dimensions_is_named(model: GlobalDescriptor) -> None:
    with pytest.raises(UsageError, match=r"6-D .* model small, which pools 512-D"):
        with_whitening(model, Whitening.pca(correlated(50)))


def test_files_that_are_no_whitening_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    with pytest.raises(CheckpointError, match="no such file"):
        Whitening.load(path)
    path.write_bytes(b"PK nothing")
    with pytest.raises(CheckpointError, match=r"w\.npz: not a whitening"):
        Whitening.load(path)
    np.savez(path, mean=np.array([object()]), projection=np.ones((1, 1)))
    with pytest.raises(CheckpointError, match="not a whitening"):
        Whitening.load(path)
    for text in ("[1]", "{", "[" * 100_000):
        np.savez(path, mean=np.ones(3), projection=np.eye(3), settings=np.array(text))
        with pytest.raises(CheckpointError, match="not a whitening"):
            Whitening.load(path)
    np.savez(path, mean=np.ones(3))
    with pytest.raises(CheckpointError, match="projection"):
        Whitening.load(path)
    np.savez(path, mean=np.ones(3), projection=np.ones((2, 2)))
    with pytest.raises(CheckpointError, match=r"mean \(3,\)"):
        Whitening.load(path)
