"""Distillation: a network from random initial weights learns to see as a teacher does.

Student and teacher see the same random crop (Beyer et al., CVPR 2022) in another light; and the
student sees it once more as another visitor would.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from solar.errors import UsageError
from solar.models.attention import SecondOrderAttention
from solar.models.config import Provenance
from solar.models.device import autocast, choose_precision
from solar.models.global_descriptor import GlobalDescriptor
from solar.photos import find_photos
from solar.training.distillation.losses import Targets
from solar.training.distillation.photos import KeptPhotos, keep_photos
from solar.training.distillation.recipe import DistillationRecipe
from solar.training.distillation.views import Drawn, covered, cut, draw, relit
from solar.training.pixels import normalised
from solar.training.run.processes import Processes
from solar.training.run.shared_layers import share_layers
from solar.training.run.task import Line, Progress, Task

STEEPEST = 5.0  # norm of the student's gradient in a step

Batch = tuple[Drawn, int]
"""What this process sees in a step, and the student's side."""


class DistillationTask(Task):
    """A global network's stages and pooling from a teacher's maps.

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
        if recipe.teacher is None:
            way_out = "call solar.train with one, as recipes/solar-r18/distill.py does"
            raise UsageError(f"a distillation needs a teacher, which no file can name: {way_out}")
        self.recipe, self.settings, self.teacher = recipe, recipe.distillation, recipe.teacher
        self.processes, self.progress = processes, progress
        if self.settings.batch < processes.count:
            few = f"too few for {processes.count} processes"
            raise UsageError(f"[distillation] batch {self.settings.batch}: {few}")
        self.photos = _photos(recipe, processes.device, progress)
        one = self._drawn(self.settings.seed, 0, slice(1))
        channels = self._seen(self._squares(one), one).shape[1]
        torch.manual_seed(self.settings.seed)
        self.student = GlobalDescriptor(recipe.model)
        student = self.student
        self.targets = Targets(
            student.channels,
            channels,
            self.settings.whitened,
            self.settings.power,
            student.pooled,
        )
        modules = nn.ModuleDict({"student": self.student, "targets": self.targets})
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
        told = {"photos": len(photos.squares), "unreadable": photos.unreadable}
        if settings.start is not None:
            _take_over(self.recipe.base / settings.start, self.modules)
            return {**told, "start": settings.start}
        self.targets.fit(self._statistics())
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
        wanted = self._seen(squares, drawn)
        images = normalised(_views(squares, drawn, side), self.student)
        images = images.contiguous(memory_format=torch.channels_last)
        self.student.train()
        with autocast(device, choose_precision(self.settings.precision, device)):
            features = self.student.features(images)
        features = features.float()  # the losses are of small differences
        pooled = F.normalize(self.student.pool(features), dim=1).reshape(2, len(wanted), -1)
        crops = features[: len(wanted)]
        losses = self.targets(crops, pooled, wanted, self.processes, self.settings.batch)
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

    def _seen(self, squares: Tensor, drawn: Drawn) -> Tensor:
        """The teacher's maps of the crops."""
        seen = cut(squares, drawn.crops, self.settings.teacher_side)
        return self.teacher(seen.round().to(torch.uint8)).to(self.processes.device)

    def _statistics(self) -> Iterator[Tensor]:
        """The teacher's maps of crops that no step sees."""
        settings = self.settings
        steps = -(-settings.statistics // settings.batch)
        for step in range(steps):
            drawn = self._drawn(settings.seed + 1, step, slice(settings.batch))
            yield self._seen(self._squares(drawn), drawn)
            self.progress("teacher", step + 1, steps)


def _views(squares: Tensor, drawn: Drawn, side: int) -> Tensor:
    """What the student sees: the crops, then other visits to them; 0 to 255."""
    visits = covered(cut(squares, drawn.visits, side), drawn.covers)
    crops = cut(squares, drawn.crops, side)
    return torch.cat([relit(crops, drawn.lights[0]), relit(visits, drawn.lights[1])])


def _photos(recipe: DistillationRecipe, device: torch.device, progress: Progress) -> KeptPhotos:
    folders = []
    for name, weight in recipe.photos.items():
        folders.append((find_photos(recipe.base / name), weight))
        if not folders[-1][0]:
            raise UsageError(f"[photos] {name}: {recipe.base / name} holds no photo")
    return keep_photos(folders, recipe.distillation.kept_side, device, progress)


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
