"""Local models on disk: round trips, published layouts, the wrong function, odd files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from solar.errors import CheckpointError
from solar.models.attention import SecondOrderAttention
from solar.models.checkpoints import load, load_local, save
from solar.models.config import GlobalConfig, LocalConfig, Provenance
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.local_descriptor import LocalDescriptor
from solar.models.registry import LOCAL, named
from tests.cli.runner import succeed


def used(attention: tuple[int, ...] = (3, 4, 5)) -> LocalDescriptor:
    """A network whose attention acts and whose statistics are not the initial ones."""
    torch.manual_seed(0)
    provenance = Provenance("noise", "a recipe", "abc", "MIT")
    model = LocalDescriptor(LocalConfig(attention), provenance, "some-local")
    for tensor in model.state_dict().values():
        if tensor.is_floating_point() and tensor.ndim == 1:
            tensor.uniform_(0.5, 1.5)
    for block in model.attention.values():
        assert isinstance(block, SecondOrderAttention)
        torch.nn.init.normal_(block.v.weight, std=0.1)
    return model.eval()


PATCHES = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("attention", [(), (4,), (3, 4, 5), (3, 4, 5, 6)])
def test_a_folder_gives_back_the_same_model(tmp_path: Path, attention: tuple[int, ...]) -> None:
    model = used(attention)
    save(model, tmp_path / "m")
    again = load_local(tmp_path / "m")
    assert (again.config, again.provenance) == (model.config, model.provenance)
    assert (again.name, again.training) == ("some-local", False)
    assert again.fingerprint == model.fingerprint
    assert torch.equal(again(PATCHES), model(PATCHES))
    document = json.loads((tmp_path / "m/config.json").read_text())
    assert document["kind"] == "local"
    assert document["architecture"] == {"attention": list(attention), "contrast": "variance"}


def test_the_fingerprint_tells_weights_and_attention_apart() -> None:
    one, other = used(), used()
    with torch.no_grad():
        next(other.parameters())[0, 0, 0, 0] += 1e-4
    assert len({one.fingerprint, other.fingerprint, used(()).fingerprint}) == 3
    assert used().fingerprint == one.fingerprint


@pytest.mark.parametrize("attention", [(), (3, 4, 5)])
@pytest.mark.parametrize("wrapped", [False, True])
def test_the_published_layout_and_back(
    tmp_path: Path, attention: tuple[int, ...], wrapped: bool
) -> None:
    save(used(attention), tmp_path / "m.pth")
    state = torch.load(tmp_path / "m.pth", weights_only=True)
    assert {"layer1.1.weight", "layer2.0.weight", "layer7.0.weight"} <= state.keys()
    assert ("soa3.f.0.weight" in state) == bool(attention)
    torch.save({"state_dict": state} if wrapped else state, tmp_path / "m.pth")
    again = load_local(tmp_path / "m.pth")
    assert again.fingerprint == used(attention).fingerprint
    assert again.name == "m"


def test_convert_goes_both_ways(tmp_path: Path) -> None:
    save(used(), tmp_path / "m")
    assert "local, 128-D; attention after layers: 3, 4, 5" in succeed(
        "convert", "m", "m.pth", folder=tmp_path
    )
    succeed("convert", "m.pth", "back", folder=tmp_path)
    assert load_local(tmp_path / "back").fingerprint == used().fingerprint


def test_the_wrong_function_is_told_which_is_right(tmp_path: Path) -> None:
    save(used(), tmp_path / "local")
    save(used(), tmp_path / "local.pth")
    whole = GlobalDescriptor(GlobalConfig("resnet18", ()))
    save(whole, tmp_path / "global")
    save(whole, tmp_path / "global.pth")
    for name in (tmp_path / "local", tmp_path / "local.pth", "solar-local"):
        with pytest.raises(CheckpointError, match=r"a local model.*solar\.load_local$"):
            load(name)
    for name in (tmp_path / "global", tmp_path / "global.pth", "solar-r18", "solar-r101"):
        with pytest.raises(CheckpointError, match=r"a global model.*solar\.load$"):
            load_local(name)


def test_models_lists_local_ones(tmp_path: Path) -> None:
    rows = json.loads(succeed("models", "--json", folder=tmp_path))["models"]
    kinds = {row["name"]: row["kind"] for row in rows}
    assert (kinds["solar-local"], kinds["solar-r18"]) == ("local", "global")
    here = {row["name"]: row["here"] for row in rows}
    assert here["solar-local"] == named("solar-local").path.is_dir()
    assert "solar-local" in succeed("models", folder=tmp_path)


def test_a_named_model_is_its_bundled_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("solar.models.registry.BUNDLED", tmp_path)
    assert named("solar-local").kind == LOCAL
    with pytest.raises(CheckpointError, match=r"solar-local: no model here"):
        load_local("solar-local")
    save(used(), tmp_path / "solar-local")
    assert load_local("solar-local").fingerprint == used().fingerprint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("layer2.0.weight"), "lacks 'layers.1.0.weight'"),
        (lambda s: s.update(more=torch.ones(1)), "does not, 'more'"),
        (lambda s: s.update({"attention.x.y": torch.ones(1)}), "does not, 'attention.x.y'"),
        (lambda s: s.update({"layer7.0.weight": torch.ones(3)}), r"shape \(3,\), not \(128,"),
        (lambda s: s.update({"layer7.0.weight": 3}), "no tensor"),
        (lambda s: s["soa4.v.bias"].fill_(torch.nan), "not finite"),
    ],
)
def test_an_odd_published_file_says_what_is_odd(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    save(used(), tmp_path / "m.pth")
    state = torch.load(tmp_path / "m.pth", weights_only=True)
    change(state)
    torch.save(state, tmp_path / "m.pth")
    with pytest.raises(CheckpointError, match=message) as caught:
        load_local(tmp_path / "m.pth")
    assert str(tmp_path / "m.pth") in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(kind="round"), "kind 'round'; .* kind global, local"),
        (lambda d: d.update(kind=[]), "unhashable"),
        (lambda d: d["architecture"].update(attention=[2]), "3, 4, 5 and 6 only"),
        (lambda d: d["architecture"].update(attention=[3]), "has, but the architecture"),
        (lambda d: d["architecture"].update(attention=None), "not iterable"),
        (lambda d: d.pop("provenance"), "'provenance' is missing"),
        (lambda d: d["weights"].update(sha256="0"), r"not the file that config\.json"),
    ],
)
def test_an_odd_config_says_what_is_odd(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    save(used(), tmp_path / "m")
    document = json.loads((tmp_path / "m/config.json").read_text())
    change(document)
    (tmp_path / "m/config.json").write_text(json.dumps(document))
    with pytest.raises(CheckpointError, match=message):
        load_local(tmp_path / "m")
