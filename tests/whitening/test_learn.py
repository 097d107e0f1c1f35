"""Whitening from photos, places and files: the same as by hand; what cannot be used; refusals."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from solar.datasets.places.places import open_places
from solar.errors import SolarError, UsageError
from solar.extraction import Extractor, open_extractor
from solar.extraction.describe import describe_to_file
from solar.extraction.descriptors import DescriptorsFile
from solar.models.checkpoints import load
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.whitening import Whitening
from solar.whitening.learn import (
    fit,
    learn_from_places,
    learn_pca,
    learn_pca_from_file,
)
from solar.whitening.pairs import matching_pairs
from tests.scenes import album


@pytest.fixture(scope="module")
def model(model_folder: Path) -> GlobalDescriptor:
    return load(model_folder)


def bare(model: GlobalDescriptor, size: int = 64) -> Extractor:
    """The model without its whitening layer."""
    scales = (1.0, 0.5)
    return open_extractor(model, pooled=True, image_size=size, scales=scales, precision="float32")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three places of 8, 4 and 1 photos, and a bad file in the first."""
    folder = tmp_path_factory.mktemp("places")
    for place, paths in (("bridge", 8), ("castle", 4), ("tower", 1)):
        album(folder / place, paths, (48 + 8 * paths, 64))
    (folder / "bridge" / "bad.png").write_bytes(b"not a photo")
    return folder


