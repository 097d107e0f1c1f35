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
