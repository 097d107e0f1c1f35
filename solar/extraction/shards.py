"""A folder of descriptors in shards: filled in any order, by any number of machines, resumable.

``manifest.json`` holds the settings, the number of photos and a digest of their names;
``shard-00000.npy`` holds the descriptors of the first ``shard_size`` photos, in order, and so on.
Photos that could not be described are listed in ``shard-00000.failed.json`` and have no row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solar.errors import SolarError, UsageError
from solar.evaluation.describer import Describer, require_same
from solar.evaluation.retrieval.exact import on_grid
from solar.files.atomic import write_atomically

_READ_ROWS = 8192
_NAMED = 5


@dataclass(frozen=True)
class Failure:
    """A photo without a descriptor, and the line that names it and says why."""

    photo: str
    reason: str


@dataclass(frozen=True)
class Shards:
    """A folder of shards whose manifest was read.

    Attributes:
        folder: where they are.
        settings: what the descriptors depend on.
        photos: how many the folder is for, described or not.
        shard_size: photos per shard.
        dtype: ``float16`` or ``float32``.
    """

    folder: Path
    settings: Mapping[str, Any]
    photos: int
    shard_size: int
    dtype: str

    @property
    def count(self) -> int:
        """How many shards a full folder has."""
        return -(-self.photos // self.shard_size)

    @property
    def dimensions(self) -> int:
        """Of each descriptor."""
        return int(self.settings["dimensions"])

    def path(self, shard: int) -> Path:
        """Where a shard is, or will be."""
        return self.folder / f"shard-{shard:05d}.npy"

    def missing(self) -> list[int]:
        """Shards that nobody has filled yet."""
        return [shard for shard in range(self.count) if not self.path(shard).exists()]

    def rows(self) -> int:
        """How many descriptors there are.

        Raises:
            SolarError: shards are missing or damaged.
        """
        if missing := self.missing():
            raise SolarError(
                f"{self.folder}: {len(missing)} of {self.count} shards are missing "
                f"({some(str(shard) for shard in missing)}): extract them first"
            )
        return sum(len(self._opened(shard)) for shard in range(self.count))

    def failures(self) -> list[Failure]:
        """The photos that could not be described."""
        return [
            Failure(**entry)
            for path in sorted(self.folder.glob("shard-*.failed.json"))
            for entry in json.loads(path.read_text(encoding="utf-8"))
        ]

    def blocks(self) -> Iterator[NDArray[np.floating]]:
        """The descriptors in order, at most 8192 rows at a time, read and not mapped."""
        self.rows()
        for shard in range(self.count):
            opened = self._opened(shard)
            with self.path(shard).open("rb") as file:
                file.seek(opened.offset)
                for start in range(0, len(opened), _READ_ROWS):
                    rows = min(_READ_ROWS, len(opened) - start)
                    block = np.fromfile(file, opened.dtype, rows * self.dimensions)
                    yield block.reshape(rows, self.dimensions)

    def load(self) -> NDArray[np.floating]:
        """All (N, D) descriptors."""
        empty = np.empty((0, self.dimensions), self.dtype)
        return np.concatenate([empty, *self.blocks()])

    def _opened(self, shard: int) -> np.memmap[Any, np.dtype[np.floating]]:
        """A shard mapped, its shape and type checked, nothing read yet."""
        path = self.path(shard)
        expected = min(self.shard_size, self.photos - shard * self.shard_size)
        try:
            rows = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise SolarError(f"{path}: damaged ({error}): delete it and extract again") from error
        if not isinstance(rows, np.memmap) or rows.dtype != self.dtype or rows.ndim != 2:
            raise SolarError(f"{path}: not a matrix of {self.dtype}: delete it and extract again")
        if rows.shape[1] != self.dimensions or len(rows) > expected or not rows.flags.c_contiguous:
            raise SolarError(
                f"{path}: of shape {rows.shape}, the manifest says at most "
                f"({expected}, {self.dimensions}): delete it and extract again"
            )
        return rows


def open_shards(folder: str | Path) -> Shards:
    """Read a folder's manifest.

    Raises:
        SolarError: there is none, or it is damaged.
    """
    path = Path(folder) / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        shards = Shards(
            Path(folder),
            dict(manifest["settings"]),
            int(manifest["photos"]),
            int(manifest["shard_size"]),
            str(manifest["dtype"]),
        )
        sound = shards.photos >= 0 and shards.shard_size > 0 and shards.dimensions > 0
    except OSError as error:
        raise SolarError(
            f"{path}: cannot be read ({error.strerror}): no descriptors here"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise SolarError(f"{path}: damaged ({error!r})") from error
    if not sound or shards.dtype not in ("float16", "float32"):
        raise SolarError(f"{path}: damaged (impossible sizes or type)")
    return shards


def create_shards(
    folder: str | Path,
    settings: Mapping[str, Any],
    photos: Sequence[str],
    shard_size: int,
    dtype: str,
) -> Shards:
    """Write a folder's manifest, or join a folder that has the very same one.

    Args:
        folder: made if missing.
        settings: what the descriptors will depend on.
        photos: their names, the same on every machine.
        shard_size: photos per shard.
        dtype: ``float16`` or ``float32``.

    Raises:
        UsageError: the folder is for other settings or other photos.
    """
    folder = Path(folder)
    manifest = {
        "settings": dict(settings),
        "photos": len(photos),
        "photos_sha256": hashlib.sha256("\n".join(photos).encode()).hexdigest(),
        "shard_size": shard_size,
        "dtype": dtype,
    }
    path = folder / "manifest.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as file:
            file.write(json.dumps(manifest, indent=1).encode())
    shards = open_shards(folder)
    require_same(settings, shards.settings, folder, "choose another folder")
    found = json.loads(path.read_text(encoding="utf-8"))
    for name in ("photos", "photos_sha256", "shard_size", "dtype"):
        if found.get(name) != manifest[name]:
            raise UsageError(
                f"{folder}: is for {name} {found.get(name)}, not {manifest[name]}: "
                "choose another folder"
            )
    return shards


def fill(
    shards: Shards,
    describer: Describer,
    photos: Sequence[Path],
    boxes: Sequence[Any] | None = None,
    *,
    part: int = 0,
    parts: int = 1,
    skip_failed: bool = False,
    progress: Callable[[int], None] | None = None,
) -> list[Failure]:
    """Describe the photos of the shards that are missing; a shard is whole or not there.

    Args:
        shards: a folder made for these photos.
        describer: with the folder's settings.
        photos: all of them, in order.
        boxes: one per photo, or None for whole photos.
        part: this machine's, 0 to parts - 1: it fills every ``parts``-th shard.
        parts: machines that share the work.
        skip_failed: keep a shard without the photos that failed; otherwise it stays missing.
        progress: told after each shard how many of this part's photos are done.

    Returns:
        The photos that failed in this run.
    """
    if not 0 <= part < parts:
        raise UsageError(f"part {part} of {parts}: parts count from 0 to {parts - 1}")
    failed, done = [], 0
    for shard in range(part, shards.count, parts):
        span = slice(shard * shards.shard_size, (shard + 1) * shards.shard_size)
        if not shards.path(shard).exists():
            rows, failures = _describe(
                describer, photos[span], boxes and boxes[span], shards.dimensions
            )
            failed += failures
            if skip_failed or not failures:
                _write(shards, shard, rows, failures)
        done += len(photos[span])
        if progress:
            progress(done)
    return failed


def report_failures(failures: Sequence[Failure], total: int) -> str:
    """One line that names the first few."""
    named = some(failure.reason for failure in failures)
    return f"{len(failures)} of {total} photos cannot be described ({named})"


def _describe(
    describer: Describer, photos: Sequence[Path], boxes: Sequence[Any] | None, dimensions: int
) -> tuple[list[NDArray[np.float32]], list[Failure]]:
    results = dict(describer.describe(photos, boxes))
    if sorted(results) != list(range(len(photos))):
        raise SolarError(f"{len(photos)} photos went in, {len(results)} results came out")
    rows, failures = [], []
    for position, photo in enumerate(photos):
        result = results[position]
        if isinstance(result, str):
            failures.append(Failure(str(photo), result))
        elif result.shape != (dimensions,):
            raise SolarError(f"{photo}: descriptor of shape {result.shape}, not ({dimensions},)")
        else:
            rows.append(result)
    return rows, failures


def _write(
    shards: Shards, shard: int, rows: Sequence[NDArray[np.float32]], failures: Sequence[Failure]
) -> None:
    path = shards.path(shard)
    failed = path.with_suffix(".failed.json")
    if failures:
        with write_atomically(failed) as file:
            file.write(json.dumps([vars(failure) for failure in failures], indent=1).encode())
    else:
        failed.unlink(missing_ok=True)
    matrix = np.zeros((len(rows), shards.dimensions), shards.dtype)
    for number, row in enumerate(rows):
        matrix[number] = on_grid(row)
    with write_atomically(path) as file:
        np.save(file, matrix, allow_pickle=False)


def some(names: Iterable[str]) -> str:
    """The first few, and how many more there are."""
    shown = list(names)
    more = f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
    return ", ".join(shown[:_NAMED]) + more
