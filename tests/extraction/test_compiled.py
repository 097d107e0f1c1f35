"""What OpenVINO has compiled is kept: found again, never for other weights, and not needed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import solar
from solar.features.patch_descriptor import open_patch_descriptor
from solar.files import sha256
from solar.models.document import CONFIG, WEIGHTS
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
    folder = tmp_path / "model"
    shutil.copytree(BUNDLED / "solar-local", folder)
    before = describe(folder)
    weights = load_file(folder / WEIGHTS)
    layer = weights["describe.0.weight"]
    weights["describe.0.weight"] = (
        layer * np.linspace(0, 1, len(layer), dtype=layer.dtype)[:, None, None, None]
    )
    with safe_open(folder / WEIGHTS, "np") as file:
        save_file(weights, folder / "other", file.metadata())
    (folder / "other").replace(folder / WEIGHTS)
    config = (folder / CONFIG).read_text()
    old, new = (sha256(each / WEIGHTS) for each in (BUNDLED / "solar-local", folder))
    (folder / CONFIG).write_text(config.replace(old, new))
    after = describe(folder)
    with torch.inference_mode():
        expected = solar.load_local(folder)(torch.from_numpy(PATCHES)).numpy()
    assert (after * expected).sum(1).min() > 0.9999 > (before * expected).sum(1).min()


def test_another_process_may_write_to_the_cache_meanwhile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SOLAR_CACHE", str(tmp_path / "cache"))
    expected, compile_model = describe("solar-local"), openvino.Core.compile_model

    def fails(core: Any, model: Any, device: str, settings: dict[str, str]) -> Any:
        if "CACHE_DIR" in settings:
            raise RuntimeError("filesystem error: cannot set permissions")
        return compile_model(core, model, device, settings)

    monkeypatch.setattr(openvino.Core, "compile_model", fails)
    assert np.array_equal(describe("solar-local"), expected)


def test_only_the_networks_opened_last_are_kept(compiled: list[Any], tmp_path: Path) -> None:
    base = tmp_path / "cache" / "compiled"
    for number in range(9):
        old = base / f"{number:032x}"
        old.mkdir(parents=True)
        (old / "1.blob").write_bytes(b"compiled")
        os.utime(old, (number, number))
    describe("solar-local")
    kept = sorted(path.name for path in base.iterdir())
    assert kept[:7] == [f"{number:032x}" for number in range(2, 9)] and len(kept) == 8
    assert len(blobs(tmp_path)) == 8
    describe("solar-local")
    assert compiled[-1].get_property("LOADED_FROM_CACHE")


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
