"""Whitening: what it promises, singular input, use as a layer."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from solar.errors import CheckpointError, UsageError
from solar.models.whitening import Whitening


def correlated(count: int, seed: int = 0) -> NDArray[np.float64]:
    random = np.random.default_rng(seed)
    rows: NDArray[np.float64] = random.normal(size=(count, 6)) @ random.normal(size=(6, 6)) + 3
    return rows


def test_pca_gives_uncorrelated_dimensions_of_equal_variance() -> None:
    x = correlated(500)
    whitening = Whitening.pca(x)
    z = (x - whitening.mean) @ whitening.projection.T
    np.testing.assert_allclose(z.T @ z / len(z), 2 * np.eye(6), atol=1e-9)


def test_learned_whitens_the_differences_of_pairs() -> None:
    x = correlated(400)
    queries, positives = np.arange(200), np.arange(200, 400)
    whitening = Whitening.learned(x, queries, positives)
    d = (x[queries] - x[positives]) @ whitening.projection.T
    np.testing.assert_allclose(d.T @ d / len(d), np.eye(6), atol=1e-9)


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
    layer = whitening.linear()
    ours = torch.nn.functional.normalize(layer(torch.from_numpy(x).float()), dim=1)
    np.testing.assert_allclose(ours.detach().numpy(), whitening.apply(x), atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Whitening.pca(np.ones((5, 3))), "differ"),
        (lambda: Whitening.pca(np.ones(5)), r"\(N, D\)"),
        (lambda: Whitening.pca(np.full((5, 3), np.nan)), "not finite"),
        (lambda: Whitening.learned(correlated(9), np.array([0]), np.array([9])), "outside 0 to 8"),
        (lambda: Whitening.learned(correlated(9), np.array([]), np.array([])), "pairs"),
        (lambda: Whitening.pca(correlated(9)).apply(correlated(9), 7), "1 to 6"),
    ],
)
def test_wrong_input_is_explained(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(UsageError, match=message):
        call()


def test_on_disk_and_back(tmp_path: Path) -> None:
    whitening = Whitening.pca(correlated(50))
    whitening.save(tmp_path / "w.npz")
    again = Whitening.load(tmp_path / "w.npz")
    assert np.array_equal(again.mean, whitening.mean)
    assert np.array_equal(again.projection, whitening.projection)


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
    np.savez(path, mean=np.ones(3), projection=np.ones((2, 2)))
    with pytest.raises(CheckpointError, match=r"mean \(3,\)"):
        Whitening.load(path)
