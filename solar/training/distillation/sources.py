"""What a student learns from: a teacher that sees each crop, or descriptors made before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from solar.errors import UsageError
from solar.extraction import Described
from solar.extraction.given import open_descriptors
from solar.models.global_descriptor import GlobalDescriptor
from solar.training.distillation.losses import Descriptors, Teaching
from solar.training.distillation.recipe import Distillation, Teacher
from solar.training.distillation.views import Drawn, cut
from solar.training.run.processes import Processes

Draw = Callable[[int, int, slice], tuple[Drawn, Tensor]]
"""Seed, step and share -> what is drawn, and its photos' squares."""

Losses = dict[str, Tensor]


class ByTeacher:
    """A teacher, which sees the crops as they are."""

    def __init__(
        self,
        teacher: Teacher,
        settings: Distillation,
        draw: Draw,
        student: GlobalDescriptor,
        processes: Processes,
    ) -> None:
        self.teacher, self.settings, self.draw, self.processes = teacher, settings, draw, processes
        channels = [maps.shape[1] for maps in self._maps(*draw(settings.seed, 0, slice(1)))]
        self.targets = Teaching(
            student.channels, channels, settings.whitened, settings.power, student.pooled
        )

    def begin(self, progress: Callable[[int, int], None]) -> None:
        """Take the teacher's statistics from crops that no step sees."""
        self.targets.fit(self._statistics(progress))

    def losses(self, drawn: Drawn, squares: Tensor, features: Tensor, pooled: Tensor) -> Losses:
        """Of the student's maps of the crops, and what it pooled of both views."""
        seen = self._maps(drawn, squares)
        crops = self.settings.batch
        of_crops = features[: len(squares)]
        losses: Losses = self.targets(of_crops, pooled, seen, self.processes, crops)
        return losses

    def _maps(self, drawn: Drawn, squares: Tensor) -> Sequence[Tensor]:
        seen = cut(squares, drawn.crops, self.settings.teacher_side)
        found = self.teacher(seen.round().to(torch.uint8))
        if hasattr(found, "shape"):
            raise UsageError("the teacher gives one tensor: let it give a list, a map per network")
        return [maps.to(self.processes.device) for maps in found]

    def _statistics(self, progress: Callable[[int, int], None]) -> Iterator[Sequence[Tensor]]:
        settings = self.settings
        steps = -(-settings.statistics // settings.batch)
        for step in range(steps):
            yield self._maps(*self.draw(settings.seed + 1, step, slice(settings.batch)))
            progress(step + 1, steps)


class ByDescriptors:
    """A descriptor of each untouched photo, whatever part of it the student sees."""

    def __init__(
        self,
        rows: Tensor,
        settings: Distillation,
        student: GlobalDescriptor,
        processes: Processes,
    ) -> None:
        self.rows, self.settings, self.processes = rows, settings, processes
        self.targets = Descriptors(student.pooled or student.channels, rows.shape[1])

    def begin(self, progress: Callable[[int, int], None]) -> None:
        """Nothing: they are known."""

    def losses(self, drawn: Drawn, squares: Tensor, features: Tensor, pooled: Tensor) -> Losses:
        """Of what the student pooled of both views."""
        wanted = self.rows[torch.from_numpy(drawn.photos)].to(pooled.device)
        losses: Losses = self.targets(pooled, wanted, self.processes, self.settings.batch)
        return losses


Folders = Sequence[tuple[Sequence[Path], float]]


def with_descriptors(path: Path, folders: Folders) -> tuple[Folders, Tensor]:
    """The photos that a file has descriptors of, and these, unit rows in their order.

    Raises:
        UsageError: it has none of the photos of a folder.
        SolarError: it is damaged, or no file of descriptors.
    """
    given = open_descriptors(path)
    known, rows = [], []
    for photos, weight in folders:
        found = [each for each in given.describe(photos) if isinstance(each, Described)]
        if not found:
            raise UsageError(f"[distillation] targets: holds no photo of {photos[0].parent}", path)
        known.append(([photos[each.position] for each in found], weight))
        rows += [each.descriptor for each in found]
    return known, torch.from_numpy(np.stack(rows))
