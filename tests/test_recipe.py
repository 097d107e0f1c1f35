"""The recipe of solar-r18 from a checkpoint to an ablation, on a few small photos."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
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
at_least = { places = 0.0 }
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
def test_from_descriptors_of_several_networks_to_a_model(tmp_path: Path) -> None:
    """A photo that a set shows as well is not learned from."""
    photos = tmp_path / "photos"
    album(photos / "few", 12)
    for place in range(3):
        album(photos / "places" / str(place), 2, (120 + 10 * place, 100))
    shutil.copy(photos / "few/00.png", photos / "places/0")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    for seed, whitening in ((0, None), (1, 4)):
        torch.manual_seed(seed)
        network = GlobalDescriptor(GlobalConfig("resnet18", (), whitening=whitening, image_size=64))
        save(network, tmp_path / f"network-{seed}")
    common = {"photos": photos, "recipe": tmp_path / "recipe.toml"}
    networks = [str(tmp_path / f"network-{seed}") for seed in (0, 1)]
    told = script(
        "targets.py", "--networks", *networks, "--sets", str(photos / "places"), "--nearest",
        "0.99999", to=tmp_path / "targets.npz", **common,
    )  # fmt: skip
    assert "11 photos; 1 left out" in told
    with np.load(tmp_path / "targets.npz") as file:
        assert file["rows"].shape[0] == 11 and "00.png" not in " ".join(file["paths"])
    run = distilled(
        tmp_path / "run", photos / "few", targets=str(tmp_path / "targets.npz"),
        start=networks[0], phases=[{"crops": 16, "side": 32}],
    )  # fmt: skip
    assert run.config.whitening is None
    script(
        "finish.py", f"--targets={tmp_path / 'targets.npz'}", student=tmp_path / "run/model",
        to=tmp_path / "made", **common,
    )  # fmt: skip
    assert load(tmp_path / "made").dimensions in (4, 8)
    (tmp_path / "recipe.toml").write_text(RECIPE.replace("places = 0.0", "places = 101.0"))
    with pytest.raises(AssertionError, match=r"no image size, power and dimensions .* are good"):
        script(
            "finish.py", f"--targets={tmp_path / 'targets.npz'}", student=tmp_path / "run/model",
            to=tmp_path / "none", **common,
        )  # fmt: skip
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_the_ablation_trains_what_its_arms_say(tmp_path: Path) -> None:
    tables = small_tables(tmp_path / "photos", Path("unused"))
    tables["optimiser"] |= {"epochs": 1}
    (tmp_path / "train.toml").write_text(toml(tables))
    (tmp_path / "recipe.toml").write_text(RECIPE.replace("few = 2", "photos = 1"))
    torch.manual_seed(0)
    start = GlobalDescriptor(GlobalConfig("resnet18", whitening=3, image_size=64))
    start.attention["conv5_x"].get_parameter("v.weight").data.normal_()
    save(start, tmp_path / "given")
    dataset = tmp_path / "drawn"
    names = [path.stem for path in album(dataset / "jpg", 6)]
    label = {"bbx": None, "easy": [0], "hard": [1], "junk": []}
    lists = {"imlist": names[:4], "qimlist": names[4:], "gnd": [label, label]}
    (dataset / "gnd_drawn.json").write_text(json.dumps(lists))
    command = [
        "ablation.py", f"--start={tmp_path / 'given'}", f"--photos={tmp_path / 'photos'}",
        f"--to={tmp_path / 'runs'}", f"--recipe={tmp_path / 'train.toml'}", "--seeds=2",
        f"--whitening={tmp_path / 'recipe.toml'}",
        "--sets", str(dataset), str(tmp_path / "photos/validation"),
    ]  # fmt: skip
    written = script(*command)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in written.splitlines()]
    head, _, *maps = [row for row in rows if len(row) == 6]
    columns = ["drawn, easy", "drawn, medium", "drawn, hard", "validation", "all queries"]
    assert head == ["arm", *columns]
    repeated = ["gem", "soa", "sos", "soa-sos"]
    assert [row[0] for row in maps[:6]] == ["given", "start", *repeated] and len(maps) == 14
    assert all(("±" in cell) == (row[0] in repeated) for row in maps for cell in row[1:])
    gains = [row for row in rows if len(row) == 4][2:]
    assert len(gains) == 1 + 12 + 2 and all("…" in row[3] for row in gains)
    assert {row[1] for row in gains if row[0] in ("gem, soa", "start, gem")} == {"2"}
    runs, both = tmp_path / "runs", list(start.config.attention)
    assert load(runs / "start").attention_is_identity(5)
    for arm, attention, second in (
        ("gem-1", [], None), ("soa-1", both, None), ("sos-1", [], "batch"),
        ("soa-sos-1", both, "batch"), ("soa-sos, the first stage alone-0", both[:1], "batch"),
        ("soa-sos, the last stage alone-0", both[1:], "batch"),
    ):  # fmt: skip
        assert list(load(runs / arm / "model").config.attention) == attention
        steps = [line for line in log_of(runs / arm) if line["event"] == "step"]
        assert steps and all(("second_order" in line) == bool(second) for line in steps)
    first = {
        arm: next(line for line in log_of(runs / f"soa-sos{arm}-0") if line["event"] == "step")
        for arm in ("", ", absolute", ", query", ", λ x 0.2", ", λ x 5")
    }
    terms = [line["second_order"] for line in first.values()]
    assert len(set(terms[:3])) == 3
    assert terms[3:] == pytest.approx([terms[0] / 5, terms[0] * 5])
    assert len({load(path).fingerprint for path in runs.glob("soa-sos*-0/model")}) == 7
    for arm, term in (
        ("gem-0", "triplet"),
        ("gem, contrastive-0", "contrastive"),
        ("gem, ap-0", "ap"),
    ):
        step = next(line for line in log_of(runs / arm) if line["event"] == "step")
        assert term in step and "second_order" not in step
    logs = {path: path.read_bytes() for path in runs.glob("*/log.jsonl")}
    assert len(logs) == 4 * 2 + 8
    again = script(*command)
    assert again.splitlines() == [
        line for line in written.splitlines() if line.startswith("|") or not line
    ]
    assert logs == {path: path.read_bytes() for path in logs}  # nothing was trained twice
