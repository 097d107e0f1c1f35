"""The training loop: what changes and what does not, exact resume, the best epoch."""

from __future__ import annotations

import errno
import io
import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import pytest
import torch

from solar.errors import CheckpointError, SolarError, UsageError
from solar.files import write_atomically
from solar.models.checkpoints import load, save
from solar.models.config import GlobalConfig
from solar.models.global_descriptor import GlobalDescriptor
from solar.training.retrieval.recipe import Optimisation, RetrievalRecipe
from solar.training.retrieval.start import build_optimizer, starting_model
from solar.training.run.folder import RunFolder
from solar.training.run.processes import Processes
from solar.training.run.run import Run
from solar.training.run.task import Watcher
from solar.training.train import train
from tests.training.small import begun, log_of, small_recipe, trained

FROZEN = ("stages.conv1.", "stages.conv2_x.", "stages.conv3_x.", "stages.conv4_x.")


class Told(Watcher):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.seen: list[str] = []

    def progress(self, what: str, done: int, total: int) -> None:
        self.seen.append(what)

    def line(self, line: Any) -> None:
        self.lines.append(dict(line))


def few(recipe: RetrievalRecipe) -> RetrievalRecipe:
    """The recipe with one tuple an epoch from each entry of its photos."""
    return replace(recipe, photos=tuple(replace(each, queries=1) for each in recipe.photos))


Whole = tuple[RetrievalRecipe, Path, Told]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Whole:
    """A run from beginning to end."""
    folder, watcher = tmp_path_factory.mktemp("whole"), Told()
    recipe = small_recipe(folder, model_folder)
    train(recipe, folder / "run", device="cpu", watchers=[watcher])
    return recipe, folder / "run", watcher


@pytest.mark.slow
def test_what_is_frozen_stays_to_the_bit(whole: Whole) -> None:
    recipe, run, watcher = whole
    before = starting_model(recipe).state_dict()
    after = torch.load(run / "state.pt", weights_only=True)["modules"]
    for name, weights in before.items():
        statistic = name.endswith(("running_mean", "running_var", "num_batches_tracked"))
        assert torch.equal(after[name], weights) == (name.startswith(FROZEN) or statistic), name
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert watcher.lines == log and {"pool", "validation"} <= set(watcher.seen)
    events = [line["event"] for line in log]
    assert events == ["start", *(["mined"] + ["step"] * 4 + ["epoch"]) * 2]
    assert (log[0]["photos"], log[0]["places"], log[0]["alone"]) == (14, 9, 1)
    assert log[1]["tuples"] == 7 and log[1]["unreadable"] == []
    assert log[2]["triplet"] > 0 and log[2]["second_order"] > 0 and log[2]["p"] is not None


@pytest.mark.slow
def test_all_stages_are_trained_if_nothing_is_frozen(tmp_path: Path, model_folder: Path) -> None:
    recipe = small_recipe(tmp_path, model_folder, model={"freeze": "nothing"})
    recipe = replace(recipe, validation=None, optimiser=replace(recipe.optimiser, epochs=1))
    before = dict(starting_model(recipe).named_parameters())
    after = dict(trained(recipe, tmp_path / "run").named_parameters())
    assert not any(torch.equal(after[name], weights) for name, weights in before.items())


def test_groups_and_rates(tmp_path: Path, model_folder: Path) -> None:
    settings = Optimisation(learning_rate=1e-3, decay=0.5, weight_decay=0.1, attention_rate=3.0)
    model = starting_model(small_recipe(tmp_path, model_folder))
    optimizer = build_optimizer(model, settings)
    for epoch in (0, 1, 4):
        assert settings.rate(epoch) == pytest.approx(1e-3 * math.exp(-0.5 * epoch))
        groups = {
            name: (group["factor"], group["weight_decay"])
            for group in optimizer.param_groups
            for name, p in model.named_parameters()
            if any(p is other for other in group["params"])
        }
        assert groups.pop("pool.p") == (pytest.approx(100), 0.0)
        for name, found in groups.items():
            assert found == (pytest.approx(3 if name.startswith("attention.") else 1), 0.1), name
    assert set(groups) | {"pool.p"} == {n for n, p in model.named_parameters() if p.requires_grad}
    assert not any(name.startswith(FROZEN) for name in groups)


