"""Another pooling for a network: the same maps, no whitening, clusters where photos have theirs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from solar.errors import UsageError
from solar.models.checkpoints import load, save
from solar.models.config import GlobalConfig
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.pooling import CroW, NetVLAD
from solar.models.repool import with_pooling
from solar.models.whitening import Whitening
from solar.models.whitening_layer import with_whitening
from tests.cli.runner import solar, succeed
from tests.scenes import album
from tests.training.small import begun, small_recipe


@pytest.fixture
def model() -> GlobalDescriptor:
    torch.manual_seed(1)
    return GlobalDescriptor(GlobalConfig("resnet18", ("conv5_x",), whitening=8)).eval()


IMAGES = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(3))


@torch.inference_mode()
def test_maps_stay_and_whitening_goes(model: GlobalDescriptor, tmp_path: Path) -> None:
    made = with_pooling(model, "crow", name="rival")
    torch.testing.assert_close(made.features(IMAGES), model.features(IMAGES))
    expected = torch.nn.functional.normalize(CroW()(model.features(IMAGES)), dim=1)
    torch.testing.assert_close(made(IMAGES), expected)
    assert (made.dimensions, made.name, model.config.whitening) == (512, "rival", 8)
    save(made, tmp_path / "m")
    assert load(tmp_path / "m").fingerprint == made.fingerprint != model.fingerprint


def test_clusters_start_from_photos(model: GlobalDescriptor, tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", 6, (96, 96))
    (tmp_path / "photos" / "torn.jpg").write_bytes(b"no photo")
    made = with_pooling(model, "netvlad-4", [*photos, tmp_path / "photos" / "torn.jpg"])
    assert made.dimensions == made.pooled == 4 * 512
    assert isinstance(made.pool, NetVLAD)
    maps = torch.cat([model.features(model.preprocess(path)) for path in photos]).detach()
    rows = torch.nn.functional.normalize(maps.flatten(2), dim=1).transpose(1, 2).flatten(0, 1)
    nearest = torch.cdist(rows, made.pool.centres).argmin(1)
    means = torch.stack([rows[nearest == k].mean(0) for k in range(4)])
    torch.testing.assert_close(made.pool.centres.detach(), means, rtol=1e-3, atol=1e-3)
    weights = (made.pool.weight @ rows.T + made.pool.bias[:, None]).softmax(0)
    assert torch.equal(weights.argmax(0), nearest)
    best = weights.detach().topk(2, dim=0).values
    assert float((best[0] / best[1]).log().mean()) == pytest.approx(np.log(100), rel=0.05)
    again = with_pooling(model, "netvlad-4", photos)
    assert again.fingerprint == made.fingerprint
    random = np.random.default_rng(0).normal(size=(40, 2048))
    assert with_whitening(made, Whitening.pca(random)).eval()(IMAGES).shape == (2, 39)


def test_photos_that_give_no_clusters(model: GlobalDescriptor, tmp_path: Path) -> None:
    (tmp_path / "torn.jpg").write_bytes(b"no photo")
    with pytest.raises(UsageError, match="none can be read"):
        with_pooling(model, "netvlad-4", [tmp_path / "torn.jpg"])
    with pytest.raises(UsageError, match="netvlad-64: 4 positions of photos"):
        with_pooling(model, "netvlad-64", album(tmp_path / "a", 1, (64, 64)))


@pytest.mark.slow
def test_a_recipe_trains_another_pooling(tmp_path: Path, model_folder: Path) -> None:
    recipe = small_recipe(tmp_path, model_folder, model={"pooling": "netvlad-3"})
    task = begun(recipe)
    pool = task.model.pool
    assert isinstance(pool, NetVLAD) and task.model.config.whitening is None
    before = pool.centres.detach().clone()
    task.open_epoch(0)
    batch = next(task.batches(0, 0))
    task.backward(batch)
    for parameter in pool.parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all()
    task.optimizer.step()
    assert not torch.equal(pool.centres.detach(), before)
    assert torch.equal(begun(recipe).model.pool.get_parameter("centres"), before)
    with pytest.raises(UsageError, match=r"\[model\].*unknown pooling 'max'"):
        small_recipe(tmp_path / "again", model_folder, model={"pooling": "max"})


def test_convert_makes_one(tmp_path: Path, model_folder: Path) -> None:
    album(tmp_path / "photos", 4, (96, 96))
    options = ["--pooling", "netvlad-3", "--photos", str(tmp_path / "photos")]
    succeed("convert", model_folder, "rival", *options, folder=tmp_path)
    made = load(tmp_path / "rival")
    assert (made.name, made.config.pooling) == ("rival", "netvlad-3")
    done = solar("convert", model_folder, "b", "--photos", "photos", folder=tmp_path)
    assert (done.returncode, "goes with --pooling" in done.stderr) == (2, True)
