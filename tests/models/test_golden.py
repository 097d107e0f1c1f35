"""The networks against exact outputs of the published code."""

import copy
import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from solar.models.attention import SecondOrderAttention
from solar.models.checkpoints import load
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.whitening import Whitening
from tests.shared import shared

CASES = [
    "resnet18_nosoa",
    "resnet18_soa45",
    "resnet18_soa5_nowhiten",
    pytest.param("resnet50_soa45", marks=pytest.mark.slow),
]


def golden_model(case: str, folder: Path) -> tuple[GlobalDescriptor, dict[str, Any], Any]:
    spec = json.loads(shared(f"golden/global_{case}.json").read_text())
    filled: Callable[..., Any] = runpy.run_path(str(shared("golden/fill.py")))["filled"]
    published = {
        "meta": {
            "architecture": spec["arch"],
            "soa_layers": spec["soa_layers"],
            "pooling": spec["pooling"],
            "whitening": spec["whitening"],
            "regional": spec["regional"],
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
        },
        "state_dict": filled(spec["state_dict"], spec["weight_seed"]),
    }
    torch.save(published, folder / f"{case}.pth")
    return load(folder / f"{case}.pth"), spec, np.load(shared(f"golden/global_{case}.npz"))


def golden_input(description: dict[str, int]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(description["seed"])
    return torch.randn(1, 3, description["h"], description["w"], generator=generator)


def assert_equal_descriptors(ours: torch.Tensor, golden: np.ndarray[Any, Any]) -> None:
    np.testing.assert_allclose(ours.numpy().reshape(-1), golden.reshape(-1), atol=1e-4, rtol=0)
    assert float(ours.numpy().reshape(-1) @ golden.reshape(-1)) >= 0.99999


@pytest.mark.parametrize("case", CASES)
@torch.inference_mode()
def test_descriptors_equal_the_published_code(case: str, tmp_path: Path) -> None:
    model, spec, golden = golden_model(case, tmp_path)
    for i, description in enumerate(spec["inputs"]):
        images = golden_input(description)
        assert_equal_descriptors(model(images), golden[f"ss{i}"])
        assert_equal_descriptors(model.multi_scale(images), golden[f"ms{i}"])
        means = model.features(images).mean((-2, -1)).flatten().numpy()
        wanted = golden[f"featmean{i}"].reshape(-1)
        np.testing.assert_allclose(means, wanted, atol=1e-4 * np.abs(wanted).max(), rtol=1e-4)


def sharpened(block: SecondOrderAttention) -> SecondOrderAttention:
    """The block as the published pictures draw it: logits times mid^-0.75 instead of ^-0.5."""
    drawn = copy.deepcopy(block)
    for tensor in drawn.f[1].parameters():  # ReLU lets a positive factor through
        tensor.data.mul_(block.mid**-0.25)
    return drawn


@pytest.mark.parametrize("case", [CASES[1], CASES[3]])
@torch.inference_mode()
def test_attention_rows_equal_the_published_pictures(case: str, tmp_path: Path) -> None:
    model, spec, golden = golden_model(case, tmp_path)
    images = golden_input(spec["inputs"][0])
    for name, stage in (("attn4", "conv4_x"), ("attn5", "conv5_x")):
        block = model.attention[stage]
        assert isinstance(block, SecondOrderAttention)
        model.attention[stage] = block = sharpened(block)  # as in the pictures of later stages
        maps = model.stages(images, model.attention, until=stage)
        row = block.attention_map(maps, 0, 0).flatten().numpy()
        np.testing.assert_allclose(row, golden[f"{name}_row0"].reshape(-1), rtol=1e-3)


@pytest.mark.parametrize("dimensions", [None, 16])
@pytest.mark.parametrize("kind", ["pca", "lw"])
def test_whitening_equals_the_published_code(kind: str, dimensions: int | None) -> None:
    golden = np.load(shared("golden/whitening.npz"))
    x = golden["X"].T
    if kind == "pca":
        whitening = Whitening.pca(x)
    else:
        whitening = Whitening.learned(x, golden["qidxs"], golden["pidxs"])
    np.testing.assert_allclose(whitening.mean, golden[f"{kind}_mean"].reshape(-1), atol=1e-9)
    ours = whitening.apply(x[:40], dimensions)
    suffix = f"_{dimensions or 48}"
    np.testing.assert_allclose(ours @ ours.T, golden[f"{kind}_gram{suffix}"], atol=1e-6)
