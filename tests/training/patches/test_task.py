"""Training from patches: it learns, resumes exactly after a kill, and refuses odd recipes."""

import copy
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from solar.datasets.patches.store import IntArray, Patches
from solar.errors import UsageError
from solar.models.checkpoints import load_local
from solar.models.config import LocalConfig
from solar.models.local_descriptor import LocalDescriptor
from solar.training.patches.recipe import PatchRecipe, PatchTraining, PhotoTourTable
from solar.training.patches.task import PatchTask, validate
from solar.training.run.folder import RunFolder
from solar.training.run.processes import Processes
from solar.training.run.run import Run
from solar.training.run.task import Watcher
from solar.training.train import read_recipe, train
from tests.datasets.builders import noise, write_phototour
from tests.scenes import album
from tests.training.small import log_of

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


TRAINING = PatchTraining(steps=8, points=4, validate_every=3)


def run(
    folder: Path,
    training: PatchTraining = TRAINING,
    attention: tuple[int, ...] = (5,),
    processes: Processes | None = None,
) -> LocalDescriptor:
    """Train on blots; goes on with the run that the folder holds."""
    tour = PhotoTourTable(("unused",), "unused", "unused")
    recipe = PatchRecipe(training, phototour=tour, model=LocalConfig(attention))
    processes = processes or Processes()
    task = PatchTask(recipe, processes, lambda *_: None, (Blots(40, 0), Blots(40, 1)))
    at = RunFolder(folder, recipe, resume=(folder / "state.pt").exists())
    Run(task, at, processes).finish()
    return task.model


