"""Backbones: their stages say what they are, and one of other stages works everywhere."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from solar.errors import CheckpointError, UsageError
from solar.models.backbones.named import BACKBONES, build_backbone
from solar.models.checkpoints import load, save
from solar.models.config import GlobalConfig
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.whitening import Whitening
from solar.models.whitening_layer import with_whitening
from solar.training.retrieval.recipe import Optimisation
from solar.training.retrieval.start import build_optimizer, starting_model
from tests.models.tiny import CHANNELS, tiny
from tests.scenes import scene
from tests.training.small import small_recipe

CONFIG = GlobalConfig("tiny", ("middle",), whitening=6, image_size=64, scales=(1.0, 0.5))


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> GlobalDescriptor:
    """Three stages, attention that acts after the second, whitening to six dimensions."""
    monkeypatch.setitem(BACKBONES, "tiny", tiny)
    torch.manual_seed(0)
    made = GlobalDescriptor(CONFIG, name="small")
    torch.nn.init.normal_(made.get_parameter("attention.middle.v.weight"))
    return made.eval()


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "vgg16", "tiny"])
@torch.inference_mode()
def test_stages_have_the_channels_and_strides_that_they_say(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BACKBONES, "tiny", tiny)
    backbone = build_backbone(name).eval()
    for stage in backbone.stages:
        maps = backbone(torch.rand(1, 3, 64, 96), until=stage.name)
        assert maps.shape == (1, stage.channels, 64 // stage.stride, 96 // stage.stride)


def test_a_stage_goes_by_its_name_or_its_number() -> None:
    backbone = build_backbone("resnet18")
    assert [stage.name for stage in backbone.stages] == list(backbone)
    for stage in ("conv4_x", 4, "4"):
        assert backbone.stage(stage).channels == 256
        assert backbone.up_to(stage) == list(backbone.values())[:4]
    for odd in ("conv6_x", 0, 6, "", -1):
        with pytest.raises(UsageError, match=f"freeze: no stage '{odd}': use one of conv1, .*5$"):
            backbone.up_to(odd, "freeze")


def test_the_reductions_of_the_paper() -> None:
    model = GlobalDescriptor(GlobalConfig("resnet50"))
    mids = [model.get_parameter(f"attention.{s}.h.weight").shape for s in model.config.attention]
    assert [(mid, channels) for mid, channels, *_ in mids] == [(256, 1024), (1024, 2048)]


def test_attention_stands_between_the_stages(network: GlobalDescriptor) -> None:
    seen: dict[str, torch.Tensor] = {}
    network.stages["head"].register_forward_pre_hook(lambda _, args: seen.update(x=args[0]))
    images = torch.rand(2, 3, 16, 24)
    with torch.inference_mode():
        maps = network.features(images)
        before = network.stages(images, until="middle")
        attended = network.attention["middle"](before)
    assert torch.equal(seen["x"], attended) and not torch.equal(before, attended)
    assert maps.shape == (2, CHANNELS[-1], 2, 3)
    assert set(network.state_dict()) >= {"stages.stem.0.weight", "attention.middle.h.weight"}


def test_it_wants_photos_its_own_way(network: GlobalDescriptor) -> None:
    assert (network.config.mean, network.config.std) == ((0.5,) * 3, (0.2,) * 3)
    assert GlobalDescriptor(replace(CONFIG, mean=(0, 0, 0))).mean == (0, 0, 0)
    assert network(torch.rand(2, 3, 16, 24)).shape == (2, 6)
    images = torch.rand(2, 3, 17, 22)
    assert torch.equal(network(images), network(images[..., :16, 1:21]))  # sides that 4 divides


def test_saved_and_loaded(network: GlobalDescriptor, tmp_path: Path) -> None:
    save(network, tmp_path / "m")
    again = load(tmp_path / "m")
    assert (again.config, again.fingerprint) == (network.config, network.fingerprint)
    images = torch.rand(2, 3, 16, 24)
    assert torch.equal(again(images), network(images))
    with pytest.raises(UsageError, match=r"m\.pth: SOLAR's code has no backbone tiny"):
        save(network, tmp_path / "m.pth")
    del BACKBONES["tiny"]
    with pytest.raises(CheckpointError, match=r"config\.json: unknown backbone 'tiny': use one"):
        load(tmp_path / "m")


def test_attention_after_its_second_stage_is_drawn(
    network: GlobalDescriptor, tmp_path: Path
) -> None:
    scene(1, (64, 48)).save(tmp_path / "a.png")
    weights = network.attention_map(tmp_path / "a.png", at=(3, 4), stage=2)
    assert weights.shape == (12, 16) and float(weights.sum()) == pytest.approx(1, abs=1e-5)
    again = network.attention_map(tmp_path / "a.png", at=(3, 4), stage="middle")
    assert np.array_equal(weights, again)
    assert not network.attention_is_identity("middle")
    with pytest.raises(UsageError, match="model small: no attention after head; it has: middle"):
        network.attention_map(tmp_path / "a.png", at=(3, 4), stage="head")
    with pytest.raises(UsageError, match="model small: no stage '5': use one of stem, middle, h"):
        network.attention_map(tmp_path / "a.png", at=(3, 4))


def test_whitened_by_another_layer(network: GlobalDescriptor) -> None:
    rows = np.random.default_rng(0).normal(size=(40, CHANNELS[-1]))
    made = with_whitening(network, Whitening.pca(rows).reduced(4))
    assert made(torch.rand(1, 3, 16, 16)).shape == (1, 4)


def test_frozen_and_trained_by_name(network: GlobalDescriptor, tmp_path: Path) -> None:
    save(network, tmp_path / "m")
    start = {"attention": ["head", "middle"], "freeze": "stem"}
    model = starting_model(small_recipe(tmp_path, tmp_path / "m", model=start))
    assert model.config.attention == ("middle", "head")  # in the order of the stages
    assert model.attention_is_identity("head") and not model.attention_is_identity("middle")
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert frozen == {"stages.stem.0.weight", "stages.stem.0.bias"}
    groups = build_optimizer(model, Optimisation(attention_rate=3.0)).param_groups
    assert [len(group["params"]) for group in groups] == [6, 24, 1]
