"""The recipe of solar-r18 from a checkpoint to a model folder, on a few small photos."""

import json
import subprocess
import sys
from pathlib import Path

import torch

from solar.models.checkpoints import load
from solar.models.global_descriptor import GlobalConfig, GlobalDescriptor
from solar.training.crops import Photos
from solar.training.distillation import DistillationConfig, Phase, distill
from tests.photos import album
from tests.training.test_distillation import teacher

ROOT = Path(__file__).resolve().parents[1]
RECIPE = """
[model]
backbone = "resnet18"
attention = []
pooling = "gem"
[photos]
few = 1.0
[distillation]
batch = 8
phases = [{ crops = 16, side = 32 }]
[finish]
whitening = ["few"]
whitening_photos = 10
validation = "places"
image_sizes = [64, 96]
dimensions = [4, 8]
licence = "MIT"
trained_on = "a few drawings"
"""


def test_from_a_checkpoint_to_a_bundled_model(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    paths = album(photos / "few", 12)
    for place in range(3):
        album(photos / "places" / str(place), 2, (120 + 10 * place, 100))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    torch.manual_seed(0)
    student = GlobalDescriptor(GlobalConfig("resnet18", ()))
    config = DistillationConfig(
        (Phase(16, 32),), teacher_side=64, batch=8, whitened=8, statistics=32, workers=0
    )
    distill(student, teacher, [Photos(paths, 1.0)], config, tmp_path / "run", lambda line: None)
    command = [sys.executable, "recipes/solar-r18/finish.py", "--photos", photos]
    command += ["--state", tmp_path / "run/state.pt", "--to", tmp_path / "model"]
    command += ["--recipe", tmp_path / "recipe.toml"]
    done = subprocess.run(
        list(map(str, command)), cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line[2:4].isdigit()]
    assert len(rows) == 4  # each size with each number of dimensions
    model = load(tmp_path / "model")
    assert model.config.attention == (4, 5) and model.attention_is_identity(5)
    assert model.dimensions in (4, 8)
    document = json.loads((tmp_path / "model/config.json").read_text())
    assert document["provenance"]["trained_on"] == "a few drawings"
    assert document["weights"]["type"] == "float16"
    descriptor = model.describe(paths[0])
    assert abs(float(descriptor @ descriptor) - 1) < 1e-3