def test_only_p_of_a_pooling_by_regions_is_trained_apart() -> None:
    settings = Optimisation(learning_rate=1e-3, weight_decay=0.1)
    for pooling in ("gem", "mac"):
        model = GlobalDescriptor(GlobalConfig("resnet18", (), pooling, regional=True))
        named = {id(p): name for name, p in model.named_parameters()}
        groups = build_optimizer(model, settings).param_groups
        found = {named[id(p)]: group["factor"] for group in groups for p in group["params"]}
        assert [n for n, f in found.items() if f == 100] == ["pool.pool.p"] * (pooling == "gem")
        assert found["pool.whiten.weight"] == 1


def test_stages_have_rates_by_their_names(tmp_path: Path, model_folder: Path) -> None:
    rates = {"conv5_x": 0.1, "4": 0.0}
    recipe = small_recipe(
        tmp_path, model_folder, model={"freeze": "nothing"}, optimiser={"rates": rates}
    )
    model = starting_model(recipe)
    groups = build_optimizer(model, recipe.optimiser).param_groups
    found = {id(p): group["factor"] for group in groups for p in group["params"]}
    named = {"stages.conv5_x.": 0.1, "stages.conv4_x.": 0.0, "pool.": 100.0}
    for name, p in model.named_parameters():
        wanted = [factor for start, factor in named.items() if name.startswith(start)]
        assert found[id(p)] == (wanted or [1.0])[0], name
    with pytest.raises(UsageError, match=r"\[optimiser\] rates: no stage 'conv6_x': use one of"):
        build_optimizer(model, replace(recipe.optimiser, rates={"conv6_x": 1.0}))
    with pytest.raises(UsageError, match="must not be negative"):
        replace(recipe.optimiser, rates={"conv5_x": -1.0})


def test_a_fresh_attention_block_changes_nothing_before_it_is_trained(
    tmp_path: Path, model_folder: Path
) -> None:
    recipe = small_recipe(tmp_path, model_folder, model={"freeze": "conv5_x"})
    images = torch.randn(2, 3, 64, 64)
    torch.manual_seed(0)
    start = GlobalDescriptor(GlobalConfig("resnet18", (), whitening=8))
    save(start, tmp_path / "plain")
    recipe = replace(recipe, model=replace(recipe.model, start=str(tmp_path / "plain")))
    assert recipe.model.attention == ("conv4_x", "conv5_x")
    # to rounding: the layers after a block see another memory format
    torch.testing.assert_close(starting_model(recipe)(images), start.eval()(images))
    trained = {
        n.split(".")[0] for n, p in starting_model(recipe).named_parameters() if p.requires_grad
    }
    assert trained == {"attention", "pool", "whiten"}


def interrupted(
    recipe: RetrievalRecipe, run: Path, patch: pytest.MonkeyPatch, stop: Callable[[Any, Any], bool]
) -> None:
    """Train until `stop`, told the state that is about to be saved, ends it like Ctrl-C."""
    save = RunFolder.save

    def told(self: RunFolder, state: Any) -> None:
        if stop(self, state):
            raise KeyboardInterrupt
        save(self, state)

    patch.setattr(RunFolder, "save", told)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, run, device="cpu")
    patch.setattr(RunFolder, "save", save)


@pytest.mark.slow
@pytest.mark.parametrize("at", [(0, 2), (1, 0), (2, 0)])
def test_a_run_stopped_anywhere_goes_on_exactly(
    tmp_path: Path, whole: Whole, monkeypatch: pytest.MonkeyPatch, at: tuple[int, int]
) -> None:
    # (1, 0) and (2, 0): the best weights are there, the checkpoint that names them is not
    monkeypatch.setattr("solar.training.run.run.SAVE_EVERY", 0.0 if at[1] else 999.0)
    recipe, finished, _ = whole
    run = tmp_path / "cut"
    interrupted(recipe, run, monkeypatch, lambda _, state: (state["epoch"], state["step"]) == at)
    state = torch.load(run / "state.pt", weights_only=True)
    assert (run / "log.jsonl").stat().st_size > state["log"] and not (run / "model").exists()
    train(recipe, run, resume=True, device="cpu")
    assert log_of(run) == log_of(finished)
    assert load(run / "model").fingerprint == load(finished / "model").fingerprint
    assert len(list(run.glob("best-*.pt"))) == 1


