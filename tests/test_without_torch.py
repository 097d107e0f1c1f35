"""Library calls that need torch say, where it is not installed, what installs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from solar.errors import how_to_install
from tests.scenes import scene

DOORS = {
    "engine": "solar.open_extractor('solar-r18', engine='torch')",
    "published": "solar.open_extractor('net.pth')",
    "index": "solar.Index.create('my.index', 'net.pth')",
    "load": "solar.load('solar-r18').describe('photo.png')",
    "load_local": "solar.load_local('solar-local')",
    "save": "solar.save(None, 'new')",
    "attend": "solar.attend('photo.png', (1, 1), engine='torch')",
    "match": "solar.match('photo.png', 'photo.png', model='random')",
    "losses": "from solar.training.losses import triplet_loss",
    "task": "import solar.training.retrieval.task",
    "train": "solar.train('recipe.toml', 'run')",
    "export": "from solar.extraction.export import export",
    "fold": "from solar.whitening.use import fold; fold(None, None, 'new')",
    "patches": "from solar.evaluation.patches.phototour import phototour\n"
    "    phototour(['scene'], 'random', 'to')",
}
SCRIPT = """
import sys
sys.modules["torch"] = sys.modules["torchvision"] = None
import solar
from solar.errors import MissingPackage
try:
    {door}
except MissingPackage as error:
    print(error)
"""


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_every_door_says_what_to_install(door: str, tmp_path: Path) -> None:
    scene(1, (40, 30)).save(tmp_path / "photo.png")
    (tmp_path / "net.pth").write_bytes(b"anything")
    call = [sys.executable, "-c", SCRIPT.format(door=door)]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == 'this needs torch: pip install "solar-retrieval[train]"\n'


def test_what_installs_an_extra_is_what_installed_solar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "solar-retrieval"))
    Path(sys.prefix).mkdir()
    assert how_to_install("web") == 'pip install "solar-retrieval[web]"'
    receipt = Path(sys.prefix, "uv-receipt.toml")
    receipt.touch()
    uv = f'uv pip install --python "{sys.executable}" "solar-retrieval[web]"'
    assert how_to_install("web") == uv
    receipt.rename(receipt.with_name("pipx_metadata.json"))
    assert how_to_install("web") == 'pipx runpip solar-retrieval install "solar-retrieval[web]"'


def test_whitening_is_learned_and_applied(tmp_path: Path) -> None:
    for number in range(4):
        scene(number, (64, 48)).save(tmp_path / f"{number}.png")
    work = """from pathlib import Path
    from solar.extraction.describe import describe_to_file
    from solar.whitening.learn import fit
    from solar.whitening.use import apply_to_file
    for engine in ("openvino", "onnx"):
        found = fit(Path("."), engine=engine)
        assert found.whitening.projection.shape == (3, 512), found
    describe_to_file(solar.open_extractor("solar-r18", pooled=True), ["."], "d.npz")
    assert apply_to_file(found.whitening, Path("d.npz"), Path("e.npz")).descriptors.shape == (4, 3)
    print("done")"""
    call = [sys.executable, "-c", SCRIPT.format(door=work)]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "done\n", done.stderr
