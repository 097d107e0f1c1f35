"""ann-benchmarks' files: the true nearest, there and back, and what is none."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from solar.errors import SolarError, UsageError
from solar.extraction.ann_benchmarks import AnnBenchmark


def rows(seed: int, count: int) -> np.ndarray:
    made = np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32)
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True))


def test_there_and_back(tmp_path: Path) -> None:
    train, test = rows(0, 300), rows(1, 7)
    train[5] = train[200]  # equals: the first row is nearest
    test[0] = train[200]
    made = AnnBenchmark.of(train, test, 10)
    assert made.neighbors[0, :2].tolist() == [5, 200]
    np.testing.assert_allclose(made.distances[0, :2], 0, atol=1e-6)
    for query in range(7):
        cosines = train @ test[query]
        np.testing.assert_array_equal(
            np.sort(-cosines)[:10], np.sort(-cosines[made.neighbors[query]])
        )
    made.save(tmp_path / "a.hdf5")
    with h5py.File(tmp_path / "a.hdf5") as file:
        assert set(file) == {"train", "test", "neighbors", "distances"}
        assert file.attrs["distance"] == "angular" and file.attrs["dimension"] == 16
        assert file["neighbors"].dtype == np.int32
    back = AnnBenchmark.load(tmp_path / "a.hdf5")
    np.testing.assert_array_equal(back.neighbors, made.neighbors)
    np.testing.assert_allclose(back.train, made.train, atol=1e-6)


def test_others_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="top 301: use 1 to 300"):
        AnnBenchmark.of(rows(0, 300), rows(1, 7), 301)
    with pytest.raises(UsageError, match="no such file"):
        AnnBenchmark.load(tmp_path / "none.hdf5")
    made = AnnBenchmark.of(rows(0, 30), rows(1, 7), 5)
    made.save(tmp_path / "a.hdf5")
    with h5py.File(tmp_path / "a.hdf5", "a") as file:
        file.attrs["distance"] = "euclidean"
    with pytest.raises(SolarError, match="of distance euclidean"):
        AnnBenchmark.load(tmp_path / "a.hdf5")
    with h5py.File(tmp_path / "a.hdf5", "a") as file:
        file.attrs["distance"] = "angular"
        file["neighbors"][0, 0] = 30
    with pytest.raises(SolarError, match="do not belong together"):
        AnnBenchmark.load(tmp_path / "a.hdf5")
    with h5py.File(tmp_path / "a.hdf5", "a") as file:
        del file["neighbors"]
        file["neighbors"] = h5py.ExternalLink("/etc/passwd", "neighbors")
    with pytest.raises(SolarError, match="no neighbors in it"):
        AnnBenchmark.load(tmp_path / "a.hdf5")
