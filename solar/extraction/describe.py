"""Descriptors of photos into one NumPy file; an interrupted run goes on where it stopped."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from solar.errors import SolarError, UsageError
from solar.extraction.descriptors import SUFFIXES, DescriptorsFile, require_writer
from solar.extraction.extractor import Extractor
from solar.extraction.shards import create_shards, fill
from solar.files import printable
from solar.files.lock import only_one
from solar.photos import EXCLUDED, look_for_photos
from solar.typing import AnyPath, Progress

_SHARD = 64  # photos that an interruption may cost


@dataclass(frozen=True)
class DescribeReport:
    """What became of the photos.

    Attributes:
        described: how many have a descriptor in the file.
        resumed: how many of all an earlier, interrupted run had dealt with.
        failed: one line for each photo that could not be used.
        left_out: one line for each kind of file or folder that was not looked at.
    """

    described: int
    resumed: int
    failed: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def describe_to_file(
    extractor: Extractor,
    photos: Sequence[AnyPath],
    target: AnyPath,
    progress: Progress | None = None,
    *,
    exclude: Sequence[str] = (),
) -> DescribeReport:
    """Write the descriptors of photos to a file that `DescriptorsFile.load` reads.

    What an interrupted run has described lies beside it, and is used by the next one of the same
    photos.

    Args:
        extractor: what describes them.
        photos: photos and folders of photos.
        target: the file, replaced if it exists; its name says its kind, see
            `solar.extraction.descriptors`.
        progress: called with photos done and in all.
        exclude: patterns of what to leave out, beside the usual; see `look_for_photos`.

    Raises:
        SolarError: no photo could be described, another run writes the file, or it cannot be
            written.
        UsageError: what an interrupted run left was made otherwise.
    """
    target = Path(target)
    if target.suffix not in SUFFIXES:
        raise UsageError(f"{printable(target)}: the name must end in {' or '.join(SUFFIXES)}")
    require_writer(target)
    found = look_for_photos(map(Path, photos), (*exclude, *EXCLUDED))
    paths, notes = found.photos, tuple(found.notes())
    if not paths:
        raise SolarError("; ".join(("there is no photo to describe", *notes)), target)
    partial = partial_folder(target)
    if partial.exists() and not partial.is_dir():
        raise UsageError(f"{printable(partial)}: nothing that an interrupted run left: remove it")
    busy = f"{printable(target)}: another run is writing it: wait for it, or choose another name"
    with only_one(partial, busy):
        report = _describe(extractor, paths, target, partial, progress)
    return replace(report, left_out=notes)


def partial_folder(target: AnyPath) -> Path:
    """Where a run keeps what it has described so far."""
    return Path(target).with_name(f"{Path(target).name}.partial")


def _describe(
    extractor: Extractor,
    paths: Sequence[Path],
    target: Path,
    partial: Path,
    progress: Progress | None,
) -> DescribeReport:
    shards = create_shards(
        partial,
        extractor.extraction,
        [_state(path) for path in paths],
        _SHARD,
        "float32",
        "an interrupted run left this; repeat that to finish it, or remove it to begin anew",
    )
    resumed = len(paths) - sum(shards.size_of(shard) for shard in shards.missing())
    fill(shards, extractor, paths, skip_failed=True, progress=progress)
    failures = shards.failures()
    failed = {failure.photo for failure in failures}
    described = [str(path) for path in paths if str(path) not in failed]
    if not described:
        raise SolarError(failures[0].reason)
    rows = shards.load().astype(np.float32)
    DescriptorsFile(np.array(described), rows, extractor.extraction).save(target)
    shutil.rmtree(partial, ignore_errors=True)
    return DescribeReport(len(described), resumed, tuple(failure.reason for failure in failures))


def _state(path: Path) -> str:
    """A photo's name and what tells that its file has changed."""
    try:
        found = path.stat()
    except OSError:  # a link that leads nowhere: the extractor says so
        return str(path)
    return f"{path} {found.st_size} {found.st_mtime_ns}"
