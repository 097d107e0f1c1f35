"""Distillation: it learns, and a killed run ends with the same weights as one that was not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from solar.errors import UsageError
from solar.models.checkpoints import load, save
from solar.models.config import GlobalConfig
from solar.models.global_descriptor import GlobalDescriptor
from solar.training.distillation.recipe import Distillation, DistillationRecipe, Phase
from solar.training.distillation.task import DistillationTask
from solar.training.run.processes import Processes
from solar.training.train import read_recipe, train
from tests.scenes import album
from tests.training.small import log_of

SMALL: dict[str, Any] = {
    "phases": [{"crops": 48, "side": 32}, {"crops": 48, "side": 64}],
    "kept_side": 64,
    "teacher_side": 64,
    "batch": 8,
    "warmup": 16,
    "cooldown": 48,
    "whitened": 4,
    "statistics": 32,
}


def teacher(photos: Tensor) -> list[Tensor]:
    """Two fixed views of the photos: colours of a grid, mixed and cut at zero."""
    maps = []
    for channels, grid in ((16, 8), (10, 16)):
        mix = torch.randn(channels, 3, generator=torch.Generator().manual_seed(channels))
        colours = torch.nn.functional.avg_pool2d(photos.float() / 255, grid)
        maps.append(torch.einsum("oc,bchw->bohw", mix, colours).clamp(min=0) + 0.01)
    return maps


def small(
    photos: Path, network: str = "resnet18", attention: tuple[str, ...] = (), **changed: Any
) -> DistillationRecipe:
    """A recipe of seconds, entries of its [distillation] changed."""
    tables = {
        "task": "distillation",
        "model": {"backbone": network, "attention": list(attention)},
        "photos": {photos.name: 1},
        "distillation": {**SMALL, **changed},
    }
    recipe = read_recipe(tables, photos.parent)
    assert isinstance(recipe, DistillationRecipe)
    return replace(recipe, teacher=teacher)


def distilled(folder: Path, photos: Path, **changed: Any) -> GlobalDescriptor:
    """A small distillation's student; goes on with the run that the folder holds."""
    resume = (folder / "state.pt").exists()
    return load(train(small(photos, **changed), folder, resume=resume, device="cpu").model)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    album(folder, 12)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills with SIGKILL")
def test_a_killed_run_resumes_to_the_same_weights_and_log(photos: Path, tmp_path: Path) -> None:
    whole = distilled(tmp_path / "whole", photos)
    program = (
        "import sys, torch; torch.set_num_threads(1)\n"
        "import solar.training.run.run as r; save = r.Run._save; r.SAVE_EVERY = 0\n"
        "def told(self): save(self) if self.done < 9 else None; print(self.done, flush=True)\n"
        "r.Run._save = told\n"
        "from pathlib import Path; from tests.training.distillation.test_task import distilled\n"
        "distilled(Path(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "cut"), str(photos)]
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) >= 10:  # beyond the last checkpoint
                os.kill(child.pid, signal.SIGKILL)
                break
    state = torch.load(tmp_path / "cut/state.pt", weights_only=True)
    assert (state["epoch"], state["step"], state["done"]) == (1, 2, 8)  # within the second phase
    resumed = distilled(tmp_path / "cut", photos)
    assert resumed.fingerprint == whole.fingerprint
    assert log_of(tmp_path / "cut") == log_of(tmp_path / "whole")


@pytest.mark.slow
def test_it_learns_and_logs(photos: Path, tmp_path: Path) -> None:
    student = distilled(tmp_path, photos, phases=[{"crops": 640, "side": 32}], cooldown=320)
    assert student.config.attention == () and "guided" in student.provenance.trained_on
    start, *lines, end = log_of(tmp_path)
    assert start["photos"] == 12 and end["event"] == "epoch" and len(lines) == 80
    for loss, share in (("descriptor", 0.8), ("map", 0.8), ("relations", 1.0)):
        first, last = (np.mean([line[loss] for line in part]) for part in (lines[:8], lines[-8:]))
        assert last < share * first


@pytest.mark.slow
def test_it_learns_from_descriptors_of_whole_photos(photos: Path, tmp_path: Path) -> None:
    """By `solar.train` of a file alone; the last photo has no descriptor and is left out."""
    paths = sorted(photos.iterdir())[:-1]
    rows = np.random.default_rng(0).normal(size=(11, 6)).astype(np.float32)
    np.savez(tmp_path / "t.npz", paths=np.array([str(path) for path in paths]), rows=rows)
    save(GlobalDescriptor(GlobalConfig("resnet18", (), whitening=4)), tmp_path / "model")
    changed: dict[str, Any] = {
        "targets": str(tmp_path / "t.npz"), "start": str(tmp_path / "model"),
        "phases": [{"crops": 320, "side": 32}], "cooldown": 160,
    }  # fmt: skip
    recipe = replace(small(photos, attention=("conv4_x",), **changed), teacher=None)
    student = load(train(recipe, tmp_path / "run", device="cpu").model)
    assert student.config.attention == ("conv4_x",) and student.config.whitening is None
    start, *lines, _ = log_of(tmp_path / "run")
    assert (start["photos"], start["without_targets"]) == (11, 1)
    assert start["start"] == str(tmp_path / "model")
    losses = [line["descriptor"] for line in lines]
    assert "map" not in lines[0] and np.mean(losses[-8:]) < 0.8 * np.mean(losses[:8])


