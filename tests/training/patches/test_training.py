"""Training of local networks: it learns, resumes exactly after a kill, and refuses odd recipes."""

import copy
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from solar.datasets.patches.store import IntArray, Patches
from solar.errors import CheckpointError, UsageError
from solar.models.checkpoints import load_local
from solar.models.config import LocalConfig
from solar.models.local_descriptor import LocalDescriptor
from solar.training.patches.loop import LocalTraining, train_local, validate
from solar.training.patches.recipe import read_local_recipe
from solar.training.patches.training import train
from tests.datasets.builders import noise, write_phototour
from tests.scenes import album

ROOT = Path(__file__).resolve().parents[3]


class Blots:
    """Points that are easy to tell apart: a noise of its own for each, seen three times."""

    noise = 150.0

    def __init__(self, points: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        blots = random.integers(0, 256, (points, 1, 8, 8)).repeat(4, 2).repeat(4, 3)
        seen = blots + random.normal(0, self.noise, (points, 3, 32, 32))
        self.pixels = seen.clip(0, 255).astype(np.uint8).reshape(-1, 32, 32)
        self.point_ids = np.repeat(np.arange(points), 3)

    def patches(self, numbers: IntArray) -> Patches:
        return np.asarray(self.pixels[numbers])


CONFIG = LocalTraining(steps=8, points=4, log_every=2, validate_every=8, save_every=0)


def run(
    folder: Path, config: LocalTraining = CONFIG, attention: tuple[int, ...] = (5,)
) -> LocalDescriptor:
    torch.manual_seed(config.seed)
    model = LocalDescriptor(LocalConfig(attention))
    train_local(model, Blots(40, 0), Blots(40, 1), config, folder, lambda line: None)
    return model


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.mark.skipif(sys.platform == "win32", reason="kills with SIGKILL")
def test_a_killed_run_resumes_to_the_same_weights_and_log(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole")
    program = (
        "import sys, torch; torch.set_num_threads(1)\n"
        "import solar.training.patches.loop as d; save = d._save\n"
        "def told(*a): save(*a) if a[-1] < 4 else None; print(a[-1], flush=True)\n"
        "d._save = told\n"
        "from pathlib import Path; from tests.training.patches.test_training import run\n"
        "run(Path(sys.argv[1]))\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "cut")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) >= 6:  # beyond the last checkpoint, which is of step 3
                os.kill(child.pid, signal.SIGKILL)
                break
    assert torch.load(tmp_path / "cut/state.pt", weights_only=True)["step"] == 3
    assert [line["step"] for line in lines(tmp_path / "cut")][:3] == [2, 4, 6]
    resumed = run(tmp_path / "cut")
    assert resumed.fingerprint == whole.fingerprint
    untimed = [
        [{k: v for k, v in line.items() if k != "pairs_per_second"} for line in lines(folder)]
        for folder in (tmp_path / "whole", tmp_path / "cut")
    ]
    assert untimed[0] == untimed[1]


def test_it_learns_and_logs(tmp_path: Path) -> None:
    config = LocalTraining(steps=30, points=12, learning_rate=0.003, validate_every=20)
    torch.manual_seed(0)
    before = validate(LocalDescriptor(LocalConfig(())), Blots(40, 1), 100)
    run(tmp_path, config, ())
    log = lines(tmp_path)
    assert [line["step"] for line in log] == [10, 20, 30]
    assert log[-1]["triplet"] < 0.7 * log[0]["triplet"]
    assert ["ap" in line for line in log] == [False, True, True]
    assert log[-1]["ap"] > before["ap"] + 0.1 and log[-1]["fpr95"] < before["fpr95"]


def test_bfloat16_is_near_float32(tmp_path: Path) -> None:
    for bfloat16 in (False, True):
        config = LocalTraining(steps=1, points=16, bfloat16=bfloat16, log_every=1)
        run(tmp_path / str(bfloat16), config, (3, 5))
    one, other = (lines(tmp_path / str(bfloat16))[0] for bfloat16 in (False, True))
    assert one["triplet"] == pytest.approx(other["triplet"], rel=0.02)
    assert one["triplet"] != other["triplet"]


def test_the_rate_rises_and_falls_to_zero() -> None:
    config = LocalTraining(steps=10, warmup=4, learning_rate=1.0)
    rates = [config.rate(step) for step in range(11)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert np.diff(rates[4:]) == pytest.approx([-1 / 6] * 6) and rates[10] == 0
    assert LocalTraining(steps=10).rate(0) == LocalTraining(steps=10).learning_rate


def test_validation_figures_by_hand() -> None:
    class Told(LocalDescriptor):
        """Describes a patch by its first two pixels."""

        def forward(self, patches: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.normalize(patches[:, 0, 0, :2], dim=1)

    source = Blots(4, 0)
    pixels = np.zeros((4, 3, 32, 32), np.uint8)
    pixels[:, :, 0, :2] = np.array([(100, 0), (100, 30), (30, 100), (0, 100)])[:, None]
    source.pixels = pixels.reshape(-1, 32, 32)
    assert validate(Told(), source, 10) == {"fpr95": 0.0, "ap": 1.0}
    pixels[0, 1, 0, :2] = (0, 100)  # the second view of the first is that of the last
    found = validate(Told(), source, 10)
    # Mutual matches at distance 0: 1 with 1, 2 with 2, and 3, wrongly, with the first of equals.
    assert found == {"fpr95": 1.0, "ap": 0.5}


def test_another_training_than_that_of_the_checkpoint_is_refused(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(CheckpointError, match=r"was made with attention = \[5\], not \[4\]"):
        run(tmp_path, attention=(4,))
    other = LocalTraining(steps=8, points=5, log_every=2, validate_every=8, save_every=0)
    with pytest.raises(CheckpointError, match="was made with points = 4, not 5"):
        run(tmp_path, other)
    (tmp_path / "state.pt").write_bytes(b"no")
    with pytest.raises(CheckpointError, match=r"state\.pt: not a checkpoint"):
        run(tmp_path)


def recipe(tmp_path: Path) -> dict[str, Any]:
    return {
        "model": {"kind": "local", "attention": [4]},
        "photos": {"folders": ["a", "b"], "held_out": "a", "store": "store", "workers": 0},
        "patches": {"visits": 1, "points": 30, "visit": {"angle": 10}},
        "training": {"steps": 4, "points": 8, "log_every": 2},
        "provenance": {"trained_on": "drawings", "licence": "MIT"},
    }


def test_from_photos_to_a_model_folder(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    album(tmp_path / "a", 6, (240, 180))
    album(tmp_path / "b", 2, (240, 180))
    told: list[dict[str, Any]] = []
    tables = recipe(tmp_path)
    folder = train(tables, tmp_path, tmp_path / "run", resume=False, report=told.append)
    model = load_local(folder)
    assert model.config.attention == (4,) and model.provenance.trained_on == "drawings"
    assert [line for line in told if "photos" in line] == [
        {"photos": 6, "of": 6},
        {"photos": 2, "of": 2},
    ]
    names = [
        json.loads((tmp_path / "store" / part / "store.json").read_text())["settings"]["photos"]
        for part in ("training", "validation")
    ]
    assert names == [
        ["a/01.png", "a/02.png", "a/03.png", "a/04.png", "b/00.png", "b/01.png"],
        ["a/00.png", "a/05.png"],
    ]
    # Another run takes the patches that are there; a finished one is left alone.
    told.clear()
    train(tables, tmp_path, tmp_path / "again", resume=False, report=told.append)
    assert not any("photos" in line for line in told)
    with pytest.raises(UsageError, match="is finished"):
        train(tables, tmp_path, tmp_path / "again", resume=True, report=told.append)
    with pytest.raises(UsageError, match="holds no checkpoint"):
        train(tables, tmp_path, tmp_path / "new", resume=True, report=told.append)
    (tmp_path / "again/model").rename(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="holds a run"):
        train(tables, tmp_path, tmp_path / "again", resume=False, report=told.append)
    tables["patches"]["points"] = 20
    with pytest.raises(UsageError, match="training: was made with other points"):
        train(tables, tmp_path, tmp_path / "new", resume=False, report=told.append)


def test_from_phototour_to_a_model_folder(tmp_path: Path) -> None:
    for seed, name in enumerate(("liberty", "yosemite")):
        points = [number // 2 for number in range(60)]
        write_phototour(tmp_path / name, noise(seed, 60, 64, 64), points, [])
    tables = recipe(tmp_path)
    del tables["photos"], tables["patches"]
    tables["phototour"] = {"scenes": ["liberty"], "held_out": "yosemite", "store": "store"}
    folder = train(tables, tmp_path, tmp_path / "run", resume=False, report=lambda line: None)
    assert load_local(folder).config.attention == (4,)
    assert lines(tmp_path / "run")[-1]["step"] == 4


@pytest.mark.parametrize(
    ("table", "key", "value", "reason"),
    [
        ("model", "layers", 3, r"\[model\]: unknown key 'layers'"),
        ("model", "attention", [2], "attention after layers"),
        ("photos", "hold_out", "a", r"\[photos\]: unknown key 'hold_out'"),
        ("photos", "held_out", "c", "'c' is not among the folders"),
        ("patches", "size", 64, r"\[patches\]: unknown key 'size'"),
        ("patches", "visits", 0, r"\[patches\]: visits is 0"),
        ("patches", "visit", {"pitch": 3}, r"\[patches.visit\]: unknown key 'pitch'"),
        ("training", "epochs", 3, r"\[training\]: unknown key 'epochs'"),
        ("training", "steps", "many", r"\[training\] steps 'many': use a whole number"),
        ("training", "steps", 0, r"\[training\]: steps is 0"),
        ("training", "margin", -1, r"\[training\]: margin is -1"),
        ("provenance", "author", "me", r"\[provenance\]: unknown key 'author'"),
    ],
)
def test_odd_recipes_are_refused_by_name(
    tmp_path: Path, table: str, key: str, value: object, reason: str
) -> None:
    tables = copy.deepcopy(recipe(tmp_path))
    tables[table][key] = value
    with pytest.raises(UsageError, match=reason):
        read_local_recipe(tables)


def test_odd_tables_are_refused_by_name(tmp_path: Path) -> None:
    good = recipe(tmp_path)
    with pytest.raises(UsageError, match="recipe: unknown key 'data'"):
        read_local_recipe({**good, "data": {}})
    without = {name: table for name, table in good.items() if name != "photos"}
    for tables in (without, {**good, "phototour": {}}):
        with pytest.raises(UsageError, match=r"needs either \[photos\] or \[phototour\]"):
            read_local_recipe(tables)
    with pytest.raises(UsageError, match=r"\[photos\] folders: .*a has no photos"):
        (tmp_path / "a").mkdir()
        train(good, tmp_path, tmp_path / "run", resume=False, report=lambda line: None)


def test_the_shipped_recipe_can_be_read() -> None:
    from solar.training.run.tables import read_toml

    read = read_local_recipe(read_toml(ROOT / "recipes/solar-local/recipe.toml"))
    assert read.model.attention == (3, 4, 5)
