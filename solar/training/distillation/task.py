"""Distillation: a network learns to see as a teacher does, or to describe as others have.

Student and teacher see the same random crop (Beyer et al., CVPR 2022) in another light; and the
student sees it once more as another visitor would. Descriptors that were made before are of the
whole photo: the student finds them in a part of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from solar.errors import UsageError
from solar.models.attention import SecondOrderAttention
from solar.models.checkpoints import load
from solar.models.config import Provenance
from solar.models.device import autocast, choose_precision
from solar.models.global_descriptor import GlobalDescriptor
from solar.photos import find_photos
from solar.training.distillation.photos import keep_photos
from solar.training.distillation.recipe import DistillationRecipe
from solar.training.distillation.sources import (
    ByDescriptors,
    ByTeacher,
    Folders,
    with_descriptors,
)
from solar.training.distillation.views import Drawn, covered, cut, draw, relit
from solar.training.pixels import normalised
from solar.training.run.processes import Processes
from solar.training.run.shared_layers import share_layers
from solar.training.run.task import Line, Progress, Task

STEEPEST = 5.0  # norm of the student's gradient in a step

Batch = tuple[Drawn, int]
"""What this process sees in a step, and the student's side."""


class DistillationTask(Task):
    """A global network's stages and pooling from a teacher's maps, or from kept descriptors.

    Args:
        recipe: everything that the result depends on.
        processes: this process among all.
        progress: told how far photos and the teacher's statistics are.

    Raises:
        UsageError: there is no teacher, the photos or the number of processes do not allow it, or
            the start is of another network.
    """

    def __init__(
        self, recipe: DistillationRecipe, processes: Processes, progress: Progress
    ) -> None:
        self.recipe, self.settings = recipe, recipe.distillation
        self.processes, self.progress = processes, progress
        settings, device = self.settings, processes.device
        if settings.batch < processes.count:
            few = f"too few for {processes.count} processes"
            raise UsageError(f"[distillation] batch {settings.batch}: {few}")
        folders, rows = _photos(recipe), None
        self.told: dict[str, Any] = {}
        if settings.targets is not None:
            found = sum(len(photos) for photos, _ in folders)
            folders, rows = with_descriptors(recipe.base / settings.targets, folders)
            self.told["without_targets"] = found - len(rows)
        elif recipe.teacher is None:
            way_out = (
                "name [distillation] targets, or call solar.train with a teacher, as "
                "recipes/solar-r18/distill.py does"
            )
            raise UsageError(f"a distillation needs a teacher, which no file can name: {way_out}")
        self.photos = keep_photos(folders, settings.kept_side, device, progress)
        torch.manual_seed(settings.seed)
        self.student = GlobalDescriptor(recipe.model)
        self.source: ByTeacher | ByDescriptors
        if rows is None:
            assert recipe.teacher is not None  # noqa: S101 - refused above
            self.source = ByTeacher(recipe.teacher, settings, self._shown, self.student, processes)
        else:
            self.source = ByDescriptors(rows, settings, self.student, processes)
        modules = nn.ModuleDict({"student": self.student, "targets": self.source.targets})
        self.modules = modules.to(processes.device)
        self.student.to(memory_format=torch.channels_last)
        share_layers(self.modules, processes, self.settings.batch, 2)
        self.optimizer = torch.optim.AdamW(
            [p for p in modules.parameters() if p.requires_grad],
            lr=self.settings.learning_rate,
            weight_decay=self.settings.weight_decay,
        )
        self.starts = self.settings.starts()
        self.epochs = len(self.settings.phases)

    def begin(self) -> Line:
        """Take over the weights of the start, or the teacher's statistics."""
        settings, photos = self.settings, self.photos
        told = {"photos": len(photos.squares), "unreadable": photos.unreadable, **self.told}
        if settings.start is not None:
            told["start"] = settings.start
            start = self.recipe.base / settings.start
            if not start.is_dir():
                _take_over(start, self.modules)
                return told
            _take_model(start, self.student)
        self.source.begin(lambda done, count: self.progress("teacher", done, count))
        return told

    def steps(self, epoch: int) -> int:
        """Batches of the phase."""
        return self.starts[epoch + 1] - self.starts[epoch]

    def batches(self, epoch: int, first: int) -> Iterable[Batch]:
        """This process's share of each step."""
        settings, own = self.settings, self.processes.share(self.settings.batch)
        steps = range(self.starts[epoch] + first, self.starts[epoch + 1])
        with ThreadPoolExecutor(1) as ahead:  # draws the next step while the device is busy
            coming = ahead.submit(self._drawn, settings.seed, steps.start, own)
            for step in steps:
                drawn = coming.result()
                coming = ahead.submit(self._drawn, settings.seed, step + 1, own)
                yield drawn, settings.phases[epoch].side

    def rate(self, epoch: int, step: int) -> float:
        """That of the crops seen before."""
        return self.settings.rate((self.starts[epoch] + step) * self.settings.batch)

    def backward(self, batch: Batch) -> dict[str, float]:
        """The losses of `Targets` on the crops of all processes."""
        drawn, side = batch
        device = self.processes.device
        squares = self._squares(drawn)
        images = normalised(_views(squares, drawn, side), self.student)
        images = images.contiguous(memory_format=torch.channels_last)
        self.student.train()
        with autocast(device, choose_precision(self.settings.precision, device)):
            features = self.student.features(images)
        features = features.float()  # the losses are of small differences
        pooled = F.normalize(self.student.pool(features), dim=1).reshape(2, len(squares), -1)
        losses = self.source.losses(drawn, squares, features, pooled)
        parts = torch.stack(list(losses.values()))
        torch.autograd.backward(parts.sum())
        self.processes.sum_gradients(self.modules.parameters())
        nn.utils.clip_grad_norm_(self.student.parameters(), STEEPEST)
        return dict(zip(losses, parts.tolist(), strict=True))

    def result(self) -> GlobalDescriptor:
        """The student, without whitening."""
        trained_on = f"random crops of {', '.join(self.recipe.photos)}, guided by a teacher"
        self.student.provenance = Provenance(trained_on, "solar.train")
        return self.student.eval()

    def _drawn(self, seed: int, step: int, own: slice) -> Drawn:
        settings = self.settings
        return draw(self.photos, settings.ways, settings.batch, (seed, step)).part(own)

    def _squares(self, drawn: Drawn) -> Tensor:
        squares = self.photos.squares
        return squares[torch.from_numpy(drawn.photos).to(squares.device)]

    def _shown(self, seed: int, step: int, own: slice) -> tuple[Drawn, Tensor]:
        drawn = self._drawn(seed, step, own)
        return drawn, self._squares(drawn)


