"""`solar export`: a folder that needs no torch, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from solar.models.checkpoints import load
from tests.cli.runner import solar
from tests.scenes import album


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


@pytest.mark.slow
def test_the_graph_alone_runs_in_onnx_runtime(tmp_path: Path) -> None:
    import onnxruntime

    done = solar("export", "solar-r18", "--to", "m", "--precision", "float16", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    session = onnxruntime.InferenceSession(tmp_path / "m" / "model.onnx")
    about = session.get_modelmeta().custom_metadata_map
    assert about["name"] == "solar-r18" and about["licence"] == "MIT"
    assert about["fingerprint"] == load("solar-r18").fingerprint
    photos = np.zeros((2, 50, 70, 3), np.uint8)
    (rows,) = session.run(None, {"photos": photos, "scale": np.array([1.4], np.float32)})
    assert rows.shape == (2, 512) and np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


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
