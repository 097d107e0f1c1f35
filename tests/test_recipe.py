"""The recipe of solar-r18 from a checkpoint to an ablation, on a few small photos."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from solar.models.checkpoints import load, save
from solar.models.config import GlobalConfig
from solar.models.global_descriptor import GlobalDescriptor
from tests.scenes import album
from tests.training.distillation.test_task import distilled
from tests.training.small import log_of, small_tables, toml

ROOT = Path(__file__).resolve().parents[1]
RECIPE = """
task = "distillation"
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
whitening = { few = 2 }
powers = [0.5, 1.0]
places = "places"
validation = ["places"]
image_sizes = [64, 96]
larger_must_gain = 1.0
dimensions = [4, 8]
licence = "MIT"
trained_on = "a few drawings"
"""


def script(name: str, *flags: str, **options: object) -> str:
    """What one of the recipe's scripts prints."""
    command = [sys.executable, f"recipes/solar-r18/{name}", *flags]
    for option, value in options.items():
        command += [f"--{option}", str(value)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_from_a_checkpoint_to_a_bundled_model(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    paths = album(photos / "few", 12)
    for place in range(3):
        album(photos / "places" / str(place), 2, (120 + 10 * place, 100))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    distilled(tmp_path / "run", photos / "few", phases=[{"crops": 16, "side": 32}])
    options = {
        "photos": photos, "student": tmp_path / "run/model", "recipe": tmp_path / "recipe.toml",
    }  # fmt: skip
    for flags in ([], ["--learned"]):
        made = tmp_path / ("learned" if flags else "pca")
        written = script("finish.py", *flags, to=made, **options)
        rows = [line for line in written.splitlines() if line[2:4].isdigit()]
        assert len(rows) == (4 if flags else 8)  # sizes, powers, numbers of dimensions
        model = load(made)
        assert model.config.attention == GlobalConfig().attention and model.attention_is_identity(5)
        assert model.dimensions in (4, 8)
        document = json.loads((made / "config.json").read_text())
        assert document["provenance"]["trained_on"] == "a few drawings"
        assert document["weights"]["type"] == "float16"
        descriptor = model.describe(paths[0])
        assert abs(float(descriptor @ descriptor) - 1) < 1e-3
    first, second = (load(tmp_path / name).state_dict() for name in ("pca", "learned"))
    assert torch.equal(first["stages.conv1.0.weight"], second["stages.conv1.0.weight"])
    assert not torch.equal(first["whiten.weight"][:4], second["whiten.weight"][:4])


@pytest.mark.slow
def test_the_ablation_trains_what_its_arms_say(tmp_path: Path) -> None:
    tables = small_tables(tmp_path / "photos", Path("unused"))
    tables["optimiser"] |= {"epochs": 1}
    (tmp_path / "train.toml").write_text(toml(tables))
    torch.manual_seed(0)
    config = GlobalConfig("resnet18", whitening=8, image_size=64)  # its attention is the identity
    save(GlobalDescriptor(config), tmp_path / "start")
    dataset = tmp_path / "dataset"
    names = [path.stem for path in album(dataset / "jpg", 6)]
    label = {"bbx": None, "easy": [0], "hard": [1], "junk": []}
    lists = {"imlist": names[:4], "qimlist": names[4:], "gnd": [label, label]}
    (dataset / "gnd_drawn.json").write_text(json.dumps(lists))
    options = {
        "start": tmp_path / "start", "photos": tmp_path / "photos", "dataset": dataset,
        "to": tmp_path / "runs", "recipe": tmp_path / "train.toml", "seeds": 2,
    }  # fmt: skip
    written = script("ablation.py", **options)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in written.splitlines()]
    found = {row[0]: row[1:] for row in rows if len(row) == 8}
    assert list(found)[2:] == ["start", "gem", "soa", "sos", "soa-sos"]
    assert all(len(found[arm]) == 7 and "±" in found[arm][0] for arm in list(found)[3:])
    assert "±" not in found["start"][0]
    assert len([row for row in rows if len(row) == 5 and ", " in row[0]]) == 11  # and the head
    both = config.attention
    for arm, attention, similarity in (
        ("gem", (), False), ("soa", both, False), ("sos", (), True), ("soa-sos", both, True),
    ):  # fmt: skip
        run = tmp_path / f"runs/{arm}-1"
        assert load(run / "model").config.attention == attention
        steps = [line for line in log_of(run) if line["event"] == "step"]
        assert steps and all(("second_order" in line) == similarity for line in steps)
    logs = {path: path.read_bytes() for path in tmp_path.glob("runs/*/log.jsonl")}
    again = script("ablation.py", **options)
    assert again.splitlines() == [line for line in written.splitlines() if "training" not in line]
    assert logs == {path: path.read_bytes() for path in logs}  # nothing was trained twice
