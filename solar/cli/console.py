"""What commands share: progress, tables, JSON, parsing of boxes and scales."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import isclose, log2
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from solar.errors import UsageError

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar with rate and remaining time on standard error, if that is a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


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
        raise UsageError(f"{option} {text}: expected numbers with commas between") from error
    if count is not None and len(values) != count:
        raise UsageError(f"{option} {text}: expected {count} numbers, not {len(values)}")
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
    return model
