"""Descriptors of photos into one NumPy file; an interrupted run goes on where it stopped."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from solar.errors import PhotoError, SolarError, UsageError
from solar.extraction.engines.torch import Described, Progress, describe_photos
from solar.files.atomic import write_atomically
from solar.models.global_descriptor import GlobalDescriptor
from solar.photos.images import find_photos

COMMIT_SECONDS = 2.0


@dataclass(frozen=True)
class ExportReport:
    """What became of the photos.

    Attributes:
        described: how many have a descriptor in the file.
        resumed: how many of them an earlier, interrupted run had described.
        failed: one line for each photo that could not be used.
    """

    described: int
    resumed: int
    failed: tuple[str, ...]


def describe_to_file(
    model: GlobalDescriptor,
    photos: Sequence[str | Path],
    target: str | Path,
    image_size: int | None = None,
    scales: Sequence[float] | None = None,
    progress: Progress | None = None,
) -> ExportReport:
    """Write `paths` (N,) and `descriptors` (N, D) float32, unit rows, to an .npz file.

    Args:
        model: the network.
        photos: photos and folders of photos.
        target: the .npz file; replaced if it exists. `settings` in it is JSON.
        image_size: limit of the longest side in pixels; None for the model's own.
        scales: None for the model's own.
        progress: called with photos done and in all.

    Raises:
        SolarError: no photo could be described.
        UsageError: what an interrupted run left was made with other settings.
    """
    target = Path(target)
    if target.suffix != ".npz":
        raise UsageError(f"{target}: the name must end in .npz")
    paths = sorted({path for photo in photos for path in find_photos(photo)})
    settings = {
        "model": model.name,
        "fingerprint": model.fingerprint,
        "image_size": image_size or model.config.image_size,
        "scales": list(scales or model.config.scales),
    }
    partial = target.with_name(f"{target.name}.partial")
    with closing(_open(partial, settings)) as store:
        resumed = _describe_missing(store, model, paths, image_size, scales, progress)
        report = _write(store, target, paths, settings, resumed)
    partial.unlink()
    return report


def _open(partial: Path, settings: dict[str, object]) -> sqlite3.Connection:
    """The store of an unfinished run: SQLite keeps what was committed through any kill."""
    partial.parent.mkdir(parents=True, exist_ok=True)
    store = sqlite3.connect(partial)
    text = json.dumps(settings, sort_keys=True)
    try:
        store.execute("CREATE TABLE IF NOT EXISTS settings (text TEXT)")
        store.execute(
            "CREATE TABLE IF NOT EXISTS photos "
            "(path TEXT PRIMARY KEY, size INTEGER, time INTEGER, descriptor BLOB, reason TEXT)"
        )
        row = store.execute("SELECT text FROM settings").fetchone()
        if row is None:
            store.execute("INSERT INTO settings VALUES (?)", (text,))
            store.commit()
    except sqlite3.DatabaseError as error:
        store.close()
        raise SolarError(f"{partial}: not what an interrupted run left; remove it") from error
    if row is not None and row[0] != text:
        store.close()
        raise UsageError(
            f"{partial}: an interrupted run with other settings left this; "
            "repeat its options to finish it, or remove it to begin anew"
        )
    return store


def _describe_missing(
    store: sqlite3.Connection,
    model: GlobalDescriptor,
    paths: Sequence[Path],
    image_size: int | None,
    scales: Sequence[float] | None,
    progress: Progress | None,
) -> int:
    """Describe what the store lacks; returns how many it had."""
    known = {row[0]: row[1:] for row in store.execute("SELECT path, size, time FROM photos")}
    states = {path: _state(path) for path in paths}
    missing = [path for path in paths if known.get(str(path)) != states[path]]
    had, saved = len(paths) - len(missing), time.monotonic()
    results = describe_photos(model, missing, image_size=image_size, scales=scales)
    for done, result in enumerate(results, 1):
        path = missing[result.position]
        if isinstance(result, Described):
            blob, reason = result.descriptor.tobytes(), None
        else:
            blob, reason = None, result.reason
        store.execute(
            "INSERT OR REPLACE INTO photos VALUES (?, ?, ?, ?, ?)",
            (str(path), *states[path], blob, reason),
        )
        if time.monotonic() - saved > COMMIT_SECONDS:
            store.commit()
            saved = time.monotonic()
        if progress:
            progress(had + done, len(paths))
    store.commit()
    return had


def _state(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise PhotoError(f"{path}: {error.strerror}") from error
    return found.st_size, found.st_mtime_ns


def _write(
    store: sqlite3.Connection,
    target: Path,
    paths: Sequence[Path],
    settings: dict[str, object],
    resumed: int,
) -> ExportReport:
    rows = {row[0]: row[1:] for row in store.execute("SELECT path, descriptor, reason FROM photos")}
    described = [path for path in paths if rows[str(path)][0] is not None]
    failed = tuple(rows[str(path)][1] for path in paths if rows[str(path)][0] is None)
    if not described:
        raise SolarError(failed[0] if failed else f"{target}: there is no photo to describe")
    descriptors = np.stack([np.frombuffer(rows[str(path)][0], np.float32) for path in described])
    with write_atomically(target) as file:
        np.savez(
            file,
            paths=np.array([str(path) for path in described]),
            descriptors=descriptors,
            settings=np.array(json.dumps(settings)),
        )
    return ExportReport(len(described), resumed, failed)