def steps(folder: Path) -> list[dict[str, Any]]:
    return [line for line in log_of(folder) if line["event"] == "step"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills with SIGKILL")
def test_a_killed_run_resumes_to_the_same_weights_and_log(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole")
    program = (
        "import sys, torch; torch.set_num_threads(1)\n"
        "import solar.training.run.run as r; save = r.Run._save; r.SAVE_EVERY = 0\n"
        "def told(self): save(self) if self.done < 5 else None; print(self.done, flush=True)\n"
        "r.Run._save = told\n"
        "from pathlib import Path; from tests.training.patches.test_task import run\n"
        "run(Path(sys.argv[1]))\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "cut")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) >= 7:  # beyond the last checkpoint
                os.kill(child.pid, signal.SIGKILL)
                break
    state = torch.load(tmp_path / "cut/state.pt", weights_only=True)
    assert (state["epoch"], state["step"], state["done"]) == (1, 1, 4)
    assert len(steps(tmp_path / "cut")) >= 7
    resumed = run(tmp_path / "cut")
    assert resumed.fingerprint == whole.fingerprint
    assert log_of(tmp_path / "cut") == log_of(tmp_path / "whole")


@pytest.mark.slow
def test_it_learns_and_logs(tmp_path: Path) -> None:
    training = PatchTraining(steps=30, points=12, learning_rate=0.003, validate_every=20)
    torch.manual_seed(0)
    before = validate(LocalDescriptor(LocalConfig(())), Blots(40, 1), 100)
    run(tmp_path, training, ())
    log = steps(tmp_path)
    assert [(line["epoch"], line["step"], line["of"]) for line in log[18:22]] == [
        (1, 19, 20),
        (1, 20, 20),
        (2, 1, 10),
        (2, 2, 10),
    ]
    first, last = (np.mean([line["triplet"] for line in part]) for part in (log[:10], log[-10:]))
    assert last < 0.7 * first
    epochs = [line for line in log_of(tmp_path) if line["event"] == "epoch"]
    assert len(epochs) == 2 and epochs[-1]["best_epoch"] == 2
    assert epochs[-1]["ap"] > before["ap"] + 0.1 and epochs[-1]["fpr95"] < before["fpr95"]


@pytest.mark.parametrize(
    ("loss", "parts"),
    [
        ("sosnet", {"triplet", "sos"}),
        ("hardnet", {"triplet"}),
        ("l2net", {"relative_distance", "correlation", "first_maps", "last_maps"}),
    ],
)
def test_every_loss_trains_by_its_name(
    loss: Literal["sosnet", "hardnet", "l2net"], parts: set[str], tmp_path: Path
) -> None:
    model = run(tmp_path, replace(TRAINING, steps=2, loss=loss))
    log = steps(tmp_path)
    assert len(log) == 2 and all(parts <= set(line) for line in log)
    assert all(weights.isfinite().all() for weights in model.parameters())


@pytest.mark.slow
def test_bfloat16_is_near_float32(tmp_path: Path) -> None:
    one, other = (
        PatchTraining(1, 16, precision="float32"),
        PatchTraining(1, 16, precision="bfloat16"),
    )
    for training in (one, other):
        run(tmp_path / training.precision, training, (3, 5))
    found = [steps(tmp_path / name)[0]["triplet"] for name in ("float32", "bfloat16")]
    assert found[0] == pytest.approx(found[1], rel=0.02) and found[0] != found[1]


def test_the_rate_rises_and_falls_to_zero() -> None:
    training = PatchTraining(steps=10, warmup=4, learning_rate=1.0)
    rates = [training.rate(step) for step in range(11)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert np.diff(rates[4:]) == pytest.approx([-1 / 6] * 6) and rates[10] == 0
    assert PatchTraining(steps=10).rate(0) == PatchTraining(steps=10).learning_rate


def test_validation_figures_by_hand() -> None:
    class Told(LocalDescriptor):
        """Describes a patch by its first two pixels."""

        def forward(self, patches: torch.Tensor) -> torch.Tensor:
            two = torch.nn.functional.pad(patches[:, 0, 0, :2], (0, 126))
            return torch.nn.functional.normalize(two, dim=1)

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
    with pytest.raises(UsageError, match=r"recipe: model attention 1 was 5, is 4; set it back"):
        run(tmp_path, attention=(4,))
    with pytest.raises(UsageError, match="training points was 4, is 5"):
        run(tmp_path, replace(TRAINING, points=5))
    with pytest.raises(UsageError, match=r"points 4: too few for 5 processes"):
        run(tmp_path, processes=Processes(0, 5))


TABLES: dict[str, Any] = {
    "task": "patches",
    "model": {"attention": [4]},
    "photos": {"folders": ["a", "b"], "held_out": "a", "store": "store", "workers": 0},
    "patches": {"visits": 1, "points": 30, "visit": {"angle": 10}},
    "training": {"steps": 4, "points": 8},
    "provenance": {"trained_on": "drawings", "licence": "MIT"},
}


class Told(Watcher):
    """Notes how far patches are."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, int]] = []

    def progress(self, what: str, done: int, total: int) -> None:
        self.seen.append((what, done, total))


def test_from_photos_to_a_model_folder(tmp_path: Path) -> None:
    album(tmp_path / "a", 6, (240, 180))
    album(tmp_path / "b", 2, (240, 180))
    told, recipe = Told(), read_recipe(TABLES, tmp_path)
    report = train(recipe, tmp_path / "run", device="cpu", watchers=[told])
    model = load_local(report.model)
    assert (report.task, report.epochs, set(report.figures)) == ("patches", 1, {"ap", "fpr95"})
    assert model.config.attention == (4,) and model.provenance.trained_on == "drawings"
    assert told.seen == [("training patches", n, 6) for n in range(1, 7)] + [
        ("validation patches", n, 2) for n in (1, 2)
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
    told.seen.clear()
    assert train(recipe, tmp_path / "again", device="cpu", watchers=[told]).minutes > 0
    assert not told.seen
    assert train(recipe, tmp_path / "again", resume=True).already_finished
    with pytest.raises(UsageError, match="holds no checkpoint"):
        train(recipe, tmp_path / "new", resume=True)
    (tmp_path / "again/model").rename(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="holds a run"):
        train(recipe, tmp_path / "again")
    other = {**TABLES, "patches": {**TABLES["patches"], "points": 20}}
    with pytest.raises(UsageError, match="training: was made with other points"):
        train(read_recipe(other, tmp_path), tmp_path / "new")


def test_from_phototour_to_a_model_folder(tmp_path: Path) -> None:
    for seed, name in enumerate(("liberty", "yosemite")):
        points = [number // 2 for number in range(60)]
        write_phototour(tmp_path / name, noise(seed, 60, 64, 64), points, [])
    tables = {name: TABLES[name] for name in ("task", "model", "training")}
    tables["phototour"] = {"scenes": ["liberty"], "held_out": "yosemite", "store": "store"}
    report = train(read_recipe(tables, tmp_path), tmp_path / "run", device="cpu")
    assert load_local(report.model).config.attention == (4,)
    assert steps(tmp_path / "run")[-1]["step"] == 4


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
def test_odd_recipes_are_refused_by_name(table: str, key: str, value: object, reason: str) -> None:
    tables = copy.deepcopy(TABLES)
    tables[table][key] = value
    with pytest.raises(UsageError, match=reason):
        read_recipe(tables)


def test_odd_tables_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="recipe: unknown key 'data'"):
        read_recipe({**TABLES, "data": {}})
    without = {name: table for name, table in TABLES.items() if name != "photos"}
    tour = {"scenes": ["a"], "held_out": "b", "store": "c"}
    for tables in (without, {**TABLES, "phototour": tour}):
        with pytest.raises(UsageError, match=r"needs either \[photos\] or \[phototour\]"):
            read_recipe(tables)
    with pytest.raises(UsageError, match=r"recipe: \[patches\] belongs to \[photos\]"):
        read_recipe({**without, "phototour": tour})
    (tmp_path / "a").mkdir()
    with pytest.raises(UsageError, match=r"\[photos\] folders: .*a has no photos"):
        train(read_recipe(TABLES, tmp_path), tmp_path / "run")


def test_the_shipped_recipe_can_be_read() -> None:
    read = read_recipe(ROOT / "recipes/solar-local/recipe.toml")
    assert isinstance(read, PatchRecipe) and read.photos
    assert read.model.attention == (3, 4, 5) and read.patches.visit.angle == 45
    assert read.base == ROOT / "recipes/solar-local"
