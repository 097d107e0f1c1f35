"""What a terminal shows of a training."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from solar.cli.console import err
from solar.training.run.task import Watcher

_NO_LOSS = {
    "event",
    "epoch",
    "step",
    "of",
    "done",
    "rate",
    "p",
    "seconds",
    "minutes",
    "minutes_left",
}
STEPS_EVERY = 60.0  # seconds between lines about steps, where no bar is shown


class ConsoleWatcher(Watcher):
    """A bar with the remaining time on a terminal; lines for all events, of steps now and then."""

    def __init__(self, bar: Progress, console: Console) -> None:
        self._bar, self._console, self._told = bar, console, time.monotonic()
        self._task = bar.add_task("", total=None)

    def progress(self, what: str, done: int, total: int) -> None:
        """Move the bar; the remaining time is that of this thing."""
        self._bar.update(self._task, description=what, completed=done, total=total)

    def line(self, line: Mapping[str, Any]) -> None:
        """Steps move the bar; the time left of the whole training stands beside."""
        if line["event"] == "step":
            left = f"{line['minutes_left']:.0f} min of steps left"
            self.progress(f"epoch {line['epoch']}, {left}", line["step"], line["of"])
            if not self._bar.disable or time.monotonic() - self._told < STEPS_EVERY:
                return
            self._told = time.monotonic()
        for text in sentence(line).splitlines():
            self._console.print(text)


@contextmanager
def console_watcher(console: Console, first: bool) -> Iterator[ConsoleWatcher]:
    """The watcher, which prints to the console, and its bar: on a terminal, the first process's."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    hidden = not (first and err.is_terminal)
    with Progress(*columns, console=err, transient=True, disable=hidden) as bar:
        yield ConsoleWatcher(bar, console)


def sentence(line: Mapping[str, Any]) -> str:
    """A line of the log in words."""
    event, where = line["event"], f"epoch {line.get('epoch')}"
    if event == "start":
        return _start(line)
    if event == "step":
        losses = "".join(f", {name} {line[name]:.3g}" for name in line if name not in _NO_LOSS)
        left = f"{line['minutes_left']:.0f} min of steps left"
        return f"{where}, step {line['step']} of {line['of']}{losses}, {left}"
    if event == "epoch":
        return f"{where} done{_measured(line)}"
    unreadable = "".join(f"\n  left out: {reason}" for reason in line["unreadable"][:5])
    more = len(line["unreadable"]) - 5
    if more > 0:
        unreadable += f"\n  and {more} more"
    took = f"{line['photos']} photos in {line['seconds']:.0f} s"
    return f"{where}: {line['tuples']} tuples mined among {took}{unreadable}"


def _start(line: Mapping[str, Any]) -> str:
    alone = f", {line['alone']} of places of one photo: never queries" if line.get("alone") else ""
    counts = (f"{line[name]} {name}" for name in ("photos", "places", "points") if name in line)
    return f"{' of '.join(counts)}{alone}{_measured(line)}"


def _measured(line: Mapping[str, Any]) -> str:
    words = {"map": "mAP", "ap": "matching AP", "fpr95": "FPR95"}
    found = [f"{words[name]} {100 * line[name]:.2f}" for name in words if name in line]
    return f", validation {', '.join(found)}" if found else ""
