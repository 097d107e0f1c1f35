"""Distillation: a network from random initial weights learns to see as a teacher does.

On random crops, three things are matched: the whitened GeM descriptor, the feature map position by
position, and the similarities within a batch (Park et al., CVPR 2019). Student and teacher see the
same crop (Beyer et al., CVPR 2022); only the light differs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset

from solar.errors import UsageError
from solar.files.atomic import write_atomically
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.pooling import GeM
from solar.models.whitening import Whitening
from solar.training.distillation.crops import Photos, RandomCrops

Teacher = Callable[[Tensor], Tensor]
"""(B, 3, side, side) uint8 -> (B, C, h, w) float32, non-negative."""


@dataclass(frozen=True)
class Phase:
    """A stretch of the training.

    Attributes:
        crops: how many.
        side: of the student's input in pixels.
    """

    crops: int
    side: int


@dataclass(frozen=True)
class DistillationConfig:
    """All that a distillation depends on, beside the photos and the teacher.

    Attributes:
        phases: one after the other.
        teacher_side: of the teacher's input and of the crops, in pixels.
        batch: crops per step.
        learning_rate: AdamW's, at its plateau.
        weight_decay: AdamW's.
        warmup: crops over which the rate rises from 0.
        cooldown: last crops, over which it falls to 0.
        area: least and greatest share of a photo in a crop.
        jitter: relative change of light in what the student sees.
        whitened: dimensions of the teacher's whitened descriptor.
        statistics: crops from which the teacher's mean, spread and whitening are taken.
        seed: of everything random.
        workers: processes that decode photos.
        save_every: seconds between checkpoints.
    """

    phases: tuple[Phase, ...]
    teacher_side: int = 224
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    warmup: int = 16_000
    cooldown: int = 150_000
    area: tuple[float, float] = (0.2, 1.0)
    jitter: float = 0.3
    whitened: int = 256
    statistics: int = 4096
    seed: int = 0
    workers: int = 1
    save_every: float = 120.0

    @property
    def crops(self) -> int:
        """In all phases."""
        return sum(phase.crops for phase in self.phases)

    def side(self, seen: int) -> int:
        """The student's input after so many crops."""
        ends = accumulate(phase.crops for phase in self.phases)
        return next(p.side for p, end in zip(self.phases, ends, strict=True) if seen < end)

    def rate(self, seen: int) -> float:
        """Learning rate after so many crops: rise, plateau, straight fall."""
        rise, fall = seen / self.warmup, (self.crops - seen) / self.cooldown
        return self.learning_rate * min(1.0, rise, fall)


class Targets(nn.Module):
    """What the student must predict from its own features, and how far off it is.

    Args:
        student: channels of its last feature map.
        teacher: channels of the teacher's.
        whitened: dimensions of the teacher's descriptor.
    """

    mean: Tensor
    spread: Tensor
    centre: Tensor
    projection: Tensor

    def __init__(self, student: int, teacher: int, whitened: int) -> None:
        super().__init__()
        self.to_map = nn.Conv2d(student, teacher, 1)
        self.to_descriptor = nn.Sequential(
            nn.BatchNorm1d(student, affine=False), nn.Linear(student, whitened)
        )
        self.teacher_pool = GeM().requires_grad_(False)
        self.register_buffer("mean", torch.zeros(teacher, 1, 1))
        self.register_buffer("spread", torch.ones(teacher, 1, 1))
        self.register_buffer("centre", torch.zeros(teacher))
        self.register_buffer("projection", torch.zeros(whitened, teacher))

    def fit(self, maps: Iterator[Tensor]) -> None:
        """Take the teacher's mean, spread and PCA whitening from batches of its maps."""
        pooled, sums, squares, count = [], torch.zeros(()), torch.zeros(()), 0
        for batch in maps:
            pooled.append(F.normalize(self.teacher_pool(batch), dim=1))
            sums = sums + batch.double().sum((0, 2, 3))
            squares = squares + batch.double().square().sum((0, 2, 3))
            count += batch.numel() // batch.shape[1]
        mean = sums / count
        variance = squares / count - mean.square()
        self.mean.copy_(mean[:, None, None])
        self.spread.copy_(variance.clamp(min=1e-6).sqrt()[:, None, None])
        whitening = Whitening.pca(torch.cat(pooled).cpu().numpy()).reduced(len(self.projection))
        self.centre.copy_(torch.from_numpy(whitening.mean))
        self.projection.copy_(torch.from_numpy(whitening.projection))

    def forward(self, features: Tensor, pooled: Tensor, teacher: Tensor) -> dict[str, Tensor]:
        """The three losses.

        Args:
            features: (B, C, h, w), the student's last map.
            pooled: (B, C), the student's unit pooled descriptor.
            teacher: (B, C', h', w'), the teacher's map of the same crops.
        """
        wanted = F.normalize(self.teacher_pool(teacher), dim=1)
        wanted = F.normalize((wanted - self.centre) @ self.projection.T, dim=1)
        maps = F.interpolate(
            (teacher - self.mean) / self.spread,
            features.shape[-2:],
            mode="bilinear",
            align_corners=False,
        )
        centred = F.normalize(pooled - pooled.mean(0), dim=1)
        return {
            "descriptor": 1 - F.cosine_similarity(self.to_descriptor(pooled), wanted).mean(),
            "map": 1 - F.cosine_similarity(self.to_map(features).float(), maps).mean(),
            "relations": F.mse_loss(centred @ centred.T, wanted @ wanted.T) * 10,
        }


