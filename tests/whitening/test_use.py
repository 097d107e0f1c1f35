"""Whitening applied to files and folded into models: only where it belongs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from solar.errors import UsageError
from solar.extraction import Extraction
from solar.extraction.descriptors import DescriptorsFile
from solar.models.checkpoints import load, save
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.whitening import Whitening
from solar.models.whitening_layer import with_whitening
from solar.whitening.learn import learn_pca_from_file
from solar.whitening.use import apply_to_file, fold


def rows(count: int, dimensions: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    x = np.random.default_rng(count).normal(size=(count, dimensions)).astype(np.float32)
    unit: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = x / np.linalg.norm(
        x, axis=1, keepdims=True
    )
    return unit


@pytest.fixture
def file(tmp_path: Path) -> Path:
    paths = np.array([f"{i}.jpg" for i in range(30)])
    DescriptorsFile(paths, rows(30, 8), Extraction("m", "f" * 64, 8, 64, (1.0,))).save(
        tmp_path / "d.npz"
    )
    return tmp_path / "d.npz"


def test_a_file_is_whitened_and_keeps_its_paths(file: Path, tmp_path: Path) -> None:
    whitening = learn_pca_from_file(file).whitening
    (tmp_path / "new").mkdir()
    apply_to_file(whitening, file, tmp_path / "new" / "e.npz", 5)
    before, after = DescriptorsFile.load(file), DescriptorsFile.load(tmp_path / "new" / "e.npz")
    assert after.paths.tolist() == before.paths.tolist()
    np.testing.assert_array_equal(after.descriptors, whitening.apply(before.descriptors, 5))
    kept = whitening.reduced(5)
    assert after.extraction == replace(before.extraction, dimensions=5, whitening=kept.digest)
    with pytest.raises(UsageError, match=r"of another kind, m before .*, not m .*once more: learn"):
        apply_to_file(whitening, tmp_path / "new" / "e.npz", tmp_path / "f.npz")
    again = learn_pca_from_file(tmp_path / "new" / "e.npz").whitening
    apply_to_file(again, tmp_path / "new" / "e.npz", tmp_path / "f.npz")


def test_descriptors_of_another_model_are_refused(file: Path, tmp_path: Path) -> None:
    whitening = learn_pca_from_file(file).whitening
    for settings, told in (
        ({"fingerprint": "g", "model": "n"}, "n before any whitening, not m before"),
        ({"fingerprint": "g" * 64, "model": "m"}, "m before any whitening (gggggggggggg), not m"),
        ({"fingerprint": "g", "own_whitening": 4}, "an unknown model after its own whitening"),
        ({"model": "m"}, "m before any whitening (unknown), not m before any whitening (ffff"),
        ("odd", "an unknown model before any whitening"),
    ):
        other = replace(whitening, settings={"extraction": settings})
        with pytest.raises(UsageError, match=rf"d\.npz: .* of another kind, {re.escape(told)}"):
            apply_to_file(other, file, tmp_path / "e.npz")
    assert not (tmp_path / "e.npz").exists()
    apply_to_file(replace(whitening, settings={}), file, tmp_path / "e.npz")  # says nothing


@pytest.fixture(scope="module")
def model(model_folder: Path) -> GlobalDescriptor:
    return load(model_folder)


def test_a_model_gets_it_as_its_layer_and_says_so(model: GlobalDescriptor, tmp_path: Path) -> None:
    settings = {
        "extraction": {"fingerprint": with_whitening(model, None).fingerprint},
        "photos": 40,
    }
    whitening = replace(Whitening.pca(rows(40, 512)), settings={**settings, "method": "pca"})
    made = fold(model, whitening, "mine", 8)
    save(made, tmp_path / "mine")
    again = load(tmp_path / "mine")
    assert (again.name, again.dimensions, again.fingerprint) == ("mine", 8, made.fingerprint)
    assert again.provenance.licence == "MIT"
    assert again.provenance.trained_on.endswith("; PCA whitening from 40 photos")
    assert fold(again, whitening, "mine", 8).fingerprint == made.fingerprint
    learned = replace(whitening, settings={**settings, "method": "learned"})
    assert "learned whitening" in fold(model, learned, "mine").provenance.trained_on


def test_whitening_of_other_descriptors_does_not_fit_a_model(model: GlobalDescriptor) -> None:
    plain = Whitening.pca(rows(40, 512))
    for settings in (
        {"fingerprint": "another"},
        {"fingerprint": model.fingerprint},  # after the model's own whitening
        {"fingerprint": with_whitening(model, None).fingerprint, "whitening": "twice"},
    ):
        with pytest.raises(UsageError, match="learned from descriptors of another kind"):
            fold(model, replace(plain, settings={"extraction": settings}), "mine")
    with pytest.raises(UsageError, match="8-D"):
        fold(model, Whitening.pca(rows(40, 8)), "mine")
