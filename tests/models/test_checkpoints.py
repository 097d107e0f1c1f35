"""Models on disk: round trips, published layouts, hostile and damaged files."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from solar.errors import CheckpointError, UsageError
from solar.models._pth import read_tensors
from solar.models._published import read_whitening
from solar.models.checkpoints import load, load_any, save
from solar.models.config import GlobalConfig, Provenance
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.local_descriptor import LocalDescriptor
from solar.models.registry import named

SMALL = GlobalConfig("resnet18", whitening=32, image_size=224, scales=(1.0, 0.7))


@pytest.fixture(scope="module")
def model() -> GlobalDescriptor:
    torch.manual_seed(0)
    made = GlobalDescriptor(SMALL, Provenance("noise", "a recipe", "abc", "MIT"), "small")
    for tensor in made.buffers():  # as after training: statistics that are not the initial ones
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5)
    return made.eval()


@pytest.fixture(scope="module")
def saved(model: GlobalDescriptor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder."""
    folder = tmp_path_factory.mktemp("saved") / "m"
    save(model, folder)
    return folder


def test_a_folder_gives_back_the_same_model(model: GlobalDescriptor, tmp_path: Path) -> None:
    save(model, tmp_path / "m")
    again = load(tmp_path / "m")
    assert (again.config, again.provenance, again.name) == (model.config, model.provenance, "small")
    assert again.fingerprint == model.fingerprint
    assert not again.training
    images = torch.randn(1, 3, 64, 96)
    assert torch.equal(again(images), model(images))


@pytest.mark.parametrize("local", [False, True])
def test_half_precision_halves_the_file(
    local: bool, model: GlobalDescriptor, tmp_path: Path
) -> None:
    network = LocalDescriptor().eval() if local else model
    inputs = torch.rand(1, 1, 32, 32) if local else torch.randn(1, 3, 64, 96)
    save(network, tmp_path / "full")
    save(network, tmp_path / "half", torch.float16)
    sizes = [(tmp_path / n / "model.safetensors").stat().st_size for n in ("half", "full")]
    assert sizes[0] < 0.51 * sizes[1]
    again = load_any(tmp_path / "half")
    assert float((again(inputs) @ network(inputs).T).detach()) > 0.9999


@pytest.mark.parametrize("name", ["model_best.pth.tar", "parallel.pth", "M.PTH", "m.pt"])
def test_checkpoints_of_the_published_code_load(tmp_path: Path, name: str) -> None:
    model = GlobalDescriptor(GlobalConfig("resnet18", whitening=512))
    save(model, tmp_path / "m.pth")
    content = torch.load(tmp_path / "m.pth", weights_only=True)
    content["state_dict"] = {f"module.{key}": t for key, t in content["state_dict"].items()}
    torch.save({"epoch": 3, **content}, tmp_path / name)
    again = load(tmp_path / name)
    assert (again.fingerprint, again.name) == (model.fingerprint, name.split(".")[0])


class Evil:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.system, ("touch evil-was-here",)


