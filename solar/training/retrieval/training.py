"""Training of a global network: mine, step, validate, keep the best (Ng et al., section 4.1)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from solar.errors import SolarError
from solar.models.checkpoints import save
from solar.models.config import Provenance
from solar.models.device import choose_precision
from solar.models.global_descriptor import GlobalDescriptor
from solar.training.retrieval.epoch import Mined, mine
from solar.training.retrieval.gradients import Criterion, backward, tuple_loss
from solar.training.retrieval.recipe import Recipe
from solar.training.retrieval.sampling import Draw
from solar.training.retrieval.start import build_optimizer, set_rate, starting_model
from solar.training.retrieval.tuples import Batch, TrainingPhotos, TupleImages, Tuples, pack, unpack
from solar.training.retrieval.validation import validate
from solar.training.run.folder import RunFolder
from solar.training.run.processes import Processes

SAVE_EVERY = 120.0  # seconds between checkpoints within an epoch


class Watcher:
    """What follows a training; every method may be overridden, none needs to."""

    def progress(self, what: str, done: int, total: int) -> None:
        """Of something that takes long."""

    def line(self, line: Mapping[str, Any]) -> None:
        """What has just been written to the log."""

    def mined(self, epoch: int, images: TupleImages) -> None:
        """The tuples of an epoch and their images, before its first step."""

    def trained(self, epoch: int, model: GlobalDescriptor) -> None:
        """The network after an epoch."""


class Training:
    """A run that stands somewhere: `run` goes on from there to the end.

    Args:
        recipe: what to do.
        folder: where to keep it.
        processes: this process among all.
        watchers: told about everything, in the first process.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: RunFolder,
        processes: Processes,
        watchers: Sequence[Watcher] = (),
    ) -> None:
        self.recipe, self.folder, self.processes = recipe, folder, processes
        self.watchers = tuple(watchers) if processes.first else ()
        self.photos = TrainingPhotos(recipe)
        self.model = starting_model(recipe).to(processes.device)
        self.model.to(memory_format=torch.channels_last)
        self.optimizer = build_optimizer(self.model, recipe.optimiser)
        self.epoch, self.step = 0, 0
        self.best, self.best_epoch = 0.0, 0
        self.tuples: Tuples | None = None
        if folder.state:
            self._restore(folder.state)

    def run(self) -> Path:
        """Train to the end of the recipe.

        Returns:
            The folder of the best network, by validation; of the last one without.

        Raises:
            SolarError: the loss is no longer finite, or photos cannot be used.
        """
        self.processes.wait()  # until none looks into the folder any more
        if self.processes.first:
            self.folder.open()
        self._begin()
        while self.epoch < self.recipe.optimiser.epochs:
            if self.tuples is None:
                self.tuples = self.mine(self.draw()).tuples
                self._save()
            for watcher in self.watchers:
                watcher.mined(self.epoch, self._images(self.tuples))
            for _ in self.steps(self.tuples):
                pass
            self._finish_epoch()
        return self._finish()

    def draw(self) -> Draw:
        """Queries, positives and pool of the epoch, the same whenever it is drawn."""
        return self.photos.draw(np.random.default_rng((self.recipe.optimiser.seed, self.epoch)))

    def mine(self, drawn: Draw) -> Mined:
        """Find the negatives of an epoch with the network as it is."""
        mined = mine(self.model, self.photos, drawn, self.recipe, self.processes, self._progress)
        line = {"event": "mined", "epoch": self.epoch, "tuples": len(mined.tuples)}
        line |= {"photos": mined.photos, "seconds": mined.seconds}
        self._log({**line, "unreadable": list(mined.unreadable)})
        return mined

    def steps(self, tuples: Tuples) -> Iterator[dict[str, Any]]:
        """The epoch's steps from where it stands; yields what each has logged."""
        settings = self.recipe.optimiser
        rate = set_rate(self.optimizer, settings, self.epoch)
        starts = range(0, len(tuples), settings.tuples)
        criterion = tuple_loss(self.recipe.loss)
        started, first, saved = time.monotonic(), self.step, time.monotonic()
        for images in self._batches(tuples, starts[self.step :]):
            count = min(settings.tuples, len(tuples) - starts[self.step])
            losses = self._step(images, tuples.labels(count), criterion)
            self.step += 1
            speed = (time.monotonic() - started) / (self.step - first)
            line = {"event": "step", "epoch": self.epoch, "step": self.step, "of": len(starts)}
            line |= {**losses, "rate": rate, "p": self._p(), "seconds": speed}
            left = (settings.epochs - self.epoch) * len(starts) - self.step
            self._log({**line, "remaining_s": left * speed})
            yield line
            if time.monotonic() - saved > SAVE_EVERY:
                self._save()
                saved = time.monotonic()

    def _step(self, images: list[Tensor], labels: Tensor, criterion: Criterion) -> dict[str, float]:
        """One step of the optimiser; returns the parts of the loss."""
        settings = self.recipe.optimiser
        self.optimizer.zero_grad(set_to_none=True)
        losses = backward(
            self.model,
            [self._normalised(image) for image in images],
            criterion,
            labels,
            chunk=settings.chunk,
            bfloat16=choose_precision(settings.precision, self.processes.device) is torch.bfloat16,
            processes=self.processes,
        )
        if not np.isfinite(sum(losses.values())):
            where = f"epoch {self.epoch + 1}, step {self.step + 1}"
            raise SolarError(f"{where}: the loss is no longer finite: {losses}; lower the rate")
        self.optimizer.step()
        return losses

    def _normalised(self, image: Tensor) -> Tensor:
        mean, std = (torch.tensor(v)[:, None, None] for v in (self.model.mean, self.model.std))
        return (image.float() / 255 - mean) / std

    def _batches(self, tuples: Tuples, starts: range) -> Iterator[list[Tensor]]:
        """This process's share of each step's images."""
        settings = self.recipe.optimiser
        batches = []
        for start in starts:
            rows = range(start, min(start + settings.tuples, len(tuples)))
            batches.append(list(rows[self.processes.share(len(rows))]))
        loader: Iterable[Batch] = DataLoader(
            self._images(tuples),
            batch_sampler=batches,
            num_workers=settings.workers,
            collate_fn=pack,
        )
        for batch in loader:
            if isinstance(batch, str):
                raise SolarError(f"{batch}: it was there for mining; put it back, then --resume")
            yield unpack(*batch)

    def _images(self, tuples: Tuples) -> TupleImages:
        return TupleImages(self.photos, tuples, self.recipe, self.epoch)

    def _begin(self) -> None:
        """Say where the network stands before its first step."""
        if self.folder.state is None:
            line = {"event": "start", "photos": len(self.photos), "alone": self.photos.alone}
            line["places"] = len(np.unique(self.photos.places))
            self._log(line | self._validated())

    def _finish_epoch(self) -> None:
        settings = self.recipe.validation
        line: dict[str, Any] = {"event": "epoch", "epoch": self.epoch}
        last = self.epoch + 1 == self.recipe.optimiser.epochs
        if settings and (last or (self.epoch + 1) % settings.every == 0):
            line |= self._validated()
        score = line.get("map") if settings else 0.0  # without validation the last one is the best
        if self.processes.first and score is not None and score >= self.best:
            self.best, self.best_epoch = score, self.epoch
            self.folder.save_best(self.epoch, self.model.state_dict())
        self._log({**line, "best_epoch": self.best_epoch})
        for watcher in self.watchers:
            watcher.trained(self.epoch, self.model)
        self.epoch, self.step, self.tuples = self.epoch + 1, 0, None
        self._save()

    def _validated(self) -> dict[str, float]:
        """The validation's mAP, in the first process, if the recipe has one."""
        settings, processes = self.recipe.validation, self.processes
        found = {}
        if settings and processes.first:
            found["map"] = validate(
                self.model,
                settings,
                self.recipe.base,
                lambda done, total: self._progress("validation", done, total),
            )
        processes.wait()
        return found

    def _finish(self) -> Path:
        if self.processes.first and not self.folder.model.exists():
            self.model.load_state_dict(self.folder.best(self.best_epoch))
            photos = ", ".join(s.places or s.folder or "" for s in self.recipe.photos)
            start = self.recipe.model.start
            self.model.provenance = Provenance(f"{photos}; from {start}", "solar train")
            self.model.name = self.folder.path.name
            save(self.model, self.folder.model)
        self.processes.wait()
        return self.folder.model

    def _p(self) -> float | None:
        """The pooling's p; the mean where each channel has one; None where there is none."""
        values = [p.detach().mean().item() for p in self.model.pool.parameters()]
        return values[0] if values else None

    def _log(self, line: Mapping[str, Any]) -> None:
        if self.processes.first:
            self.folder.log(line)
            for watcher in self.watchers:
                watcher.line(line)

    def _progress(self, what: str, done: int, total: int) -> None:
        for watcher in self.watchers:
            watcher.progress(what, done, total)

    def _save(self) -> None:
        if self.processes.first:
            self.folder.save(
                {
                    "model": self.model.state_dict(),
                    "optimizer": self.optimizer.state_dict(),
                    "tuples": None if self.tuples is None else torch.from_numpy(self.tuples.photos),
                    "epoch": self.epoch,
                    "step": self.step,
                    "best": self.best,
                    "best_epoch": self.best_epoch,
                }
            )

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.step = state["epoch"], state["step"]
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        if state["tuples"] is not None:
            self.tuples = Tuples(state["tuples"].numpy())


def train(
    recipe: Recipe,
    to: Path,
    *,
    resume: bool = False,
    processes: Processes | None = None,
    watchers: Sequence[Watcher] = (),
) -> Path:
    """Train a global network as a recipe says.

    Args:
        recipe: everything that the result depends on.
        to: folder of the log, the checkpoint and the result; to resume, all machines must see it.
        resume: go on with the run that the folder holds, exactly.
        processes: this process among all; None if it is alone, on the CPU.
        watchers: told about everything.

    Returns:
        The folder of the best network.

    Raises:
        UsageError: the folder, the recipe or the photos do not allow it.
        SolarError: the loss is no longer finite, or photos cannot be used.
    """
    folder = RunFolder(to, recipe, resume=resume)
    return Training(recipe, folder, processes or Processes(), watchers).run()
