"""Patches: losses on two patches of each point of a batch.

SOSNet's, or its rivals'; with attention, Ng et al., ECCV 2020, section 4.2.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from solar.errors import UsageError
from solar.evaluation.average_precision import ranked_average_precision
from solar.evaluation.patches.metrics import fpr95
from solar.features.patch_descriptor import of_network
from solar.matching.nearest import mutual_nearest
from solar.models.device import autocast, choose_precision
from solar.models.local_descriptor import LocalDescriptor
from solar.training.patches.batches import PointBatches, turned
from solar.training.patches.criterion import compares_maps, point_losses, weighted
from solar.training.patches.recipe import PatchRecipe
from solar.training.patches.stores import PatchSource, open_stores
from solar.training.run.processes import Processes
from solar.training.run.shared_layers import share_layers
from solar.training.run.task import Line, Progress, Task

_GROUP = 128  # points among which a validation looks for matches
_SEEDS = 1_000_003  # apart, more than there are steps

Batch = tuple[int, Tensor]
"""The step among all, and patches (share, 2, 1, 32, 32) uint8: two of each point."""


class PatchTask(Task):
    """A local network from patches.

    Args:
        recipe: everything that the result depends on.
        processes: this process among all.
        progress: told how far the making of the patches is.
        sources: patches to train on and to validate with; None for those of the recipe.

    Raises:
        UsageError: the photos, their patches or the number of processes do not allow it.
    """

    dtype = torch.float16

    def __init__(
        self,
        recipe: PatchRecipe,
        processes: Processes,
        progress: Progress,
        sources: tuple[PatchSource, PatchSource] | None = None,
    ) -> None:
        self.settings, self.processes = recipe.training, processes
        self.source, self.held_out = sources or open_stores(recipe, processes, progress)
        points, seed = self.settings.points, self.settings.seed
        if points < processes.count:
            raise UsageError(f"[training] points {points}: too few for {processes.count} processes")
        self.drawn = PointBatches(self.source.point_ids, points, seed)
        torch.manual_seed(seed)
        self.model = LocalDescriptor(recipe.model, recipe.provenance).to(processes.device)
        self.modules = self.model.to(memory_format=torch.channels_last)
        share_layers(self.model, processes, points, 2)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=self.settings.learning_rate)
        self.epochs = -(-self.settings.steps // self.settings.validate_every)

    def steps(self, epoch: int) -> int:
        """As many as lie between two validations."""
        every = self.settings.validate_every
        return min(every, self.settings.steps - epoch * every)

    def batches(self, epoch: int, first: int) -> Iterator[Batch]:
        """Two patches of each of this process's points."""
        start, settings = epoch * self.settings.validate_every, self.settings
        for step in range(start + first, start + self.steps(epoch)):
            views = [self.source.patches(numbers) for numbers in self.drawn.draw(step)]
            first_view, second = (torch.from_numpy(view)[:, None] for view in views)
            if settings.turned:
                generator = torch.Generator().manual_seed(settings.seed * _SEEDS + step)
                first_view, second = turned(first_view, second, generator)
            pairs = torch.stack([first_view, second], 1)
            yield step, pairs[self.processes.share(settings.points)]

    def rate(self, epoch: int, step: int) -> float:
        """That of the step among all."""
        return self.settings.rate(epoch * self.settings.validate_every + step)

    def backward(self, batch: Batch) -> dict[str, float]:
        """The recipe's loss among the points of all processes."""
        step, patches = batch
        settings, device = self.settings, self.processes.device
        images = patches.flatten(0, 1).to(device).float()
        images = images.contiguous(memory_format=torch.channels_last)
        self.model.train()
        torch.manual_seed(settings.seed * _SEEDS + step)  # of dropout: a resumed run is exact
        with autocast(device, choose_precision(settings.precision, device)):
            maps_too = compares_maps(settings)
            seen = self.model.with_maps(images) if maps_too else (self.model(images),)
        pairs, *maps = (
            self.processes.gather(rows.unflatten(0, (-1, 2)), settings.points) for rows in seen
        )
        losses = point_losses(settings, pairs[:, 0], pairs[:, 1], maps)
        torch.autograd.backward(weighted(settings, losses))
        self.processes.sum_gradients(self.model.parameters())
        return {name: loss.item() for name, loss in losses.items()}

    def close_epoch(self, epoch: int, last: bool) -> Line:
        """Tell the points of photos apart that are not trained on."""
        return validate(self.model, self.held_out, self.settings.validation_points)

    def result(self) -> LocalDescriptor:
        """The network, in evaluation mode."""
        return self.model.eval()


def validate(model: LocalDescriptor, source: PatchSource, points: int) -> dict[str, float]:
    """Measure a network on patches that it was not trained on.

    Args:
        model: any local network; left in evaluation mode.
        source: the patches.
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
