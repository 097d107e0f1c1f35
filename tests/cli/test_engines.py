"""Which engine ran is said by every command that describes, and can be asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.runner import succeed
from tests.scenes import album


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "words"), [("onnx", "ONNX Runtime"), ("torch", "PyTorch")])
def test_json_says_which_engine_ran(engine: str, words: str, tmp_path: Path) -> None:
    for place in ("bridge", "castle"):
        album(tmp_path / "photos" / place, 2, (64, 48))

    def ran(*call: object) -> str:
        said = json.loads(succeed(*call, "--json", "--engine", engine, folder=tmp_path))
        found = said["protocol"]["engine"] if "protocol" in said else said["engine"]
        return str(found)

    photo = "photos/bridge/00.png"
    for call in (
        ["index", "photos", "--to", "my.index"],
        ["search", "my.index", photo],
        ["attend", photo, "--at", "3,4", "--to", "o.png"],
        ["eval", "folder", "photos", "--to", "report"],
    ):
        assert ran(*call).startswith(words), call
    about = json.loads(succeed("info", "my.index", "--json", folder=tmp_path))
    assert about["engine"] in ("openvino", "torch")
    fit = ["whiten", "fit", "photos", "--to", "w.npz", "--scales", 1, "--engine", engine]
    assert "512-D to 1-D" in succeed(*fit, folder=tmp_path)
