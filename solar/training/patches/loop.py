"""Training of the local network: SOSNet's losses on two patches of each point of a batch.

Tian et al., SOSNet, CVPR 2019; with attention, Ng et al., ECCV 2020, section 4.2.
"""

from __future__ import annotations

import json
import math
import pickle
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from solar.errors import CheckpointError, SolarError, UsageError
from solar.evaluation.average_precision import ranked_average_precision
from solar.evaluation.patches.metrics import fpr95
from solar.features.patch_descriptor import of_network
from solar.files.atomic import write_atomically
from solar.matching.nearest import mutual_nearest
from solar.models.local_descriptor import LocalDescriptor
from solar.training.patches.data import IntArray, PointBatches, turned
from solar.training.patches.losses import hardest_triplet_loss, neighbour_sos_loss

Report = Callable[[dict[str, Any]], None]
STATE, LOG = "state.pt", "log.jsonl"
_SEEDS = 1_000_003  # apart, more than there are steps
_GROUP = 128  # points among which validation looks for matches


class PatchSource(Protocol):
    """Patches 32 x 32 and the points that they show."""

    @property
    def point_ids(self) -> IntArray:
        """(N,) the point of every patch."""
        ...

    def patches(self, numbers: IntArray) -> npt.NDArray[np.uint8]:
        """(len(numbers), 32, 32) patches by number."""
        ...