@pytest.fixture(scope="module")
def described(
    model: GlobalDescriptor, photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The same photos' descriptors, without the model's whitening layer."""
    path = tmp_path_factory.mktemp("described") / "d.npz"
    describe_to_file(bare(model), [photos], path)
    return path


def same_up_to_signs(ours: Whitening, other: Whitening) -> None:
    np.testing.assert_allclose(ours.mean, other.mean, atol=1e-6)
    a, b = (w.projection / np.linalg.norm(w.projection) for w in (ours, other))
    np.testing.assert_allclose(np.abs((a * b).sum(1)), np.square(b).sum(1), rtol=1e-3)


def test_pca_from_photos_is_that_of_their_descriptors(
    model: GlobalDescriptor, photos: Path, described: Path
) -> None:
    paths = sorted(photos.rglob("*.png"))
    steps: list[tuple[int, int]] = []
    learned = learn_pca(bare(model), paths, 5, lambda done, total: steps.append((done, total)))
    assert steps[-1] == (14, 14)
    assert (learned.photos, learned.pairs, learned.whitening.projection.shape) == (13, 0, (5, 512))
    assert len(learned.failed) == 1 and "bad.png" in learned.failed[0]
    rows = DescriptorsFile.load(described).descriptors
    same_up_to_signs(learned.whitening, Whitening.pca(rows).reduced(5))
    same_up_to_signs(learn_pca_from_file(described, 5).whitening, learned.whitening)
    assert learned.whitening.settings == {
        "extraction": bare(model).extraction.to_json(),
        "method": "pca",
        "photos": 13,
        "power": 1.0,
    }
    half = learn_pca(bare(model), paths, 5, power=0.5).whitening
    same_up_to_signs(half, Whitening.pca(rows, 0.5).reduced(5))
    assert learn_pca_from_file(described).whitening.settings == learned.whitening.settings


def test_learned_from_places_is_that_of_their_pairs(
    model: GlobalDescriptor, photos: Path, described: Path
) -> None:
    places = open_places(photos)
    learned = learn_from_places(bare(model), places, 6)
    file = DescriptorsFile.load(described)
    row = {path: number for number, path in enumerate(file.paths.tolist())}
    pairs = [
        (row[str(places.path(a))], row[str(places.path(b))])
        for a, b in matching_pairs(places).tolist()
        if "bad.png" not in (places.path(a).name, places.path(b).name)
    ]
    assert len(pairs) == 9 - 2 + 4  # around nine photos and four; the bad file stood in two
    assert (learned.photos, learned.pairs) == (12, 11)  # the tower has no pair
    assert len(learned.failed) == 1 and "bad.png" in learned.failed[0]
    used = np.unique(pairs)
    queries, positives = np.searchsorted(used, pairs).T
    expected = Whitening.learned(file.descriptors[used], queries, positives, shrink=True)
    same_up_to_signs(learned.whitening, expected.reduced(6))
    assert learned.whitening.settings["method"] == "learned"
    assert learned.whitening.settings["pairs"] == 11


def test_as_the_published_code_learns_it(
    model: GlobalDescriptor, photos: Path, described: Path
) -> None:
    """All pairs, every photo for the axes, no shrinkage: its formulas, written anew."""
    learned = learn_from_places(bare(model), open_places(photos), published=True)
    file = DescriptorsFile.load(described)
    place = [Path(path).parent.name for path in file.paths]
    x = file.descriptors.T.astype(float)
    pairs = np.array([(i, j) for i in range(13) for j in range(i) if place[i] == place[j]])
    assert (learned.photos, learned.pairs) == (13, len(pairs))
    mean = x[:, pairs[:, 0]].mean(1, keepdims=True)
    apart = x[:, pairs[:, 0]] - x[:, pairs[:, 1]]
    covariance = apart @ apart.T / len(pairs) + 1e-10 * np.eye(512)  # singular without
    within = np.linalg.inv(np.linalg.cholesky(covariance))
    spread = within @ (x - mean)
    _, axes = np.linalg.eigh(spread @ spread.T)
    wanted = axes.T @ spread
    wanted /= np.linalg.norm(wanted, axis=0)
    found = learned.whitening.apply(file.descriptors)
    np.testing.assert_allclose(found @ found.T, wanted.T @ wanted, atol=1e-4)
    assert learned.whitening.settings["shrinkage"] is False
    with pytest.raises(UsageError, match="--published and --photos are for pairs"):
        fit(photos, published=True)


def test_boxes_of_a_list_are_cut_out(model: GlobalDescriptor, tmp_path: Path) -> None:
    boxes = [(0, 0, 60, 60), (10, 4, 70, 60), None, (20, 0, 80, 50)]
    rows = ["path,place,box"]
    for number, (path, box) in enumerate(zip(album(tmp_path, 4, (80, 64)), boxes, strict=True)):
        place = "ab"[number // 2]
        rows.append(f"{path.name},{place},{' '.join(map(str, box or ()))}")
        (tmp_path / "cut" / place).mkdir(parents=True, exist_ok=True)
        with Image.open(path) as photo:
            photo.crop(box).save(tmp_path / "cut" / place / path.name)
    (tmp_path / "list.csv").write_text("\n".join(rows))
    listed, cut = (
        learn_from_places(bare(model, 80), open_places(source), 2).whitening
        for source in (tmp_path / "list.csv", tmp_path / "cut")
    )
    same_up_to_signs(listed, cut)


def test_too_many_dimensions_are_refused_before_anything_is_described(
    model: GlobalDescriptor, photos: Path, described: Path
) -> None:
    missing = [Path("gone.png")] * 20
    with pytest.raises(UsageError, match="20 dimensions need at least 21 photos, there are 20"):
        learn_pca(bare(model), missing, 20)
    with pytest.raises(UsageError, match="513 dimensions asked for; the descriptors have 512"):
        learn_pca(bare(model), missing * 40, 513)
    with pytest.raises(UsageError, match="13 dimensions need at least 14 photos, there are 13"):
        learn_pca_from_file(described, 13)
    with pytest.raises(UsageError, match="600 dimensions asked for"):
        learn_from_places(bare(model), open_places(photos), 600)


def test_photos_that_cannot_be_used_are_named(model: GlobalDescriptor, tmp_path: Path) -> None:
    with pytest.raises(SolarError, match=r"gone\.png"):
        learn_pca(bare(model), [tmp_path / "gone.png"] * 3)
    for name in ("a", "b"):
        album(tmp_path / "single" / name, 1)
        (tmp_path / "broken" / name).mkdir(parents=True)
        shutil.copy(tmp_path / "single" / name / "00.png", tmp_path / "broken" / name)
        (tmp_path / "broken" / name / "01.png").write_bytes(b"")
    with pytest.raises(UsageError, match="single: no place has two photos"):
        learn_from_places(bare(model), open_places(tmp_path / "single"))
    with pytest.raises(SolarError, match="broken: no pair is left"):
        learn_from_places(bare(model), open_places(tmp_path / "broken"))
