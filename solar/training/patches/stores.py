"""The patches of a recipe: to train on, and of other photos to validate with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch.nn.functional import interpolate

from solar.datasets.patches.phototour import PhotoTour
from solar.datasets.patches.store import SIDE, IntArray, Part, Patches, PatchStore, open_or_write
from solar.errors import UsageError
from solar.photos import find_photos
from solar.training.patches.points import photo_names, stream
from solar.training.patches.recipe import PatchRecipe, PhotosTable, PhotoTourTable
from solar.training.run.processes import Processes
from solar.training.run.task import Progress

_AT_ONCE = 8192
_HELD_OUT = 5  # every fifth photo is for validation


class PatchSource(Protocol):
    """Patches 32 x 32 and the points that they show."""

    @property
    def point_ids(self) -> IntArray:
        """(N,) the point of every patch."""
        ...

    def patches(self, numbers: IntArray) -> Patches:
        """(len(numbers), 32, 32) patches by number."""
        ...


def open_stores(
    recipe: PatchRecipe, processes: Processes, progress: Progress
) -> tuple[PatchStore, PatchStore]:
    """The patches to train on and to validate with, made when they are not there.

    Args:
        recipe: names photos or scenes, and the store.
        processes: of which the first makes the patches.
        progress: told how many photos, or parts of scenes, are done.

    Raises:
        UsageError: a folder without photos, or a store that was made with other settings.
    """

    def stores() -> tuple[PatchStore, PatchStore]:
        if recipe.photos:
            return _of_photos(recipe, recipe.photos, progress)
        assert recipe.phototour  # noqa: S101 - narrows the type
        return _of_scenes(recipe.base, recipe.phototour, progress)

    if processes.first:
        stores()
    processes.wait()
    return stores()


def _of_photos(
    recipe: PatchRecipe, table: PhotosTable, progress: Progress
) -> tuple[PatchStore, PatchStore]:
    training: list[Path] = []
    held_out: list[Path] = []
    for name in table.folders:
        found = find_photos(recipe.base / name)
        if not found:
            raise UsageError(f"[photos] folders: {recipe.base / name} has no photos")
        if name == table.held_out:
            held_out = found[::_HELD_OUT]
            found = [path for number, path in enumerate(found) if number % _HELD_OUT]
        training += found

    def store(name: str, paths: list[Path]) -> PatchStore:
        parts = stream(paths, table.seed, recipe.patches, table.workers)
        made_with = {"photos": photo_names(paths), "seed": table.seed, **asdict(recipe.patches)}
        counted = _counted(parts, len(paths), f"{name} patches", progress)
        return open_or_write(recipe.base / table.store / name, counted, made_with)

    return store("training", training), store("validation", held_out)


def _of_scenes(
    base: Path, table: PhotoTourTable, progress: Progress
) -> tuple[PatchStore, PatchStore]:
    def store(name: str, folders: tuple[str, ...]) -> PatchStore:
        scenes = [PhotoTour(base / folder) for folder in folders]
        made_with = {"scenes": [[scene.name, len(scene)] for scene in scenes]}
        parts = _counted(scene_points(scenes), 0, f"{name} patches", progress)
        return open_or_write(base / table.store / name, parts, made_with)

    return store("training", table.scenes), store("validation", (table.held_out,))


def scene_points(scenes: Sequence[PhotoTour]) -> Iterator[Part]:
    """Patches and point ids of scenes, for `solar.datasets.patches.store`.

    Patches are halved bilinearly, as `PatchDescriptor.of_patches` does. The ids of a
    scene start where those of the scene before end.

    Args:
        scenes: any number.

    Yields:
        Patches (n, 32, 32) uint8 and (n,) point ids, ascending.
    """
    after = 0
    for scene in scenes:
        ids = np.unique(scene.point_ids, return_inverse=True)[1].reshape(-1) + after
        order = np.argsort(ids, kind="stable")
        for start in range(0, len(order), _AT_ONCE):
            numbers = order[start : start + _AT_ONCE]
            patches = torch.from_numpy(scene.patches(numbers)).float()[:, None]
            halved = interpolate(patches, (SIDE, SIDE), mode="bilinear")
            yield halved[:, 0].round().byte().numpy(), ids[numbers]
        after += len(np.unique(ids))


def _counted(parts: Iterable[Part], total: int, what: str, progress: Progress) -> Iterator[Part]:
    for number, part in enumerate(parts, 1):
        progress(what, number, max(number, total))
        yield part
