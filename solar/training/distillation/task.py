"""Distillation: a network from random initial weights learns to see as a teacher does.

Student and teacher see the same random crop (Beyer et al., CVPR 2022); only the light differs.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from solar.errors import UsageError
from solar.models.attention import SecondOrderAttention
from solar.models.config import Provenance
from solar.models.device import autocast, choose_precision
from solar.models.global_descriptor import GlobalDescriptor
from solar.photos import find_photos
from solar.training.distillation.crops import Photos, RandomCrops
from solar.training.distillation.losses import Targets
from solar.training.distillation.recipe import DistillationRecipe
from solar.training.pixels import normalised
from solar.training.run.processes import Processes
from solar.training.run.shared_layers import share_layers
from solar.training.run.task import Line, Progress, Task

STEEPEST = 5.0  # norm of the student's gradient in a step

Batch = tuple[Tensor, Tensor, int]
"""Crops (share, 3, side, side) uint8, the same in another light, and the student's side."""


class DistillationTask(Task):
    """A global network's stages and pooling from a teacher's maps.

    Args:
        recipe: everything that the result depends on.
        processes: this process among all.
        progress: told how far the statistics of the teacher are.

    Raises:
        UsageError: there is no teacher, the photos or the number of processes do not allow it, or
            the start is of another network.
    """

    def __init__(
        self, recipe: DistillationRecipe, processes: Processes, progress: Progress
    ) -> None:
        if recipe.teacher is None:
            way_out = "call solar.train with one, as recipes/solar-r18/distill.py does"
            raise UsageError(f"a distillation needs a teacher, which no file can name: {way_out}")
        self.recipe, self.settings, self.teacher = recipe, recipe.distillation, recipe.teacher
        self.processes, self.progress = processes, progress
        if self.settings.batch < processes.count:
            few = f"too few for {processes.count} processes"
            raise UsageError(f"[distillation] batch {self.settings.batch}: {few}")
        self.photos = _photos(recipe)
        self.crops = self._crops(self.settings.crops, self.settings.seed, self.settings.jitter)
        channels = self.teacher(torch.stack([self.crops[0][0]])).shape[1]
        torch.manual_seed(self.settings.seed)
        self.student = GlobalDescriptor(recipe.model)
        student = self.student
        self.targets = Targets(student.channels, channels, self.settings.whitened, student.pooled)
        modules = nn.ModuleDict({"student": self.student, "targets": self.targets})
        self.modules = modules.to(processes.device)
        self.student.to(memory_format=torch.channels_last)
        share_layers(self.modules, processes, self.settings.batch)
        self.optimizer = torch.optim.AdamW(
            [p for p in modules.parameters() if p.requires_grad],
            lr=self.settings.learning_rate,
            weight_decay=self.settings.weight_decay,
        )
        self.starts = self.settings.starts()
        self.epochs = len(self.settings.phases)

    def begin(self) -> Line:
        """Take over the weights of the start, or the teacher's statistics."""
        settings = self.settings
        if settings.start is not None:
            _take_over(self.recipe.base / settings.start, self.modules)
            return {"photos": len(self.crops.paths), "start": settings.start}
        plain = self._crops(settings.statistics, settings.seed + 1, 0.0)
        self.targets.fit(
            self.teacher(clean).to(self.processes.device) for clean, _ in self._told(plain)
        )
        return {"photos": len(self.crops.paths)}

    def steps(self, epoch: int) -> int:
        """Batches of the phase."""
        return self.starts[epoch + 1] - self.starts[epoch]

    def batches(self, epoch: int, first: int) -> Iterable[Batch]:
        """This process's crops of each step."""
        steps = range(self.starts[epoch] + first, self.starts[epoch + 1])
        count, own = self.settings.batch, self.processes.share(self.settings.batch)
        loader = DataLoader(
            self.crops,
            batch_sampler=[list(range(s * count, (s + 1) * count)[own]) for s in steps],
            num_workers=self.settings.workers,
        )
        for clean, lit in loader:
            yield clean, lit, self.settings.phases[epoch].side

    def rate(self, epoch: int, step: int) -> float:
        """That of the crops seen before."""
        return self.settings.rate((self.starts[epoch] + step) * self.settings.batch)

    def backward(self, batch: Batch) -> dict[str, float]:
        """The losses of `Targets` on the crops of all processes."""
        clean, lit, side = batch
        device = self.processes.device
        images = normalised(lit.to(device), self.student)
        images = F.interpolate(images, (side, side), mode="bilinear", antialias=True)
        images = images.contiguous(memory_format=torch.channels_last)
        wanted = self.teacher(clean).to(device)
        self.student.train()
        with autocast(device, choose_precision(self.settings.precision, device)):
            features = self.student.features(images)
            pooled = F.normalize(self.student.pool(features), dim=1)
            losses = self.targets(features, pooled, wanted, self.processes, self.settings.batch)
        torch.autograd.backward(torch.stack(list(losses.values())).sum())
        self.processes.sum_gradients(self.modules.parameters())
        nn.utils.clip_grad_norm_(self.student.parameters(), STEEPEST)
        return {name: loss.item() for name, loss in losses.items()}

    def result(self) -> GlobalDescriptor:
        """The student, without whitening."""
        trained_on = f"random crops of {', '.join(self.recipe.photos)}, guided by a teacher"
        self.student.provenance = Provenance(trained_on, "solar.train")
        return self.student.eval()

    def _crops(self, count: int, seed: int, jitter: float) -> RandomCrops:
        settings = self.settings
        return RandomCrops(self.photos, count, seed, settings.teacher_side, settings.area, jitter)

    def _told(self, crops: RandomCrops) -> Iterable[tuple[Tensor, Tensor]]:
        loader: Iterable[tuple[Tensor, Tensor]] = DataLoader(crops, self.settings.batch)
        for number, batch in enumerate(loader, 1):
            yield batch
            self.progress("teacher", min(number * self.settings.batch, len(crops)), len(crops))


def _photos(recipe: DistillationRecipe) -> list[Photos]:
    photos = [Photos(find_photos(recipe.base / name), part) for name, part in recipe.photos.items()]
    for folder, name in zip(photos, recipe.photos, strict=True):
        if not folder.paths:
            raise UsageError(f"[photos] {name}: {recipe.base / name} holds no photo")
    return photos


def _take_over(start: Path, modules: nn.Module) -> None:
    """Weights of student and targets from another run; attention that it lacks stays fresh."""
    try:
        weights = torch.load(start, weights_only=True, map_location="cpu")["modules"]
        missing, unexpected = modules.load_state_dict(weights, strict=False)
    except OSError as error:
        raise UsageError(f"{start}: cannot be read ({error.strerror})") from error
    except (RuntimeError, KeyError) as error:
        raise UsageError(f"{start}: not a distillation of this student and teacher") from error
    named = modules.named_modules()
    fresh = tuple(f"{name}." for name, m in named if isinstance(m, SecondOrderAttention))
    if unexpected or not all(key.startswith(fresh) for key in missing):
        raise UsageError(f"{start}: not a distillation of this student and teacher")
