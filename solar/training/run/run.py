"""The run: from where its folder stands to the finished network, whatever the task."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from solar.errors import SolarError
from solar.files.log import logger
from solar.models.checkpoints import save
from solar.training.run.folder import RunFolder
from solar.training.run.processes import Processes
from solar.training.run.task import Line, Progress, State, Task, Watcher

_log = logger(__name__)

SAVE_EVERY = 120.0  # seconds between checkpoints within an epoch


class Run:
    """A training that stands somewhere: `finish` goes on from there to the end.

    Args:
        task: what is trained.
        folder: where it is kept.
        processes: this process among all.
        watchers: told about everything, in the first process.

    Attributes:
        epoch: how many are done.
        step: how many are done of the epoch that has begun.
        best_epoch: whose weights are kept, counted from 1; 0 is the start.
        figures: of the validation that chose them.
        minutes: that the run took up to its last line of the log.
    """

    def __init__(
        self, task: Task, folder: RunFolder, processes: Processes, watchers: Sequence[Watcher] = ()
    ) -> None:
        self.task, self.folder, self.processes = task, folder, processes
        self.watchers = tuple(watchers) if processes.first else ()
        self.epoch, self.step, self.done, self.opened = 0, 0, 0, False
        self.best_epoch, self.best, self.figures = 0, -math.inf, dict[str, Any]()
        self.minutes, self.sums = 0.0, dict[str, float]()
        if folder.state:
            self._restore(folder.state)
        self._started = time.monotonic() - 60 * self.minutes

    def finish(self) -> None:
        """Train to the end and write the network.

        Raises:
            SolarError: the loss is no longer finite, or photos cannot be used.
        """
        self._begin()
        while not self._last(self.epoch):
            self._open_epoch()
            for _ in self.steps():
                pass
            self._close_epoch()
        self._write()

    def _begin(self) -> None:
        self.processes.wait()  # until none looks into the folder any more
        if self.processes.first:
            self.folder.open()
            if self.folder.state is None:
                line = self.task.begin()
                self._judge(line)
                self._log({"event": "start", **line})
        if self.folder.state is None:
            self.processes.copy(self.task.modules)

    def _open_epoch(self) -> None:
        if not self.opened:
            line = self.task.open_epoch(self.epoch)
            self.opened = True
            if line:
                self._log({**line, "epoch": self.epoch + 1})
                self._save()
        for watcher in self.watchers:
            watcher.pictures(self.epoch + 1, self.task.samples())

    def steps(self) -> Iterator[Line]:
        """The steps of an open epoch from where it stands; yields what each has logged."""
        of = self.task.steps(self.epoch)
        later = sum(self.task.steps(epoch) for epoch in range(self.epoch + 1, self.task.epochs))
        if self.task.max_steps is not None:
            limit = self.step + self.task.max_steps - self.done
            of, later = min(of, limit), min(later, max(0, limit - of))
        first, started, saved = self.step, time.monotonic(), time.monotonic()
        for batch in islice(self.task.batches(self.epoch, self.step), of - self.step):
            line = self._step(batch)
            seconds = (time.monotonic() - started) / (self.step - first)
            left = (of - self.step + later) * seconds / 60
            line = {"event": "step", "epoch": self.epoch + 1, "step": self.step, "of": of, **line}
            yield self._log({**line, "seconds": seconds, "minutes_left": left})
            if time.monotonic() - saved > SAVE_EVERY:
                self._save()
                saved = time.monotonic()

    def _step(self, batch: Any) -> dict[str, Any]:
        """One step of the optimiser; returns the parts of the loss, the rate, the figures."""
        task, optimizer = self.task, self.task.optimizer
        rate = task.rate(self.epoch, self.step)
        for group in optimizer.param_groups:
            group["lr"] = rate * group.get("factor", 1.0)
        optimizer.zero_grad(set_to_none=True)
        losses = task.backward(batch)
        if not math.isfinite(sum(losses.values())):
            where = f"epoch {self.epoch + 1}, step {self.step + 1}"
            raise SolarError(f"{where}: the loss is no longer finite: {losses}; lower the rate")
        optimizer.step()
        self.step, self.done = self.step + 1, self.done + 1
        self.sums = {name: self.sums.get(name, 0.0) + loss for name, loss in losses.items()}
        return {"done": self.done, **losses, "rate": rate, **task.figures()}

    def _close_epoch(self) -> None:
        losses = {name: total / self.step for name, total in self.sums.items()}
        self.epoch, self.step, self.opened, self.sums = self.epoch + 1, 0, False, {}
        if self.processes.first:
            figures = dict(self.task.close_epoch(self.epoch - 1, self._last(self.epoch)))
            self._judge(figures)
            line = {"event": "epoch", "epoch": self.epoch, "losses": losses, **figures}
            self._log({**line, "best_epoch": self.best_epoch})
        for watcher in self.watchers:
            watcher.pictures(self.epoch, self.task.views())
        self._save()
        self.processes.wait()  # the first one validates alone

    def _last(self, epoch: int) -> bool:
        """Whether nothing follows after so many epochs."""
        limit = self.task.max_steps
        return epoch >= self.task.epochs or (limit is not None and self.done >= limit)

    def _judge(self, figures: Line) -> None:
        """Keep the weights if they are the best so far; without validation the last are."""
        by = self.task.best_by
        score = figures.get(by) if by else math.inf
        if score is not None and score >= self.best:
            self.best_epoch, self.best, self.figures = self.epoch, score, dict(figures)
            if by:
                self.folder.save_best(self.epoch, self.task.modules.state_dict())

    def _write(self) -> None:
        if self.processes.first and not self.folder.finished:
            if self.task.best_by:
                self.task.modules.load_state_dict(self.folder.best(self.best_epoch))
            model = self.task.result()
            model.name = self.folder.path.name
            with self.folder.writing():
                save(model, self.folder.model, self.task.dtype)
        self.processes.wait()

    def _log(self, line: Line) -> Line:
        self.minutes = (time.monotonic() - self._started) / 60
        line = {**line, "epochs": self.task.epochs, "minutes": self.minutes}
        if self.processes.first:
            self.folder.log(line)
            _log.debug("%s", line)
            for watcher in self.watchers:
                watcher.line(line)
        return line

    def _save(self) -> None:
        if self.processes.first:
            self.folder.save(
                {
                    "modules": self.task.modules.state_dict(),
                    "optimizer": self.task.optimizer.state_dict(),
                    "drawn": self.task.epoch_state() if self.opened else None,
                    **{name: getattr(self, name) for name in _PLACE},
                }
            )

    def _restore(self, state: State) -> None:
        self.task.modules.load_state_dict(state["modules"])
        self.task.optimizer.load_state_dict(state["optimizer"])
        for name in _PLACE:
            setattr(self, name, state[name])
        if self.opened:
            self.task.restore_epoch(state["drawn"])


def told(watchers: Sequence[Watcher], processes: Processes) -> Progress:
    """What a task tells its progress to: the watchers of the first process."""

    def progress(what: str, done: int, total: int) -> None:
        for watcher in watchers if processes.first else ():
            watcher.progress(what, done, total)

    return progress


_PLACE = (
    "epoch", "step", "done", "opened", "best_epoch", "best", "figures", "minutes", "sums"
)  # fmt: skip