def distill(
    student: GlobalDescriptor,
    teacher: Teacher,
    photos: list[Photos],
    config: DistillationConfig,
    folder: Path,
    report: Callable[[dict[str, Any]], None],
    start: Path | None = None,
) -> None:
    """Train the student's stages and pooling; resume where the folder's checkpoint stands.

    Args:
        student: any global network; trained in place, attention blocks too if it has any.
        teacher: photos to feature maps.
        photos: what crops are taken from.
        config: everything else.
        folder: of the checkpoint `state.pt` and of the log `log.jsonl`.
        report: called after every tenth step with what the log holds.
        start: checkpoint of an earlier distillation that a new run takes its weights from;
            attention blocks that it lacks start fresh, which is the identity.

    Raises:
        UsageError: the folder holds a run that has already gone beyond what the config allows, or
            the start is of another network.
    """
    folder.mkdir(parents=True, exist_ok=True)
    crops = RandomCrops(
        photos, config.crops, config.seed, config.teacher_side, config.area, config.jitter
    )
    channels = teacher(torch.stack([crops[0][0]])).shape[1]
    targets = Targets(student.channels, channels, config.whitened)
    targets.to(student.device)
    modules = nn.ModuleDict({"student": student, "targets": targets})
    optimizer = torch.optim.AdamW(
        [p for p in modules.parameters() if p.requires_grad],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
    )
    seen = _resume(folder / "state.pt", modules, optimizer, config)
    if seen == 0 and start is not None:
        _take_over(start, modules)
    elif seen == 0:
        first = RandomCrops(
            photos, config.statistics, config.seed + 1, config.teacher_side, config.area, 0.0
        )
        targets.fit(teacher(clean) for clean, _ in DataLoader(first, config.batch))
    student.to(memory_format=torch.channels_last).train()
    _loop(modules, teacher, optimizer, crops, config, seen, folder, report)


def _loop(
    modules: nn.ModuleDict,
    teacher: Teacher,
    optimizer: torch.optim.Optimizer,
    crops: RandomCrops,
    config: DistillationConfig,
    seen: int,
    folder: Path,
    report: Callable[[dict[str, Any]], None],
) -> None:
    student, targets = modules["student"], modules["targets"]
    assert isinstance(student, GlobalDescriptor)  # noqa: S101 - narrows the type
    rest = Subset(crops, range(seen, config.crops))
    loader = DataLoader(rest, config.batch, num_workers=config.workers, drop_last=True)
    started, saved, first = time.monotonic(), time.monotonic(), seen
    with (folder / "log.jsonl").open("a") as log:
        for step, (clean, lit) in enumerate(loader):
            for group in optimizer.param_groups:
                group["lr"] = config.rate(seen)
            losses = _step(student, targets, optimizer, teacher(clean), lit, config.side(seen))
            seen += len(clean)
            now = time.monotonic()
            if step % 10 == 9:
                speed = (seen - first) / (now - started)
                line = {"crops": seen, "of": config.crops, **losses, "rate": config.rate(seen)}
                line |= {"crops_per_second": speed, "remaining_s": (config.crops - seen) / speed}
                log.write(json.dumps(line) + "\n")
                log.flush()
                report(line)
            if now - saved > config.save_every:
                _save(folder / "state.pt", modules, optimizer, seen, config)
                saved = now
    _save(folder / "state.pt", modules, optimizer, seen, config)


def _step(
    student: GlobalDescriptor,
    targets: nn.Module,
    optimizer: torch.optim.Optimizer,
    teacher_maps: Tensor,
    lit: Tensor,
    side: int,
) -> dict[str, float]:
    """One step of the optimiser; returns the losses."""
    device = student.device
    mean, std = (
        torch.tensor(values, device=device)[:, None, None] for values in (student.mean, student.std)
    )
    images = (lit.to(device).float() / 255 - mean) / std
    images = F.interpolate(images, (side, side), mode="bilinear", antialias=True)
    images = images.contiguous(memory_format=torch.channels_last)
    with torch.autocast(device.type, torch.bfloat16):
        features = student.features(images)
        pooled = F.normalize(student.pool(features), dim=1)
        losses = targets(features, pooled, teacher_maps.to(device))
    total = torch.stack(list(losses.values())).sum()
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(total)
    nn.utils.clip_grad_norm_(student.parameters(), 5.0)
    optimizer.step()
    values = {name: loss.item() for name, loss in losses.items()}
    if not np.isfinite(sum(values.values())):
        raise FloatingPointError(f"the loss is no longer finite: {values}")
    return values


def _save(
    path: Path,
    modules: nn.ModuleDict,
    optimizer: torch.optim.Optimizer,
    seen: int,
    config: DistillationConfig,
) -> None:
    state = {"modules": modules.state_dict(), "optimizer": optimizer.state_dict(), "seen": seen}
    with write_atomically(path) as file:
        torch.save({**state, "config": asdict(config)}, file)


def _resume(
    path: Path, modules: nn.ModuleDict, optimizer: torch.optim.Optimizer, config: DistillationConfig
) -> int:
    """Crops already seen: 0 for a new run."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    if state["seen"] > config.crops:
        raise UsageError(f"{path}: has already seen {state['seen']} of {config.crops} crops")
    modules.load_state_dict(state["modules"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["seen"])


def _take_over(start: Path, modules: nn.ModuleDict) -> None:
    """Weights of student and targets from another run; attention that it lacks stays fresh."""
    wrong = f"{start}: not a distillation of this student and teacher"
    weights = torch.load(start, weights_only=True, map_location="cpu")["modules"]
    try:
        missing, unexpected = modules.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise UsageError(wrong) from error
    if unexpected or not all(key.startswith("student.attention.") for key in missing):
        raise UsageError(wrong)
