"""What a terminal shows of a training."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from solar.cli.console import Plain, err, progress_bar
from solar.training.run.task import Watcher

if TYPE_CHECKING:
    from rich.progress import Progress

# What the log says of a step beside the parts of the loss.
_NO_LOSS = {
    *("event", "epoch", "epochs", "step", "of", "done", "rate", "p"),
    *("seconds", "minutes", "minutes_left"),
}
_FIGURES = {"map": "mAP", "ap": "matching AP", "fpr95": "FPR95"}
STEPS_EVERY = 60.0  # seconds between lines about steps, where no bar is shown


class ConsoleWatcher(Watcher):
    """A bar with losses and time on a terminal; lines for all events, of steps now and then."""

    def __init__(self, bar: Progress, console: Plain) -> None:
        self._bar, self._console, self._told = bar, console, time.monotonic()
        self._task = bar.add_task("", total=None)

    def progress(self, what: str, done: int, total: int) -> None:
        """Move the bar; the remaining time is that of this thing."""
        self._bar.update(self._task, description=what, completed=done, total=total)

    def line(self, line: Mapping[str, Any]) -> None:
        """Steps move the bar; the time left of the whole training stands beside."""
        if line["event"] == "step":
            self.progress(sentence(line), line["step"], line["of"])
            first = line["epoch"] == line["step"] == 1  # soon, so that one knows what it begins at
            if not self._bar.disable or not (first or time.monotonic() - self._told > STEPS_EVERY):
                return
            self._told = time.monotonic()
        for text in sentence(line).splitlines():
            self._console.print(text)


@contextmanager
def console_watcher(console: Plain, first: bool) -> Iterator[ConsoleWatcher]:
    """The watcher, which prints to the console, and its bar: on a terminal, the first process's."""
    with progress_bar(hidden=not (first and err.is_terminal)) as bar:
        yield ConsoleWatcher(bar, console)


def duration(minutes: float) -> str:
    """A time as people say it."""
    if minutes < 1:
        return f"{60 * minutes:.0f} s"
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def sentence(line: Mapping[str, Any]) -> str:
    """A line of the log in words."""
    event, where = line["event"], f"epoch {line.get('epoch')} of {line['epochs']}"
    if event == "start":
        return _start(line)
    if event == "step":
        losses = _losses({name: value for name, value in line.items() if name not in _NO_LOSS})
        left = f"{duration(line['minutes_left'])} of steps left"
        return f"{where}, step {line['step']} of {line['of']}: {losses}, {left}"
    if event == "epoch":
        best = f"; best so far: epoch {line['best_epoch']}" if "map" in line else ""
        took = f"after {duration(line['minutes'])} in all"
        return f"{where} done, {took}: {_losses(line['losses'])}{_measured(line)}{best}"
    unreadable = "".join(f"\n  left out: {reason}" for reason in line["unreadable"][:5])
    more = len(line["unreadable"]) - 5
    if more > 0:
        unreadable += f"\n  and {more} more"
    took = f"{line['photos']} photos described in {duration(line['seconds'] / 60)}"
    pool = f"{line['tuples']} tuples mined in a pool of {line['pool']} photos"
    return f"{where}: {pool}, {took}{unreadable}"


def _start(line: Mapping[str, Any]) -> str:
    alone = f", {line['alone']} of places of one photo: never queries" if line.get("alone") else ""
    counts = (f"{line[name]} {name}" for name in ("photos", "places", "points") if name in line)
    before = f"{_measured(line)} before the first step" if _measured(line) else ""
    return f"{' of '.join(counts)}{alone}{before}"


def _losses(losses: Mapping[str, float]) -> str:
    return "loss " + ", ".join(f"{name} {value:.3g}" for name, value in losses.items())


def _measured(line: Mapping[str, Any]) -> str:
    found = [f"{word} {100 * line[name]:.2f}" for name, word in _FIGURES.items() if name in line]
    return f", validation {', '.join(found)}" if found else ""
