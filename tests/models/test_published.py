"""Published files: each gives what its authors' formulas give, and files go back to them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from solar.errors import CheckpointError, UsageError
from solar.extraction import open_extractor
from solar.extraction.whiten import whitened
from solar.models.checkpoints import load, load_local, load_whitening, save
from solar.models.config import GlobalConfig, LocalConfig
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.local_descriptor import LocalDescriptor
from solar.models.pooling import grid
from solar.models.whitening import Whitening
from tests.cli.runner import succeed
from tests.models.published import Radenovic, rmac_squares, sosnet
from tests.shared import shared

SCALES = (1.0, 2**0.5, 2**-0.5)
IMAGES = torch.randn(2, 3, 96, 160, generator=torch.Generator().manual_seed(3))


def radenovic(*names: Any) -> Radenovic:
    torch.manual_seed(1)
    made = Radenovic(*names)
    for name, tensor in made.named_buffers():
        if name.endswith("running_mean"):
            tensor.normal_(std=0.1)
        elif name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
    return made.eval()


@pytest.mark.parametrize(
    "names",
    [
        ("resnet18", "gem", True, True),
        ("resnet18", "rmac", False, False),
        ("alexnet", "gem", False, False),
        *(
            pytest.param(names, marks=pytest.mark.slow)
            for names in (
                ("resnet18", "gem", False, False),
                ("resnet18", "gem", False, True),
                ("resnet18", "mac", True, False),
                ("resnet18", "rmac", True, False),
                ("vgg16", "spoc", False, True),
            )
        ),
    ],
)
@torch.inference_mode()
def test_radenovics_networks_give_his_descriptors_and_go_back(
    names: tuple[str, str, bool, bool], tmp_path: Path
) -> None:
    theirs = radenovic(*names)
    theirs.write(tmp_path / "theirs.pth")
    ours = load(tmp_path / "theirs.pth")
    torch.testing.assert_close(ours(IMAGES), theirs(IMAGES), atol=2e-5, rtol=0)
    found = ours.multi_scale(IMAGES, SCALES)
    torch.testing.assert_close(found, theirs.multi_scale(IMAGES, SCALES), atol=2e-5, rtol=0)
    save(ours, tmp_path / "back.pth")
    content = torch.load(tmp_path / "back.pth", weights_only=True)
    again = radenovic(*names)
    again.load_state_dict(content["state_dict"])  # strict
    torch.testing.assert_close(again(IMAGES), theirs(IMAGES))
    assert content["meta"]["regional"] == names[2] and "soa" not in content["meta"]
    assert load(tmp_path / "back.pth").fingerprint == ours.fingerprint


def test_one_scale_is_no_mean() -> None:
    model = GlobalDescriptor(GlobalConfig("resnet18", ())).eval()
    with torch.inference_mode():
        torch.testing.assert_close(model.multi_scale(IMAGES, (1.0,)), model(IMAGES))


@pytest.mark.parametrize("size", [(5, 9), (10, 18), (20, 36), (11, 47), (1, 1), (1, 7), (2, 64)])
def test_regions_where_rounding_decides_are_the_published_ones(size: tuple[int, int]) -> None:
    for height, width in (size, size[::-1]):
        assert [r[:3] for r in grid(height, width, 3)] == rmac_squares(height, width)


@given(st.integers(1, 90), st.integers(1, 90))
def test_regions_are_the_published_ones(height: int, width: int) -> None:
    found = grid(height, width, 3)
    assert [(top, left, side) for top, left, side, _ in found] == rmac_squares(height, width)


@pytest.mark.parametrize("pooling", ["gem", "gem-channel"])
@pytest.mark.parametrize("attention", [("conv4_x", "conv5_x"), ("conv5_x",)])
def test_networks_with_attention_become_files_that_solars_code_opens(
    attention: tuple[str, ...], pooling: str, tmp_path: Path
) -> None:
    model = GlobalDescriptor(GlobalConfig("resnet18", attention, pooling, whitening=512))
    save(model, tmp_path / "m.pth")
    content = torch.load(tmp_path / "m.pth", weights_only=True)
    layers = "".join(stage[4] for stage in attention)
    # what its `load_network` looks up without a default
    wanted = {"architecture", "pooling", "mean", "std", "soa", "soa_layers"}
    assert wanted <= content["meta"].keys() and content["meta"]["soa"] is True
    assert (content["meta"]["soa_layers"], content["meta"]["outputdim"]) == (layers, 512)
    spec = json.loads(shared("golden/global_resnet18_soa45.json").read_text())["state_dict"]
    keys = {key for key, _ in spec if layers == "45" or "soa4" not in key}
    assert content["state_dict"].keys() == keys  # strict there


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (GlobalConfig("resnet18", whitening=128), "SOLAR's code opens whitening to all 512 dim"),
        (GlobalConfig("resnet18", (), whitening=128), "Radenović's code opens whitening to all"),
        (GlobalConfig("resnet18", ("conv3_x",)), "SOLAR's code knows attention after conv4_x an"),
        (GlobalConfig("resnet18", pooling="mac"), "attention and GeM alone, not mac"),
        (GlobalConfig("alexnet", (), "crow"), "Radenović's code has no pooling crow"),
        (GlobalConfig("alexnet", ("conv5",)), "SOLAR's code has no backbone alexnet"),
        (LocalConfig((), "deviation"), "SOLAR's code has no network with HardNet's contrast"),
    ],
)
def test_what_the_published_code_cannot_open_is_refused(
    config: GlobalConfig | LocalConfig, line: str, tmp_path: Path
) -> None:
    is_global = isinstance(config, GlobalConfig)
    model = GlobalDescriptor(config) if is_global else LocalDescriptor(config)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=f"m.pth: .*{line}"):
        save(model, tmp_path / "m.pth")
    assert list(tmp_path.iterdir()) == []


def by_sosnet(patches: Tensor) -> Tensor:
    centred = patches - patches.mean((1, 2, 3), keepdim=True)
    return centred / (centred.square().mean((1, 2, 3), keepdim=True) + 1e-5).sqrt()


def by_hardnet(patches: Tensor) -> Tensor:
    centred = patches - patches.mean((1, 2, 3), keepdim=True)
    return centred / ((centred.square().sum((1, 2, 3), keepdim=True) / 1023).sqrt() + 1e-6)


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("counters", [False, True])
@pytest.mark.parametrize(
    ("first", "name", "normalised"), [(1, "layers", by_sosnet), (0, "features", by_hardnet)]
)
@torch.inference_mode()
def test_sosnet_and_hardnet_load_under_their_own_names(
    first: int,
    name: str,
    normalised: Callable[[Tensor], Tensor],
    counters: bool,
    wrapped: bool,
    tmp_path: Path,
) -> None:
    torch.manual_seed(2)
    state, network = sosnet(first, name)
    assert f"{name}.{first + 19}.weight" in state
    if not counters:
        state = {key: tensor for key, tensor in state.items() if not key.endswith("tracked")}
    path = tmp_path / "net.pth"
    torch.save({"epoch": 9, "state_dict": state} if wrapped else state, path)
    ours = load_local(path)
    for scale in (255, 1, 0.05):  # of faint patches, the two normalise differently
        patches = torch.rand(6, 1, 32, 32) * scale
        wanted = torch.nn.functional.normalize(network(normalised(patches)).flatten(1))
        torch.testing.assert_close(ours(patches), wanted, atol=1e-5, rtol=0)
    save(ours, tmp_path / "m")
    assert load_local(tmp_path / "m").fingerprint == ours.fingerprint


def test_a_network_comes_with_the_whitening_that_its_authors_learned(tmp_path: Path) -> None:
    theirs, rng = radenovic("resnet18", "gem", False, False), np.random.default_rng(0)
    mean, projection = rng.normal(size=(512, 1)), np.asfortranarray(rng.normal(size=(512, 512)))
    learned = {"ss": {"m": 2 * mean, "P": projection}, "ms": {"m": mean, "P": projection}}
    theirs.write(
        tmp_path / "m.pth", Lw={"retrieval-SfM-120k": learned}, mean=np.array([0.1, 0.2, 0.3])
    )
    ours = load(tmp_path / "m.pth")
    assert ours.mean == (0.1, 0.2, 0.3)
    with torch.inference_mode():
        found = ours.multi_scale(IMAGES, SCALES).numpy()
    assert "512-D to 512-D" in succeed("convert", "m.pth", "w.npz", folder=tmp_path)
    whitening = Whitening.load(tmp_path / "w.npz")
    wanted = (found - mean.T) @ projection.T
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(whitening.apply(found), wanted, atol=1e-6)
    own, another = (open_extractor(m).extraction for m in (ours, GlobalDescriptor(ours.config)))
    assert whitened(own, whitening).whitening == whitening.digest
    with pytest.raises(UsageError, match="learned from descriptors of another kind"):
        whitened(another, whitening)
    assert np.allclose(load_whitening(tmp_path / "m.pth", multi_scale=False).mean, 2 * mean.T)
    # as the test script keeps one that it has learned
    torch.save({"m": mean, "P": projection}, tmp_path / "w.pth")
    assert np.array_equal(load_whitening(tmp_path / "w.pth").projection, projection)
    # and as it comes for networks off the shelf
    layer = torch.nn.Linear(512, 512)
    torch.save(layer.state_dict(), tmp_path / "layer.pth")
    with torch.inference_mode():
        wanted = torch.nn.functional.normalize(layer(torch.from_numpy(found))).numpy()
    ours_too = load_whitening(tmp_path / "layer.pth").apply(found)
    np.testing.assert_allclose(ours_too, wanted, atol=1e-5)
    theirs.write(tmp_path / "none.pth")
    with pytest.raises(CheckpointError, match=r"none\.pth: no whitening inside"):
        load_whitening(tmp_path / "none.pth")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            lambda m, s: s.update({"lwhiten.weight": torch.eye(512)}),
            r"the pooling \('lwhiten'\) is n",
        ),
        (lambda m, s: m.update(architecture="densenet121"), "unknown backbone 'densenet121': use"),
        (lambda m, s: m.update(architecture="vgg16"), "lacks|does not"),
        (lambda m, s: m.update(regional=True), r"lacks 'pool\.pool\.p'|does not, 'pool\.p'"),
        (lambda m, s: m.update(odd=np.array([1, None])), "not a readable .pth|refused"),
    ],
)
def test_what_cannot_be_opened_is_refused_in_one_line(
    change: Callable[[dict[str, Any], dict[str, Any]], None], line: str, tmp_path: Path
) -> None:
    radenovic("resnet18", "gem", False, False).write(tmp_path / "m.pth")
    content = torch.load(tmp_path / "m.pth", weights_only=True)
    change(content["meta"], content["state_dict"])
    torch.save(content, tmp_path / "m.pth")
    with pytest.raises(CheckpointError, match=line) as caught:
        load(tmp_path / "m.pth")
    assert "\n" not in str(caught.value) and str(caught.value).startswith(str(tmp_path / "m.pth"))
