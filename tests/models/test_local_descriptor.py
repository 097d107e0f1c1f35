"""The local network: the published code's numbers, its files, its door."""

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from solar.errors import CheckpointError, UsageError
from solar.models.checkpoints import load_local
from solar.models.config import LocalConfig
from solar.models.local_descriptor import LocalDescriptor
from solar.training.patches.losses import feature_map_loss
from tests.shared import shared


def published(case: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    spec = json.loads(shared(f"golden/local_{case}.json").read_text())
    filled = runpy.run_path(str(shared("golden/fill.py")))["filled"]
    return spec, filled(spec["state_dict"], spec["weight_seed"])


# Nearly tied attention makes the second case hang on the last bits of float32: the published code
# itself gives other numbers where its convolutions have no AVX-512 (by up to 2.2e-4; float64 by
# 1.6e-4). There, single components are held to that; the cosine is held everywhere.
AS_RECORDED = "AVX512" in torch.backends.cpu.get_cpu_capability()


@pytest.mark.parametrize(
    ("case", "tolerance"), [("sosnet", 1e-6), ("solar345", 1e-4 if AS_RECORDED else 3e-4)]
)
@torch.inference_mode()
def test_descriptors_equal_the_published_code(case: str, tolerance: float, tmp_path: Path) -> None:
    spec, state = published(case)
    torch.save({"state_dict": state} if case == "sosnet" else state, tmp_path / "m.pth")
    model = load_local(tmp_path / "m.pth")
    generator = torch.Generator().manual_seed(spec["patches"]["seed"])
    ours = model(torch.rand(spec["patches"]["n"], 1, 32, 32, generator=generator) * 255).numpy()
    golden = np.load(shared(f"golden/local_{case}.npz"))["descriptors"]
    assert ((ours * golden).sum(1) >= 0.99999).all()
    assert np.abs(ours - golden).max() <= tolerance


def test_light_changes_nothing() -> None:
    model = LocalDescriptor().eval()
    patches = torch.rand(4, 1, 32, 32)
    torch.testing.assert_close(model(patches * 200 + 10), model(patches), atol=1e-3, rtol=0)


def test_a_fresh_network_with_attention_is_its_twin_without() -> None:
    torch.manual_seed(0)
    plain = LocalDescriptor(LocalConfig(())).eval()
    full = LocalDescriptor(LocalConfig((3, 4, 5, 6))).eval()
    full.load_state_dict(plain.state_dict(), strict=False)
    patches = torch.rand(3, 1, 32, 32)
    torch.testing.assert_close(full(patches), plain(patches), atol=1e-6, rtol=0)


@pytest.mark.parametrize("attention", [(), (3, 4, 5, 6)])
def test_maps_are_those_after_the_first_and_the_last_batch_norm(attention: tuple[int, ...]) -> None:
    model = LocalDescriptor(LocalConfig(attention)).eval()
    patches, seen = torch.rand(3, 1, 32, 32), list[torch.Tensor]()
    norms = [part for part in model.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    for norm in (norms[0], norms[-1]):
        norm.register_forward_hook(lambda *call: seen.append(call[2]))
    descriptors, first, last = model.with_maps(patches)
    assert descriptors.equal(model(patches))
    assert first.equal(seen[0]) and first.shape == (3, 32, 32, 32) and first.min() < 0
    assert last.equal(seen[1].flatten(1)) and last.shape == (3, 128)
    torch.testing.assert_close(descriptors, torch.nn.functional.normalize(last, dim=1))


def test_the_error_of_the_maps_alone_teaches_the_first_layer() -> None:
    model = LocalDescriptor().train()
    _, *maps = model.with_maps(torch.rand(8, 1, 32, 32))
    for layer, rows in enumerate(maps):
        model.zero_grad()
        first, second = rows.flatten(1).chunk(2)
        torch.autograd.backward(feature_map_loss(first, second), retain_graph=True)
        convolutions = [model.layers[0], model.layers[5], model.describe]
        gradients = [part.get_submodule("0").get_parameter("weight").grad for part in convolutions]
        reached = [gradient is not None and bool(gradient.any()) for gradient in gradients]
        assert reached == [[True, False, False], [True, True, True]][layer]


def test_wrong_shapes_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"use \(B, 1, 32, 32\)"):
        LocalDescriptor()(torch.rand(2, 3, 32, 32))
    with pytest.raises(UsageError, match="3, 4, 5 and 6 only"):
        LocalConfig((2,))
    torch.save({"layer2.0.weight": torch.ones(2)}, tmp_path / "m.pth")
    with pytest.raises(CheckpointError, match="lacks"):
        load_local(tmp_path / "m.pth")
    torch.save([1], tmp_path / "m.pth")
    with pytest.raises(CheckpointError, match="no dictionary"):
        load_local(tmp_path / "m.pth")