def test_a_pickle_that_runs_code_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"meta": {}, "state_dict": {"x": Evil()}}, "evil.pth")
    Path("bare.pth").write_bytes(pickle.dumps(Evil()))
    for name in ("evil.pth", "bare.pth"):
        with pytest.raises(CheckpointError, match=name) as caught:
            load(name)
        assert "\n" not in str(caught.value)
    assert not Path("evil-was-here").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"no", b"\x80\x02.", b"PK\x03\x04" + b"\0" * 100, pickle.dumps([1, 2])],
    ids=["empty", "text", "no value", "broken zip", "a list"],
)
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"m\.pth") as caught:
        load(tmp_path / "m.pth")
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as the published code writes it, without attention and whitening."""
    path = tmp_path_factory.mktemp("published") / "m.pth"
    save(GlobalDescriptor(GlobalConfig("resnet18", ())), path)
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["meta"].update(architecture="vgg9"), "unknown backbone 'vgg9'"),
        (lambda c: c["meta"].update(pooling="crow"), "pooling 'crow'"),
        (lambda c: c["meta"].update(mean=[1, 2]), "not enough values"),
        (lambda c: c["state_dict"].pop("pool.p"), r"lacks 'pool\.p'"),
        (lambda c: c["state_dict"].update(more=torch.ones(1)), "does not, 'more'"),
        (lambda c: c["state_dict"].update({"pool.p": torch.ones(3)}), r"shape \(3,\)"),
        (lambda c: c["state_dict"].update({"pool.p": 3}), "'pool.p' is no tensor"),
        (lambda c: c["state_dict"].update({"pool.p": torch.ones(1).int()}), "no tensor of fl"),
        (lambda c: c["state_dict"].update({"pool.p": torch.ones(1).to_sparse()}), "no tensor"),
        (lambda c: c["state_dict"].update({"pool.p": torch.tensor([torch.inf])}), "not finite"),
        (lambda c: c["state_dict"].update({7: torch.ones(1)}), "does not, '7'"),
        (lambda c: c["state_dict"].update({"whiten.weight": 3}), "no attribute"),
        (lambda c: c.pop("meta"), "no 'meta'"),
        (lambda c: c.update(state_dict=1), "no 'state_dict'"),
    ],
)
def test_an_odd_published_file_says_what_is_odd(
    published: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    content = torch.load(published, weights_only=True, mmap=True)
    change(content)
    torch.save(content, tmp_path / "m.pth")
    with pytest.raises(CheckpointError, match=message):
        load(tmp_path / "m.pth")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format=9), "format 9"),
        (lambda d: d.pop("architecture"), "'architecture' is missing"),
        (lambda d: d["architecture"].update(backbone="vgg"), "unknown backbone 'vgg'"),
        (
            lambda d: d["architecture"].update(attention=["conv6_x"]),
            "attention: no stage 'conv6_x': use one",
        ),
        (lambda d: d["architecture"].update(whitening=10**12), "use 1 to 512"),
        (lambda d: d["preprocessing"].update(scales=[]), "scale"),
        (lambda d: d["preprocessing"].update(mean="x"), "x"),
        (lambda d: d["weights"].update(sha256="0"), "not the file that config.json"),
    ],
)
def test_an_odd_config_says_what_is_odd(
    saved: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    shutil.copytree(saved, tmp_path / "m")
    document = json.loads((tmp_path / "m/config.json").read_text())
    change(document)
    (tmp_path / "m/config.json").write_text(json.dumps(document))
    with pytest.raises(CheckpointError, match=message):
        load(tmp_path / "m")


def test_weights_of_another_shape_or_not_finite_are_refused(tmp_path: Path) -> None:
    from solar.files.atomic import sha256

    save(GlobalDescriptor(GlobalConfig("resnet18", ())), tmp_path / "m")
    weights = tmp_path / "m/model.safetensors"
    good = load_file(weights)

    def change(key: str, tensor: torch.Tensor | None) -> None:
        state = dict(good)
        state.pop(key)
        if tensor is not None:
            state[key] = tensor
        save_file(state, weights)
        document = json.loads((tmp_path / "m/config.json").read_text())
        document["weights"]["sha256"] = sha256(weights)
        (tmp_path / "m/config.json").write_text(json.dumps(document))

    for tensor, message in (
        (torch.tensor([torch.nan]), "not finite"),
        (torch.ones(2), r"shape \(2,\)"),
        (None, r"lacks 'pool\.p'"),
    ):
        change("pool.p", tensor)
        with pytest.raises(CheckpointError, match=message):
            load(tmp_path / "m")


def test_names_and_places_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="solar-r18"):
        load("no-such-model")
    with pytest.raises(CheckpointError, match="no such file"):
        load(tmp_path / "gone.pth")
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        load(tmp_path)


@pytest.mark.parametrize("target", ["m", "m.pth"])
def test_what_exists_is_left_alone(model: GlobalDescriptor, tmp_path: Path, target: str) -> None:
    (tmp_path / target).write_bytes(b"mine")
    for network in (model, LocalDescriptor()):
        with pytest.raises(UsageError, match="exists already"):
            save(network, tmp_path / target)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"mine"]


def test_damaged_published_files_are_refused_in_one_line(tmp_path: Path) -> None:
    """Flips, cuts and splices of a small file: refused or read, never another exception."""
    learned = {"ms": {"m": np.ones((2, 1)), "P": np.eye(2), "n": np.float64(3)}}
    meta = {"architecture": "resnet18", "Lw": {"photos": learned}}
    content = {"meta": meta, "state_dict": {"x": torch.ones(9)}}
    torch.save(content, tmp_path / "good.pth")
    good = (tmp_path / "good.pth").read_bytes()
    random = np.random.default_rng(0)
    refused = 0
    for number in range(600):
        damaged = bytearray(good)
        for _ in range(int(random.integers(1, 6))):
            damaged[int(random.integers(len(damaged)))] = int(random.integers(256))
        if number % 3 == 0:
            damaged = damaged[: int(random.integers(len(damaged)))]
        (tmp_path / "m.pth").write_bytes(damaged)
        try:
            read_tensors(tmp_path / "m.pth")
            read_whitening(tmp_path / "m.pth")
        except CheckpointError as error:
            refused += 1
            assert "\n" not in str(error) and "m.pth" in str(error)
    assert refused > 200


def test_a_name_comes_before_a_folder_of_that_name(
    model: GlobalDescriptor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(model, tmp_path / "solar-r18")
    monkeypatch.chdir(tmp_path)
    assert load("solar-r18").config.whitening == named("solar-r18").dimensions
    for folder in ("./solar-r18", Path("solar-r18")):
        assert load(folder).fingerprint == model.fingerprint


def test_a_version_is_part_of_a_name() -> None:
    assert named("solar-r18@1") is named("solar-r18")
    with pytest.raises(CheckpointError, match="no version '7', use solar-r18@1"):
        load("solar-r18@7")