@dataclass(frozen=True)
class LocalTraining:
    """All that a training depends on, beside the network and the patches.

    Attributes:
        steps: batches.
        points: of a batch, two patches of each.
        learning_rate: Adam's, at its peak.
        warmup: steps over which the rate rises from 0; then it falls in a straight line to 0.
        margin: of the triplets, in distances.
        sos: weight of the second-order similarity.
        neighbours: of a point in the second-order similarity.
        turned: mirror and turn both patches of a pair alike, at random.
        bfloat16: compute the network in bfloat16 where that is safe.
        seed: of everything random.
        log_every: steps between lines of the log.
        validate_every: steps between validations.
        validation_points: at most so many.
        save_every: seconds between checkpoints.
    """

    steps: int
    points: int = 512
    learning_rate: float = 1e-2
    warmup: int = 0
    margin: float = 1.0
    sos: float = 1.0
    neighbours: int = 8
    turned: bool = True
    bfloat16: bool = True
    seed: int = 0
    log_every: int = 10
    validate_every: int = 200
    validation_points: int = 4096
    save_every: float = 60.0

    def __post_init__(self) -> None:
        for name in ("steps", "points", "neighbours", "log_every", "validate_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it starts at 1")
        for name in ("learning_rate", "margin", "sos", "warmup", "seed", "save_every"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(f"{name} is {getattr(self, name)}; it must not be negative")
        if self.warmup >= self.steps:
            raise UsageError(f"warmup is {self.warmup} of {self.steps} steps; make it shorter")

    def rate(self, step: int) -> float:
        """Learning rate of a step: rise, then a straight fall to 0."""
        rise = (step + 1) / (self.warmup + 1)
        return self.learning_rate * min(rise, (self.steps - step) / (self.steps - self.warmup))


def train_local(
    model: LocalDescriptor,
    source: PatchSource,
    validation: PatchSource,
    config: LocalTraining,
    folder: Path,
    report: Report,
) -> None:
    """Train a network in place; goes on where the folder's checkpoint stands.

    Args:
        model: any local network.
        source: patches to learn from.
        validation: patches of other photos.
        config: everything else.
        folder: of the checkpoint `state.pt` and of the log `log.jsonl`.
        report: called with every line of the log.

    Raises:
        CheckpointError: the checkpoint is not one of this training.
        SolarError: the loss is no longer finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    batches = PointBatches(source.point_ids, config.points, config.seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    step = _resume(folder, model, optimizer, config)
    model.to(memory_format=torch.channels_last)
    logged, saved = (step, time.monotonic()), time.monotonic()
    while step < config.steps:
        pairs = _pairs(source, batches, config, step)
        losses = _step(model, optimizer, *pairs, config, step)
        step, last = step + 1, step + 1 == config.steps
        if step % config.log_every == 0 or last:
            speed = (step - logged[0]) * config.points / (time.monotonic() - logged[1])
            line = {"step": step, "of": config.steps, **losses, "rate": config.rate(step - 1)}
            line["pairs_per_second"] = round(speed, 1)
            if step % config.validate_every == 0 or last:
                line |= validate(model, validation, config.validation_points)
            with (folder / LOG).open("a") as log:
                log.write(json.dumps(line) + "\n")
            report(line)
            logged = (step, time.monotonic())
        if time.monotonic() - saved > config.save_every or last:
            _save(folder, model, optimizer, config, step)
            saved = time.monotonic()
    model.eval()


def _pairs(
    source: PatchSource, batches: PointBatches, config: LocalTraining, step: int
) -> tuple[Tensor, Tensor]:
    """Two patches (points, 1, 32, 32) of each point, uint8."""
    first, second = (torch.from_numpy(source.patches(n))[:, None] for n in batches.draw(step))
    if config.turned:
        generator = torch.Generator().manual_seed(config.seed * _SEEDS + step)
        first, second = turned(first, second, generator)
    return first, second


def _step(
    model: LocalDescriptor,
    optimizer: torch.optim.Optimizer,
    first: Tensor,
    second: Tensor,
    config: LocalTraining,
    step: int,
) -> dict[str, float]:
    """One step of the optimiser; returns the losses."""
    for group in optimizer.param_groups:
        group["lr"] = config.rate(step)
    patches = torch.cat([first, second]).float().contiguous(memory_format=torch.channels_last)
    model.train()
    torch.manual_seed(config.seed * _SEEDS + step)  # of dropout, so that a resumed run is exact
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
        a, b = model(patches).chunk(2)
    triplet = hardest_triplet_loss(a, b, config.margin)
    similarity = neighbour_sos_loss(a, b, config.neighbours)
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(triplet + config.sos * similarity)
    optimizer.step()
    losses = {"triplet": triplet.item(), "sos": similarity.item()}
    if not np.isfinite(sum(losses.values())):
        raise SolarError(f"the loss is no longer finite ({losses}): lower the learning rate")
    return losses


def validate(model: LocalDescriptor, source: PatchSource, points: int) -> dict[str, float]:
    """How well a network tells points apart.

    Args:
        model: any local network; left in evaluation mode.
        source: patches that it was not trained on.
        points: at most so many.

    Returns:
        `fpr95`, the false positive rate at 95 % recall, negatives being the first patch of each
        point with the second of the next; `ap`, the average precision of mutual nearest
        neighbours among 128 points that follow one another, so of one photo mostly.
    """
    model.eval()
    order = np.argsort(source.point_ids, kind="stable")
    ids = source.point_ids[order]
    _, starts, counts = np.unique(ids, return_index=True, return_counts=True)
    rows = starts[counts >= 2][:points]
    descriptor = of_network(model)
    a, b = (descriptor.of_patches(source.patches(order[n])) for n in (rows, rows + 1))
    matching = np.linalg.norm(a - b, axis=1)
    others = np.linalg.norm(a - np.roll(b, 1, axis=0), axis=1)
    found, correct = [], []
    for start in range(0, len(a), _GROUP):
        matches = mutual_nearest(a[start : start + _GROUP], b[start : start + _GROUP])
        found.append(matches.distance)
        correct.append(matches.first == matches.second)
    ap = ranked_average_precision(np.concatenate(found), np.concatenate(correct), len(a))
    return {"fpr95": fpr95(matching, others), "ap": ap}


def _save(
    folder: Path,
    model: LocalDescriptor,
    optimizer: torch.optim.Optimizer,
    config: LocalTraining,
    step: int,
) -> None:
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
    with write_atomically(folder / STATE) as file:
        torch.save({**state, "config": _identity(model, config)}, file)


def _resume(
    folder: Path, model: LocalDescriptor, optimizer: torch.optim.Optimizer, config: LocalTraining
) -> int:
    """Steps already made, 0 for a new run; the log then ends at that step."""
    path = folder / STATE
    if not path.exists():
        (folder / LOG).unlink(missing_ok=True)
        return 0
    try:
        state = torch.load(path, weights_only=True)
        step, made_with = int(state["step"]), dict(state["config"])
    except (OSError, RuntimeError, pickle.UnpicklingError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: not a checkpoint of this training ({error})") from error
    for key, value in _identity(model, config).items():
        if made_with.get(key) != value:
            was = made_with.get(key)
            raise CheckpointError(
                f"{path}: was made with {key} = {was}, not {value}; train to another folder"
            )
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    _cut_log(folder / LOG, step)
    return step


def _identity(model: LocalDescriptor, config: LocalTraining) -> dict[str, Any]:
    """What must be equal for a run to go on; how often it reports and saves may change."""
    free = {"log_every", "validate_every", "validation_points", "save_every"}
    values = {key: value for key, value in asdict(config).items() if key not in free}
    return {"attention": list(model.config.attention), **values}


def _cut_log(path: Path, step: int) -> None:
    """Drop the lines of steps that were made after the last checkpoint and then lost."""
    if not path.exists():
        return
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if line.endswith(b"\n") and json.loads(line)["step"] <= step]
    with write_atomically(path) as file:
        file.write(b"".join(kept))
