"""What OpenVINO has compiled is kept: found again, never for other weights, and not needed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
import torch

import solar
from solar.extraction.export import export
from solar.features.patch_descriptor import open_patch_descriptor
from solar.models.registry import BUNDLED

PATCHES = np.random.default_rng(0).uniform(0, 255, (4, 1, 32, 32)).astype(np.float32)


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is compiled in a test, whose cache is its own."""
    monkeypatch.setenv("SOLAR_CACHE", str(tmp_path / "cache"))
    made, compile_model = [], openvino.Core.compile_model

    def keep(core: Any, *arguments: Any, **more: Any) -> Any:
        made.append(compile_model(core, *arguments, **more))
        return made[-1]

    monkeypatch.setattr(openvino.Core, "compile_model", keep)
    return made


def describe(model: str | Path) -> np.ndarray:
    return open_patch_descriptor(model, "cpu", engine="openvino").network(PATCHES)


def blobs(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "cache" / "compiled").rglob("*") if path.is_file()]


def test_a_second_start_takes_what_the_first_compiled(compiled: list[Any], tmp_path: Path) -> None:
    first, second = describe("solar-local"), describe("solar-local")
    assert [each.get_property("LOADED_FROM_CACHE") for each in compiled] == [False, True]
    assert np.array_equal(first, second) and blobs(tmp_path)


def test_other_weights_are_compiled_anew(compiled: list[Any], tmp_path: Path) -> None:
    network, folder = solar.load_local("solar-local"), tmp_path / "model"
    shutil.copytree(BUNDLED / "solar-local", folder)
    before = describe(folder)
    shutil.rmtree(folder)
    with torch.no_grad():
        network.get_parameter("describe.0.weight").mul_(torch.rand(128, 1, 1, 1))
    export(network, folder)
    compiled.clear()
    after = describe(folder)
    with torch.inference_mode():
        expected = network(torch.from_numpy(PATCHES)).numpy()
    assert (after * expected).sum(1).min() > 0.9999 > (before * expected).sum(1).min()


@pytest.mark.parametrize("damage", [b"", b"nothing that was compiled" * 100, None])
def test_a_damaged_cache_only_costs_time(
    damage: bytes | None, compiled: list[Any], tmp_path: Path
) -> None:
    expected = describe("solar-local")
    for blob in blobs(tmp_path):
        blob.write_bytes(blob.read_bytes()[:1000] if damage is None else damage)
    assert np.array_equal(describe("solar-local"), expected)
    assert not compiled[-1].get_property("LOADED_FROM_CACHE")


def test_a_cache_that_cannot_be_written_only_costs_time(
    compiled: list[Any], tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    first, second = describe("solar-local"), describe("solar-local")
    assert np.array_equal(first, second)
    assert not any(each.get_property("LOADED_FROM_CACHE") for each in compiled)
