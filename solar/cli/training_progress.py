"""What a terminal shows of a training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from solar.cli.console import err, out
from solar.training.retrieval.training import Watcher


class ConsoleWatcher(Watcher):
    """A bar with the remaining time on a terminal; a line for each event but steps anywhere."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None)

    def progress(self, what: str, done: int, total: int) -> None:
        """Move the bar; the remaining time is that of this thing."""
        self._bar.update(self._task, description=what, completed=done, total=total)

    def line(self, line: Mapping[str, Any]) -> None:
        """Steps move the bar; the time left of the whole training stands beside."""
        if line["event"] == "step":
            left = f"{line['remaining_s'] / 60:.0f} min of steps left"
            self.progress(f"epoch {line['epoch'] + 1}, {left}", line["step"], line["of"])
        else:
            out.print(sentence(line), soft_wrap=True, markup=False)


@contextmanager
def console_watcher(first: bool) -> Iterator[ConsoleWatcher]:
    """The watcher and its bar, which only the first process has, on a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    hidden = not (first and err.is_terminal)
    with Progress(*columns, console=err, transient=True, disable=hidden) as bar:
        yield ConsoleWatcher(bar)


def sentence(line: Mapping[str, Any]) -> str:
    """A line of the log in words."""
    measured = f", validation mAP {100 * line['map']:.2f}" if "map" in line else ""
    if line["event"] == "start":
        alone = f", {line['alone']} of places of one photo: never queries" if line["alone"] else ""
        return f"{line['photos']} photos of {line['places']} places{alone}{measured}"
    where = f"epoch {line['epoch'] + 1}"
    if line["event"] == "epoch":
        return f"{where} done{measured}"
    unreadable = "".join(f"\n  left out: {reason}" for reason in line["unreadable"][:5])
    more = len(line["unreadable"]) - 5
    if more > 0:
        unreadable += f"\n  and {more} more"
    took = f"{line['photos']} photos in {line['seconds']:.0f} s"
    return f"{where}: {line['tuples']} tuples mined among {took}{unreadable}"
