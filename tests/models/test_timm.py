"""timm's networks as backbones: six families, cut into stages, with attention inside."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.layers.pos_embed import resample_abs_pos_embed

from solar.errors import CheckpointError, UsageError
from solar.extraction import collect, open_extractor
from solar.models.backbones.named import build_backbone
from solar.models.backbones.tokens import TokenBackbone, resampled
from solar.models.checkpoints import load, save
from solar.models.config import POOLINGS, GlobalConfig
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.registry import bring, is_named, lies_at
from solar.training.retrieval.start import starting_model
from tests.models.small_timm import FAMILIES, RELATED, network_of
from tests.scenes import scene
from tests.training.small import small_recipe


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=pytest.mark.slow if name in RELATED else ()) for name in FAMILIES
    ],
)
def network(request: pytest.FixtureRequest) -> GlobalDescriptor:
    """One of each family."""
    torch.manual_seed(3)
    return network_of(request.param)


@torch.inference_mode()
def test_stages_have_the_channels_and_strides_that_they_say(network: GlobalDescriptor) -> None:
    side = 7 * network.stages.multiple if isinstance(network.stages, TokenBackbone) else 64
    for stage in network.stages.stages:
        maps = network.stages(torch.rand(2, 3, side, 2 * side), until=stage.name)
        assert maps.shape == (2, stage.channels, side // stage.stride, 2 * side // stage.stride)


@torch.inference_mode()
def test_a_batch_is_described_as_each_of_it(network: GlobalDescriptor) -> None:
    for shape in ((75, 130), (9, 40)):
        images = torch.rand(3, 3, *shape)
        rows = network.multi_scale(images)
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(3))
        for image, row in zip(images, rows, strict=True):
            torch.testing.assert_close(network.multi_scale(image[None])[0], row, atol=1e-5, rtol=0)
        assert float((rows[0] - rows[1]).abs().max()) > 1e-4  # they see the photo


def test_the_next_stage_takes_what_attention_made(network: GlobalDescriptor) -> None:
    (stage,) = network.config.attention
    names = [each.name for each in network.stages.stages]
    following, seen = network.stages[names[names.index(stage) + 1]], []
    hook = following.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    images = torch.rand(2, 3, 84, 112)
    with torch.inference_mode():
        network.features(images)
        attended = network.attention[stage](network.stages(images, until=stage))
        network.stages(images)
    hook.remove()
    given, without = seen
    assert not torch.allclose(given, without, atol=1e-3)
    if isinstance(network.stages, TokenBackbone):
        beside = given.shape[1] - attended[0, 0].numel()
        assert beside in (0, 1, 5)
        torch.testing.assert_close(given[:, :beside], without[:, :beside])
        given = given[:, beside:].transpose(1, 2).reshape(attended.shape)
    torch.testing.assert_close(given, attended)


def test_every_weight_is_trained(network: GlobalDescriptor) -> None:
    network.zero_grad()
    rows = network(torch.rand(2, 3, 96, 128))
    (rows @ torch.rand(rows.shape[1])).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
    (first, *_), last = network.stages.parameters(), network.get_parameter("pool.p")
    (value,) = (p for name, p in network.attention.named_parameters() if name.endswith(".v.weight"))
    assert all(p.grad is not None and p.grad.any() for p in (first, last, value))


def test_saved_and_loaded(network: GlobalDescriptor, tmp_path: Path) -> None:
    save(network, tmp_path / "m")
    again = load(tmp_path / "m")
    assert (again.config, again.fingerprint) == (network.config, network.fingerprint)
    images = torch.rand(1, 3, 80, 90)
    with torch.inference_mode():
        assert torch.equal(again(images), network(images))


def test_photos_are_cut_to_the_patch_and_the_extraction_says_so(network: GlobalDescriptor) -> None:
    extractor = open_extractor(network, precision="float32")
    patch = network.stages.multiple
    assert extractor.extraction.multiple == patch == network.config.multiple
    photo = np.asarray(scene(1, (96, 90)))
    rows = collect(extractor, [photo, photo[:, :64], "nowhere.jpg"])
    assert rows.positions.tolist() == [0, 1]
    np.testing.assert_allclose(network.describe(photo), rows.descriptors[0], atol=1e-5)
    images = torch.rand(1, 3, 61, 53)
    tall, wide = (side // patch * patch for side in (61, 53))
    top, left = (61 - tall) // 2, (53 - wide) // 2
    middle = images[..., top : top + tall, left : left + wide]
    assert torch.equal(network.stages.fitted(images), middle)


def test_attention_is_drawn(network: GlobalDescriptor) -> None:
    (stage,) = network.config.attention
    weights = network.attention_map(scene(2, (96, 80)), at=(40, 50), stage=stage)
    maps = network.stages(network.preprocess(scene(2, (96, 80))), until=stage)
    assert weights.shape == maps.shape[2:]
    assert float(weights.sum()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("family", ["test_vit", "test_convnext"])
@torch.inference_mode()
def test_every_pooling_pools_their_maps(pooling: str, family: str) -> None:
    network = network_of(family, pooling=pooling, whitening=5)
    rows = network(torch.rand(2, 3, 96, 64))
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(2))


def test_positions_are_resampled_as_timm_does() -> None:
    grid = torch.randn(1, 16, 12, 8)
    for shape in ((16, 12), (7, 23), (40, 31), (1, 1)):
        theirs = resample_abs_pos_embed(grid.flatten(1, 2), list(shape), [16, 12], 0)
        torch.testing.assert_close(resampled(grid, *shape).flatten(1, 2), theirs)


def test_it_is_trained_from_a_recipe(tmp_path: Path) -> None:
    save(network_of("test_vit"), tmp_path / "m")
    model = {"attention": ["block3", "block6"], "freeze": "block2"}
    made = starting_model(small_recipe(tmp_path, tmp_path / "m", model=model))
    assert made.config.attention == ("block3", "block6")
    frozen = {n.split(".")[1] for n, p in made.named_parameters() if not p.requires_grad}
    assert frozen == {"embed", "block1", "block2"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:no_such", "no backbone 'timm:no_such' in timm .*: 'timm.list_models"),
        ("timm:test_vit.nothing", "no backbone 'timm:test_vit.nothing' in timm .*: .*tag"),
        ("timm:test_vit_relpos", "backbone 'timm:test_vit_relpos': not for photos of any size"),
    ],
)
def test_what_cannot_be_a_backbone_is_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_backbone(name)


def test_a_network_that_is_no_chain_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    forward = timm.models.convnext.ConvNeXt.forward_intermediates
    monkeypatch.setattr(
        timm.models.convnext.ConvNeXt,
        "forward_intermediates",
        lambda *args, **asked: [2 * maps for maps in forward(*args, **asked)],
    )
    with pytest.raises(UsageError, match="computes otherwise than stage by stage"):
        build_backbone("timm:test_convnext")


def test_a_name_without_a_network_names_the_file_to_bring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOLAR_CACHE", str(tmp_path))
    name, folder = "timm:test_vit.r160_in1k", tmp_path / "models/timm/test_vit.r160_in1k"
    brought = folder.with_name(f"{folder.name}.safetensors")
    wanted = rf"bring the file model.safetensors of timm/test_vit.r160_in1k .* as {brought}"
    with pytest.raises(CheckpointError, match=wanted):
        load(name)
    brought.parent.mkdir(parents=True)
    brought.write_bytes(b"nothing of the kind")
    with pytest.raises(CheckpointError, match=rf"{brought}: not the weights of {name}: "):
        load(name)
    theirs: Any = timm.create_model("test_vit").eval()
    save_file(theirs.state_dict(), brought)
    network = load(name)
    assert network.config == GlobalConfig(
        name, (), mean=(0.5,) * 3, std=(0.5,) * 3, image_size=160, scales=(1.0,), multiple=16
    )
    assert network.provenance.licence == "apache-2.0"
    images = torch.rand(1, 3, 160, 160)
    with torch.inference_mode():
        tokens = theirs.forward_features(images)[:, 1:]
        torch.testing.assert_close(network.features(images).flatten(2).transpose(1, 2), tokens)
    assert is_named(name) and lies_at(name) == bring(name) == folder
    brought.unlink()
    assert open_extractor(name).extraction.fingerprint == network.fingerprint  # kept


def test_a_name_is_no_way_out_of_the_cache() -> None:
    assert not is_named("timm:../../etc") and not is_named("timm:") and not is_named("timm:a/b")