def test_a_network_is_gone_on_with_as_it_is(photos: Path, tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = GlobalDescriptor(GlobalConfig("resnet18", (), whitening=4))
    save(model, tmp_path / "model")
    run = DistillationTask(
        small(photos, start=str(tmp_path / "model")), Processes(), lambda *_: None
    )
    run.begin()
    assert torch.equal(
        run.student.get_parameter("stages.conv1.0.weight"),
        model.get_parameter("stages.conv1.0.weight"),
    )
    save(GlobalDescriptor(GlobalConfig("resnet34", ())), tmp_path / "other")
    with pytest.raises(UsageError, match="other: not a model of this network"):
        train(small(photos, start=str(tmp_path / "other")), tmp_path / "new", device="cpu")


def test_descriptors_of_other_photos_are_refused(photos: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", paths=np.array(["else.jpg"]), rows=np.ones((1, 4), np.float32))
    recipe = small(photos, targets=str(tmp_path / "t.npz"))
    with pytest.raises(UsageError, match=r"t.npz: \[distillation\] targets: holds no photo of .*"):
        train(recipe, tmp_path / "run", device="cpu")


def test_the_rate_rises_stays_and_falls() -> None:
    settings = Distillation((Phase(48, 32), Phase(48, 64)), batch=8, warmup=16, cooldown=48)
    rates = [settings.rate(seen) for seen in range(0, 96, 8)]
    assert rates[0] == 0 and max(rates) == settings.learning_rate
    assert rates[2:7] == [settings.learning_rate] * 5
    assert rates[7:] == sorted(rates[7:], reverse=True) and settings.rate(96) == 0


@pytest.mark.parametrize(
    ("crops", "starts"),
    [
        ((48, 48), [0, 6, 12]),
        ((50, 46), [0, 7, 12]),
        ((3, 3, 10), [0, 1, 1, 2]),
        ((9, 3), [0, 1, 1]),
    ],
)
def test_a_batch_has_the_side_of_its_first_crop(crops: tuple[int, ...], starts: list[int]) -> None:
    assert Distillation(tuple(Phase(n, 32) for n in crops), batch=8).starts() == starts


def test_another_recipe_and_missing_things_are_refused(photos: Path, tmp_path: Path) -> None:
    distilled(tmp_path, photos, phases=[{"crops": 8, "side": 32}])
    with pytest.raises(UsageError, match="distillation phases 1 crops was 8, is 16; set it back"):
        distilled(tmp_path, photos, phases=[{"crops": 16, "side": 32}])
    with pytest.raises(UsageError, match=r"needs a teacher.*targets.*recipes/solar-r18/distill.py"):
        train(replace(small(photos), teacher=None), tmp_path / "new", device="cpu")
    one: Any = lambda photos: teacher(photos)[0]  # noqa: E731
    with pytest.raises(UsageError, match="teacher gives one tensor: let it give a list"):
        train(replace(small(photos), teacher=one), tmp_path / "new", device="cpu")
    with pytest.raises(UsageError, match=r"\[photos\] empty: .*empty holds no photo"):
        (tmp_path / "empty").mkdir()
        train(small(tmp_path / "empty"), tmp_path / "new", device="cpu")
    for odd, reason in (
        ({"phases": []}, r"\[distillation\]: needs \[\[phases\]\]"),
        ({"phases": [{"crops": 0, "side": 3}]}, "phases, number 1: crops is 0; choose 1 or more"),
        ({"area": [0.5]}, r"area \[0\.5\]: use two shares"),
        ({"batch": 512}, "the phases have 96 crops, a batch 512"),
        ({"warmup": 0}, "warmup is 0; choose 1 or more"),
        ({"statistics": 4}, "statistics of 4 crops cannot whiten to 4 dimensions: take more crops"),
    ):
        with pytest.raises(UsageError, match=reason):
            small(photos, **odd)


@pytest.mark.slow
def test_a_second_run_takes_weights_over_and_adds_attention(photos: Path, tmp_path: Path) -> None:
    first = distilled(tmp_path / "first", photos, phases=[{"crops": 16, "side": 32}])
    start = tmp_path / "first/state.pt"

    def second(rate: float, network: str = "resnet18", beside: str = str(start)) -> Path:
        once: dict[str, Any] = {"phases": [{"crops": 16, "side": 64}], "learning_rate": rate}
        attention = GlobalConfig().attention if network == "resnet18" else ()
        folder = tmp_path / f"second-{rate}"
        recipe = small(photos, network, attention, **once, seed=1, start=beside)
        train(recipe, folder, device="cpu")
        return folder

    still = load(second(0.0) / "model")
    for name, weights in first.named_parameters():
        assert torch.equal(weights, still.get_parameter(name)), name
    assert still.attention_is_identity(4) and still.attention_is_identity(5)
    before, after = (
        torch.load(path, weights_only=True)["modules"]["targets.networks.1.projection"]
        for path in (start, tmp_path / "second-0.0/state.pt")
    )
    assert torch.equal(before, after)
    moved = load(second(1e-3) / "model")
    assert not moved.attention_is_identity(4) and not moved.attention_is_identity(5)
    with pytest.raises(UsageError, match="not a distillation of this student"):
        second(0.5, "resnet34")
    with pytest.raises(UsageError, match=r"gone\.pt: cannot be read"):
        second(0.6, beside=str(tmp_path / "gone.pt"))
