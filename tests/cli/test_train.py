"""solar train: from photos to a model, killed and resumed, and what it says when it cannot."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from solar.models.checkpoints import load
from tests.cli.runner import solar, succeed
from tests.training.small import log_of, small_tables, toml

ROOT = Path(__file__).resolve().parents[2]
# Saves after every step up to the second of the second epoch, and dies at the third.
KILLED = """
import os, signal, sys, torch
torch.set_num_threads(1)
import solar.training.run.run as r
r.SAVE_EVERY, save = 0.0, r.Run._save
def told(self):
    if (self.epoch, self.step) == (1, 3):
        os.kill(os.getpid(), signal.SIGKILL)
    if (self.epoch, self.step) != (1, 2):
        save(self)
r.Run._save = told
from solar.cli import main
main()
"""

PATCHES = """
task = "patches"
[model]
attention = []
[photos]
folders = ["photos"]
held_out = "photos"
store = "store"
workers = 0
[patches]
visits = 1
points = 30
visit = { angle = 10 }
[training]
steps = 2
points = 4
"""


@pytest.fixture
def home(tmp_path: Path, model_folder: Path) -> Path:
    tables = small_tables(tmp_path, model_folder)
    tables["optimiser"]["workers"] = 1
    (tmp_path / "my.toml").write_text(toml(tables))
    return tmp_path


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills with SIGKILL")
def test_a_run_killed_within_an_epoch_is_resumed_exactly(home: Path) -> None:
    printed = succeed("train", "my.toml", "--device", "cpu", folder=home)
    assert "14 photos of 9 places, 1 of places of one photo: never queries" in printed
    assert "epoch 1 of 2: 7 tuples mined in a pool of 12 photos, 14 photos described in " in printed
    assert re.search(
        r"epoch 1 of 2, step 1 of 4: loss triplet [\d.]+, second_order [\d.]+", printed
    )
    closed = (
        r"epoch 2 of 2 done, after \d+ s in all: loss triplet [\d.]+, .*, validation mAP [\d.]+"
    )
    assert re.search(closed, printed)
    assert printed.splitlines()[-1] == (
        "runs/my/model: solar index PHOTOS --to my.index --model runs/my/model"
    )
    command = [sys.executable, "-c", KILLED, "train", "my.toml", "--to", "cut", "--device", "cpu"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": "1"}
    died = subprocess.run(
        command, cwd=home, env=environment, capture_output=True, text=True, timeout=200
    )
    assert died.returncode == -9, died.stderr
    steps = [line for line in log_of(home / "cut") if line["event"] == "step"]
    assert len(steps) == 4 + 3 and not (home / "cut/model").exists()
    done = solar("train", "my.toml", "--to", "cut", folder=home)
    assert done.returncode == 2 and "holds a run; --resume goes on with it" in done.stderr
    succeed("train", "my.toml", "--to", "cut", "--resume", "--device", "cpu", folder=home)
    assert log_of(home / "cut") == log_of(home / "runs/my")
    assert load(home / "cut/model").fingerprint == load(home / "runs/my/model").fingerprint
    printed = succeed("train", "my.toml", "--resume", "--json", folder=home)
    report = json.loads(printed)
    assert report["already_finished"] and report["model"] == "runs/my/model"
    printed = succeed("train", "my.toml", "--resume", folder=home)
    assert printed.startswith("runs/my: already finished, nothing is left to do\n")


def test_a_dry_run_prints_what_the_rest_takes(home: Path) -> None:
    before = sorted(home.iterdir())
    printed = succeed("train", "my.toml", "--dry-run", "--device", "cpu", folder=home)
    last = printed.splitlines()[-1]
    for words in ("photos/s mined", "images/s trained on", "the whole recipe takes about "):
        assert words in last
    assert re.search(r"about \d+ s and its validations$", last)
    assert sorted(home.iterdir()) == before


@pytest.mark.parametrize(
    ("recipe", "options", "message"),
    [
        ("[model]\nstart = 'x'\n", (), "recipe: needs [[photos]]"),
        ("[model]\nstart = 'x'\nsize = 1\n[[photos]]\nfolder = 'photos'", (), "unknown key 'size'"),
        ("[[photos]]\nfolder = 'photos'", (), "recipe: needs [model]"),
        (
            "[model]\nstart = 'solar-r18'\n[[photos]]\nfolder = 'gone'",
            (),
            "[[photos]] number 1 folder: gone: no such file or folder",
        ),
        ("[model", (), "my.toml: not TOML"),
        ("", ("--dry-run", "--resume"), "--dry-run keeps nothing: leave --resume"),
        (PATCHES, ("--dry-run",), "--dry-run is for recipes of retrieval"),
        (PATCHES, ("--device", "tpu"), "--device tpu: use auto, cpu"),
        ("task = 'patches'\n[training]\nsteps = 2", (), "needs either [photos] or [phototour]"),
        ("task = 'sorting'", (), "recipe: task 'sorting': use 'retrieval' or 'patches'"),
    ],
)
def test_wrong_calls_are_refused_in_one_line(
    home: Path, recipe: str, options: tuple[str, ...], message: str
) -> None:
    (home / "my.toml").write_text(recipe)
    done = solar("train", "my.toml", *options, folder=home)
    assert done.returncode == 2 and message in done.stderr
    assert len(done.stderr.splitlines()) == 1 and not (home / "runs").exists()


def test_a_recipe_that_is_not_there(home: Path) -> None:
    done = solar("train", "other.toml", folder=home)
    assert done.returncode == 2 and "other.toml: no such file" in done.stderr


def test_a_local_recipe_trains_a_local_network(home: Path) -> None:
    (home / "my.toml").write_text(PATCHES)
    printed = succeed("train", "my.toml", "--device", "cpu", folder=home)
    assert re.search(r"epoch 1 of 1 done, .*: loss triplet .*, validation matching AP ", printed)
    assert "runs/my/model: solar match A.jpg B.jpg --descriptor runs/my/model" in printed
    assert (home / "runs/my/model/model.safetensors").exists()