def _views(squares: Tensor, drawn: Drawn, side: int) -> Tensor:
    """What the student sees: the crops, then other visits to them; 0 to 255."""
    visits = covered(cut(squares, drawn.visits, side), drawn.covers)
    crops = cut(squares, drawn.crops, side)
    return torch.cat([relit(crops, drawn.lights[0]), relit(visits, drawn.lights[1])])


def _photos(recipe: DistillationRecipe) -> Folders:
    folders = []
    for name, weight in recipe.photos.items():
        folders.append((find_photos(recipe.base / name), weight))
        if not folders[-1][0]:
            raise UsageError(f"[photos] {name}: {recipe.base / name} holds no photo")
    return folders


def _take_over(start: Path, modules: nn.ModuleDict) -> None:
    """Weights of student and targets from another run; attention that it lacks stays fresh."""
    other = UsageError(f"{start}: not a distillation of this student and teacher")
    try:
        weights = torch.load(start, weights_only=True, map_location="cpu")["modules"]
    except OSError as error:
        raise UsageError(f"{start}: cannot be read ({error.strerror})") from error
    except (RuntimeError, KeyError) as error:
        raise other from error
    _load(weights, modules, other)


def _take_model(start: Path, student: GlobalDescriptor) -> None:
    """Weights of a model but for its whitening; attention that it lacks stays fresh."""
    weights = load(start).state_dict()
    bare = {key: weights[key] for key in weights if not key.startswith("whiten.")}
    _load(bare, student, UsageError(f"{start}: not a model of this network"))


def _load(weights: dict[str, Tensor], module: nn.Module, other: UsageError) -> None:
    try:
        missing, unexpected = module.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise other from error
    named = module.named_modules()
    fresh = tuple(f"{name}." for name, m in named if isinstance(m, SecondOrderAttention))
    if unexpected or not all(key.startswith(fresh) for key in missing):
        raise other
