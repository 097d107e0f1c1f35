"""`solar export`: a folder that needs no torch, and what is refused."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from shutil import which

import numpy as np
import pytest
import torch

from solar.errors import SolarError
from solar.extraction import open_extractor
from solar.extraction.export import check, export
from solar.extraction.extractor import describe_one
from solar.models.checkpoints import load, load_local, save
from solar.models.config import GlobalConfig
from solar.models.global_descriptor import GlobalDescriptor
from tests.cli.runner import solar
from tests.scenes import album, scene


@pytest.mark.slow
def test_an_exported_model_indexes_and_searches_in_onnx_runtime(
    model_folder: Path, tmp_path: Path
) -> None:
    album(tmp_path / "photos", 3)
    done = solar("export", model_folder, "--to", "mine", folder=tmp_path)
    assert done.returncode == 0 and "mine: ONNX, float32" in done.stdout, done.stderr
    for engine in ("onnx", "openvino"):
        runs = ("--model", "mine", "--engine", engine)
        done = solar("describe", "photos/00.png", "--to", f"{engine}.npz", *runs, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        ours = np.load(tmp_path / f"{engine}.npz")["descriptors"][0]
        theirs = load(model_folder).describe(tmp_path / "photos/00.png")
        assert ours @ theirs >= 0.9999
    made = solar("index", "photos", "--to", "my.index", *runs, folder=tmp_path)
    assert made.returncode == 0, made.stderr
    found = solar("search", "my.index", "photos/01.png", "--engine", "onnx", folder=tmp_path)
    assert found.returncode == 0 and "01.png" in found.stdout, found.stderr


_ALONE = """
import sys
sys.modules["solar"] = sys.modules["torch"] = sys.modules["onnx"] = None
import re
code = re.search(r"```python\\n(.*?)```", open("README.md").read(), re.S)[1]
exec(code)
np.save("found.npy", descriptor)
about = session.get_modelmeta().custom_metadata_map
print(about["name"], about["licence"], about["fingerprint"], about["scales"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("whole", [True, False])
def test_other_programs_run_the_folder_as_its_readme_says(whole: bool, tmp_path: Path) -> None:
    torch.manual_seed(2)
    config = GlobalConfig("resnet18", (), image_size=128, scales=(1.0, 0.7), whitening=None)
    model = load("solar-r18") if whole else GlobalDescriptor(config, name="bare").eval()
    save(model, tmp_path / "model")
    done = solar("export", "model", "--to", "m", "--precision", "float16", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    photo = tmp_path / "m" / "photo.jpg"
    scene(1, (600, 410)).save(photo, quality=95)
    call = [sys.executable, "-c", _ALONE]
    ran = subprocess.run(call, cwd=tmp_path / "m", capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    ours = open_extractor(tmp_path / "m", engine="onnx")
    expected = describe_one(ours, photo)
    assert np.load(tmp_path / "m" / "found.npy") @ expected >= 0.99999
    fingerprint, scales = ours.extraction.fingerprint, list(model.config.scales)
    assert ran.stdout.strip() == f"{model.name} {model.provenance.licence} {fingerprint} {scales}"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """Where it lies, and the Python of its README that is for torch."""
    network = GlobalDescriptor(GlobalConfig("resnet18", ("conv5_x",), whitening=16), name="m")
    home = tmp_path_factory.mktemp("home")
    about = (export(network, home / "THIS-FOLDER") / "README.md").read_text()
    _, trace, compiled = re.findall(r"```python\n(.*?)```", about, re.S)
    return home, f"{trace}\nexpected = model(images[:1, :, :96]).detach()\n", compiled


def run_in(folder: Path, code: str) -> None:
    call = [sys.executable, "-c", code]
    done = subprocess.run(call, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_torch_export_runs_as_its_readme_says(exported: tuple[Path, str, str]) -> None:
    folder, trace, _ = exported
    run_in(folder, f"{trace}torch.save((images, expected), 'expected.pt')")
    alone = """
import sys
sys.modules["solar"] = None
import torch
images, expected = torch.load("expected.pt")
found = torch.export.load("model.pt2").module()(images[:1, :, :96])
assert torch.allclose(found, expected, atol=1e-5)
"""
    run_in(folder, alone)


@pytest.mark.slow
@pytest.mark.skipif(not which("c++"), reason="needs a C++ compiler")
def test_it_is_compiled_as_its_readme_says(exported: tuple[Path, str, str]) -> None:
    folder, trace, compiled = exported
    part = "images[:1, :, :96].contiguous()"
    check = f"assert torch.allclose(compiled({part}), expected, atol=1e-4)"
    run_in(folder, f"{trace}{compiled}{check}")


@pytest.mark.slow
def test_a_graph_that_disagrees_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = load_local("solar-local")
    monkeypatch.setattr(check, "LEAST_COSINE", 1.1)
    with pytest.raises(SolarError, match=r"model solar-local: its graph does not describe as it"):
        export(network, tmp_path / "new")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (["solar-r18", "--to", "."], "exists already"),
        (["solar-r18", "--to", "new", "--precision", "int3"], "--precision int3: use float32"),
        (["solar-r18", "--to", "new", "--format", "caffe"], "--format"),
        (["nothing", "--to", "new"], "nothing: neither a file"),
    ],
)
def test_a_wrong_call_is_one_line(call: list[str], message: str, tmp_path: Path) -> None:
    done = solar("export", *call, folder=tmp_path)
    assert done.returncode != 0 and message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and not (tmp_path / "new").exists()


def test_without_torch_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("solar.extraction.export")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    done = solar("export", "solar-r18", "--to", "new", folder=tmp_path)
    assert done.returncode == 1
    assert 'pip install "solar-retrieval[train]"' in done.stderr
