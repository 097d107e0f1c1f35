"""What commands share: plain lines, tables, progress, JSON, parsing of boxes and scales."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from math import isclose, isfinite, log2
from typing import TYPE_CHECKING, Any, TextIO

from solar.errors import UsageError
from solar.files import printable, shown

if TYPE_CHECKING:
    from rich.progress import Progress

LINE_EVERY = 10.0
"""Seconds between lines of progress where no bar can be shown."""

Show = Callable[[int, int | None], None]


class Plain:
    """Prints what it is given: each text is one line, whole; nothing in it is markup."""

    def __init__(self, name: str) -> None:
        """Print to `sys.stdout` or `sys.stderr`, by name: they may be replaced."""
        self._name = name

    @property
    def is_terminal(self) -> bool:
        """Whether a person sees it."""
        return self._stream.isatty()

    @property
    def _stream(self) -> TextIO:
        stream: TextIO = getattr(sys, self._name)
        return stream

    def print(self, *texts: object, sep: str = " ") -> None:
        """Print texts, with line breaks and escapes in them written out."""
        try:
            print(*(printable(str(text)) for text in texts), sep=sep, file=self._stream, flush=True)
        except BrokenPipeError:  # `solar list my.index | head` has read enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            sys.exit(1)


out = Plain("stdout")
err = Plain("stderr")


def show_any_name() -> None:
    """Write out the letters of names that the terminal's encoding lacks, and broken ones."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def table(rows: Sequence[Sequence[str]], heads: Sequence[str] = ()) -> None:
    """Print aligned columns, numbers to the right; no cell is cut, whatever reads them."""
    from rich.cells import cell_len

    cells = [[printable(cell) for cell in row] for row in (heads, *rows) if row]
    columns = list(zip_longest(*cells, fillvalue=""))
    widths = [max(map(cell_len, column)) for column in columns]
    numeric = [all(map(_is_number, column[bool(heads) :])) for column in columns]
    for row in cells:
        padded = []
        for cell, width, right in zip(row, widths, numeric, strict=False):
            space = " " * (width - cell_len(cell))
            padded.append(space + cell if right else cell + space)
        out.print("  ".join(padded).rstrip())


def _is_number(cell: str) -> bool:
    return not cell.strip("-+.,%0123456789–")


@contextmanager
def progress(title: str) -> Iterator[Show]:
    """On a terminal a bar with rate and remaining time; elsewhere a line every ten seconds."""
    if not err.is_terminal:
        with _lines(title) as show:
            yield show
        return
    with progress_bar(speed=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def progress_bar(*, speed: bool = False, hidden: bool = False) -> Progress:
    """A bar on the terminal, above which lines are printed meanwhile; gone at its end."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        *[TaskProgressColumn(show_speed=True)] * speed,
        TimeRemainingColumn(),
        console=Console(stderr=True, soft_wrap=True),
        transient=True,
        redirect_stdout=out.is_terminal,
        disable=hidden,
    )


@contextmanager
def _lines(title: str) -> Iterator[Show]:
    """A line every ten seconds, also while nothing is done yet, or one thing takes long."""
    started, ended = time.monotonic(), threading.Event()
    counts: tuple[int, int | None] = (0, None)

    def show(done: int, total: int | None) -> None:
        nonlocal counts
        counts = done, total

    def tell() -> None:
        while not ended.wait(LINE_EVERY):
            done, total = counts
            left, seconds = "" if total is None else f" of {total:,}", time.monotonic() - started
            if total and done:
                left += f", {_time_left(seconds * (total - done) / done)}" if done < total else ""
            err.print(f"{title}: {done:,}{left}" if left or done else f"{title}: {seconds:.0f} s")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield show
    finally:
        ended.set()
        teller.join()


def _time_left(seconds: float) -> str:
    if seconds < 90:
        return "about a minute left"
    hours = seconds >= 7200
    return f"about {seconds / (3600 if hours else 60):.0f} {'h' if hours else 'min'} left"


@contextmanager
def keeping(what: str | Callable[[], str]) -> Iterator[None]:
    """Say, when Ctrl-C ends the work inside, what is kept of it and how to go on."""
    try:
        yield
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(what if isinstance(what, str) else what()) from stop


def print_json(document: Mapping[str, Any]) -> None:
    """One object on standard output and nothing else."""
    sys.stdout.write(json.dumps(document, indent=2, allow_nan=False) + "\n")


def numbers(text: str, option: str, count: int | None = None) -> tuple[float, ...]:
    """Comma-separated numbers of an option.

    Args:
        text: as typed.
        option: its name, for the message.
        count: how many there must be; None for one or more.

    Raises:
        UsageError: anything else.
    """
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"{option} {shown(text)}: expected numbers with commas between") from error
    if count is not None and len(values) != count:
        raise UsageError(f"{option} {shown(text)}: expected {count} numbers, not {len(values)}")
    if not all(map(isfinite, values)):
        raise UsageError(f"{option} {shown(text)}: expected finite numbers")
    return values


def scales(text: str | None) -> tuple[float, ...] | None:
    """The option --scales; 1.4142 and 0.7071 mean the exact powers of the square root of 2."""
    if text is None:
        return None
    return tuple(map(_exact, numbers(text, "--scales")))


def _exact(scale: float) -> float:
    if scale <= 0:
        raise UsageError(f"--scales: {scale:g} is not positive")
    power: float = 2 ** (round(2 * log2(scale)) / 2)
    return power if isclose(scale, power, rel_tol=1e-4) else scale


def ready(model: str) -> str:
    """Download a named model that is not on this machine yet, with a bar; returns its name."""
    from solar.models.registry import MODELS, fetch

    for known in MODELS:
        if known.name == model and known.addresses and not known.path.exists():
            with progress(f"fetching {model}") as show:
                fetch(known, show)
            if known.sha256 is None:
                err.print(f"no checksum is published for {known.path.name}")
    return model
