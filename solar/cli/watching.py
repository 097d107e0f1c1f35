"""What `solar index --watch` does and says after its first pass."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from solar.cli.console import err, out, progress
from solar.errors import SolarError
from solar.files import numbered
from solar.index import AddReport, Index
from solar.index.indexing import drop_gone
from solar.index.watching import Settled, watch


def watch_photos(
    index: Index,
    photos: Sequence[Path],
    settled: Settled,
    *,
    exclude: Sequence[str],
    prune: bool,
    prune_missing_root: bool,
    sweep: float | None,
) -> None:
    """Add photos as they come, and say so in one line each time, until Ctrl-C.

    Args:
        index: to add to.
        photos: photos and folders.
        settled: says which files are whole.
        exclude: see `Index.add`.
        prune: see `index_photos`.
        prune_missing_root: likewise.
        sweep: see `watch`.
    """
    said = 0  # of photos whose files are gone, how many were told

    def add(changed: Sequence[Path], ready: Settled) -> None:
        nonlocal said
        with progress("indexing") as show:
            report = index.add(changed, show, exclude=exclude, ready=ready)
        dropped = drop_gone(index, report, prune, prune_missing_root)
        gone = 0 if dropped else len(report.vanished)
        _say(index, report, dropped, max(0, gone - said))
        said = gone

    what = "1 folder" if len(photos) == 1 else f"{len(photos)} folders"
    err.print(f"watching {what}; Ctrl-C ends")
    watch(
        lambda: photos,
        add,
        stop=threading.Event(),
        failed=_failed,
        exclude=exclude,
        sweep=sweep,
        settled=settled,
    )


def _say(index: Index, report: AddReport, dropped: int, gone: int) -> None:
    counts = [
        (len(report.added), "added"),
        (len(report.changed), "changed"),
        (len(report.moved), "moved"),
        (dropped, "dropped, their files are gone"),
        (gone, "gone from their folders; --prune drops them"),
    ]
    told = ", ".join(f"{count:,} {words}" for count, words in counts if count)
    if told:
        out.print(f"{time.strftime('%H:%M:%S')} {told}: {numbered(len(index), 'photo')}")
    for _, reason in report.failed:
        err.print(f"  skipped {reason}")


def _failed(error: SolarError) -> None:
    err.print(f"{time.strftime('%H:%M:%S')} {error}: trying again")