@pytest.mark.slow
def test_a_run_stopped_before_its_first_checkpoint_begins_anew(
    tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = few(replace(small_recipe(tmp_path, model_folder), validation=None))
    interrupted(recipe, tmp_path / "run", monkeypatch, lambda *_: True)
    with pytest.raises(UsageError, match="holds no checkpoint to resume; leave --resume out"):
        train(recipe, tmp_path / "run", resume=True)
    train(recipe, tmp_path / "run")
    assert [line["event"] for line in log_of(tmp_path / "run")].count("start") == 1


@pytest.mark.slow
def test_the_best_epoch_is_kept(
    tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = few(small_recipe(tmp_path, model_folder, optimiser={"epochs": 4, "tuples": 100}))
    states, scores = [], iter([0.1, 0.2, 0.7, 0.3, 0.4])  # before training, then by epoch

    def validate(model: torch.nn.Module, *_: Any) -> float:
        states.append({name: weights.clone() for name, weights in model.state_dict().items()})
        return next(scores)

    monkeypatch.setattr("solar.training.retrieval.task.validate", validate)
    best = trained(recipe, tmp_path / "run").state_dict()
    equal = [all(torch.equal(state[name], best[name]) for name in best) for state in states]
    assert equal == [False, False, True, False, False]
    epochs = [line for line in log_of(tmp_path / "run") if line["event"] == "epoch"]
    assert [line["best_epoch"] for line in epochs] == [1, 2, 2, 2]
    scores = iter([0.9, 0.2, 0.7, 0.3, 0.4])  # a training that only hurts
    report = train(recipe, tmp_path / "hurt", device="cpu")
    kept = load(report.model).state_dict()
    assert all(torch.equal(states[0][name], kept[name]) for name in kept)
    assert (report.best_epoch, report.figures["map"]) == (0, 0.9)


@pytest.mark.slow
def test_max_steps_end_a_run_within_an_epoch(tmp_path: Path, model_folder: Path) -> None:
    recipe = small_recipe(tmp_path, model_folder, optimiser={"max_steps": 5, "epochs": 9})
    train(recipe, tmp_path / "run", device="cpu")
    log = log_of(tmp_path / "run")
    steps = [(line["epoch"], line["step"], line["of"]) for line in log if line["event"] == "step"]
    assert steps == [(1, 1, 4), (1, 2, 4), (1, 3, 4), (1, 4, 4), (2, 1, 1)]
    epochs = [line for line in log if line["event"] == "epoch"]
    assert [line["epoch"] for line in epochs] == [1, 2] and "map" in epochs[-1]
    first = [line["triplet"] for line in log if line["event"] == "step"][:4]
    assert epochs[0]["losses"]["triplet"] == pytest.approx(sum(first) / 4)


@pytest.mark.slow
def test_a_full_disk_is_one_line_that_says_what_is_kept(
    tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, room, writes = small_recipe(tmp_path, model_folder), 0, iter(range(99))

    class Full(io.BytesIO):
        def write(self, _: Any) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @contextmanager
    def full(path: Path) -> Iterator[IO[bytes]]:
        with write_atomically(path) as file:
            yield file if next(writes) < room else Full()

    monkeypatch.setattr("solar.training.run.folder.write_atomically", full)
    monkeypatch.setattr("solar.training.run.run.SAVE_EVERY", 0.0)
    for count, kept in (
        (0, "start anew"),
        (1, "start anew"),
        (3, "--resume, from epoch 1, step 1"),
    ):
        room, writes = count, iter(range(99))
        with pytest.raises(SolarError, match="No space left on device") as refused:
            train(recipe, tmp_path / "run", device="cpu")
        assert str(refused.value).startswith(f"{tmp_path / 'run'}: cannot be written")
        assert kept in str(refused.value) and "\n" not in str(refused.value)
        assert not list((tmp_path / "run").glob("*partial"))
    monkeypatch.undo()
    report = train(recipe, tmp_path / "run", device="cpu", resume=True)
    assert report.model.exists()
    assert log_of(tmp_path / "run")[-1]["event"] == "epoch"


@pytest.mark.slow
def test_validation_now_and_then_and_never(
    tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("solar.training.retrieval.task.validate", lambda *_: 0.0)
    optimiser = {"epochs": 3, "tuples": 100}
    recipe = few(small_recipe(tmp_path, model_folder, optimiser=optimiser, validation={"every": 2}))
    train(recipe, tmp_path / "run")
    epochs = [line for line in log_of(tmp_path / "run") if line["event"] == "epoch"]
    assert ["map" in line for line in epochs] == [False, True, True]
    assert [line["best_epoch"] for line in epochs][1:] == [2, 3]
    settings = replace(recipe.optimiser, epochs=2)
    last = trained(replace(recipe, validation=None, optimiser=settings), tmp_path / "none")
    epochs = [line for line in log_of(tmp_path / "none") if line["event"] == "epoch"]
    assert [line["best_epoch"] for line in epochs] == [1, 2]
    state = torch.load(tmp_path / "none/state.pt", weights_only=True)["modules"]
    kept = last.state_dict()
    assert all(torch.equal(kept[name], state[name]) for name in kept)


@pytest.mark.slow
def test_a_folder_that_holds_a_run_is_left_alone(whole: Whole, tmp_path: Path) -> None:
    recipe, run, _ = whole
    log = (run / "log.jsonl").read_bytes()
    with pytest.raises(UsageError, match="holds a run; --resume goes on with it, or choose"):
        train(recipe, run)
    (run / "state.pt").rename(tmp_path / "state.pt")
    with pytest.raises(UsageError, match="holds a run"):
        train(recipe, run)
    (tmp_path / "state.pt").rename(run / "state.pt")
    again = train(recipe, run, resume=True)  # nothing is left to do
    assert again.already_finished
    assert json.loads(json.dumps(again.to_json()))["model"] == str(run / "model")
    other = replace(recipe, optimiser=replace(recipe.optimiser, epochs=3, workers=5, decay=0.5))
    odd = r"recipe: optimiser decay was 0\.01, is 0\.5, optimiser epochs was 2, is 3; set it"
    with pytest.raises(UsageError, match=odd):
        train(other, run, resume=True)
    other = replace(recipe, photos=(recipe.photos[0], replace(recipe.photos[1], pool=9)))
    with pytest.raises(UsageError, match="another recipe: photos 2 pool was 4, is 9; set it"):
        train(other, run, resume=True)
    assert (run / "log.jsonl").read_bytes() == log
    torch.save({"weights": torch.zeros(3)}, tmp_path / "other.pt")
    for damage in (b"", b"none", (tmp_path / "other.pt").read_bytes()):
        (run / "state.pt").write_bytes(damage)
        with pytest.raises(CheckpointError, match=r"state\.pt: not a checkpoint of a training"):
            train(recipe, run, resume=True)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_photo_that_vanishes_after_mining_is_named_in_one_line(
    tmp_path: Path, model_folder: Path, workers: int
) -> None:
    recipe = small_recipe(tmp_path, model_folder, optimiser={"workers": workers, "epochs": 1})
    task = begun(recipe)
    task.open_epoch(0)
    photo = task.photos.path(int(task.tuples.photos[0, 0]))
    photo.unlink()
    with pytest.raises(SolarError) as error:
        next(iter(task.batches(0, 0)))
    assert str(error.value) == (
        f"{photo}: no such file: it was there for mining; put it back, then --resume"
    )


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path, model_folder: Path) -> None:
    recipe = small_recipe(tmp_path, model_folder)
    task = begun(recipe)
    run = Run(task, RunFolder(tmp_path / "run", recipe, resume=False), Processes())
    task.open_epoch(0)
    with torch.no_grad():
        task.model.whiten.get_parameter("bias").fill_(torch.inf)
    with pytest.raises(SolarError, match=r"epoch 1, step 1: the loss is no longer finite: .*lower"):
        next(run.steps())
    assert run.step == 0
