"""Training of a local network from a recipe: patches first, then the network, then its weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from solar.datasets.patches.phototour import PhotoTour
from solar.datasets.patches.store import Part, PatchStore, open_or_write
from solar.errors import UsageError
from solar.models.checkpoints import save
from solar.models.local_descriptor import LocalDescriptor
from solar.photos import find_photos
from solar.training.patches.loop import STATE, Report, train_local
from solar.training.patches.phototour import scene_points
from solar.training.patches.points import PairSettings, photo_names, stream
from solar.training.patches.recipe import PhotosTable, PhotoTourTable, read_local_recipe

_HELD_OUT = 5  # every fifth photo is for validation

Stores = tuple[PatchStore, PatchStore]


def train(recipe: Mapping[str, Any], base: Path, to: Path, *, resume: bool, report: Report) -> Path:
    """Train the local network of a recipe.

    Args:
        recipe: the tables of its TOML file; see `read_local_recipe`.
        base: folder that the recipe's paths refer to.
        to: folder of `log.jsonl`, of the checkpoint `state.pt`, and of `model` in the end.
        resume: go on with the run that the folder holds, exactly.
        report: called with every line of the log, and while patches are made.

    Returns:
        The folder of the finished network, float16; `solar.load_local` takes it.

    Raises:
        UsageError: the recipe is not right, `to` holds a run and `resume` is not asked for, holds
            none and it is, or holds a finished one.
        SolarError: photos, patches or a checkpoint that cannot be used.
    """
    settings = read_local_recipe(recipe)
    model_folder = to / "model"
    if model_folder.exists():
        raise UsageError(f"{model_folder}: this run is finished; train to another folder")
    if resume != (to / STATE).exists():
        odd = "holds no checkpoint; leave --resume out" if resume else "holds a run; --resume it"
        raise UsageError(f"{to}: {odd}, or choose another folder")
    if isinstance(settings.source, PhotosTable):
        stores = photo_stores(settings.source, settings.patches, base, report)
    else:
        stores = scene_stores(settings.source, base, report)
    torch.manual_seed(settings.training.seed)
    model = LocalDescriptor(settings.model, settings.provenance, to.name)
    train_local(model, *stores, settings.training, to, report)
    save(model, model_folder, torch.float16)
    return model_folder


def photo_stores(table: PhotosTable, settings: PairSettings, base: Path, report: Report) -> Stores:
    """The patches of photos to train on and to validate with, made when they are not there.

    Raises:
        UsageError: a folder without photos, or a store that was made with other settings.
    """
    training: list[Path] = []
    held_out: list[Path] = []
    for name in table.folders:
        found = find_photos(base / name)
        if not found:
            raise UsageError(f"[photos] folders: {base / name} has no photos")
        if name == table.held_out:
            held_out = found[::_HELD_OUT]
            found = [path for number, path in enumerate(found) if number % _HELD_OUT]
        training += found

    def store(name: str, paths: list[Path]) -> PatchStore:
        parts = stream(paths, table.seed, settings, table.workers)
        made_with = {"photos": photo_names(paths), "seed": table.seed, **asdict(settings)}
        counted = _counted(parts, "photos", len(paths), report)
        return open_or_write(base / table.store / name, counted, made_with)

    return store("training", training), store("validation", held_out)


def scene_stores(table: PhotoTourTable, base: Path, report: Report) -> Stores:
    """The patches of scenes to train on and to validate with, made when they are not there."""

    def store(name: str, folders: tuple[str, ...]) -> PatchStore:
        scenes = [PhotoTour(base / folder) for folder in folders]
        made_with = {"scenes": [[scene.name, len(scene)] for scene in scenes]}
        parts = _counted(scene_points(scenes), "parts", None, report)
        return open_or_write(base / table.store / name, parts, made_with)

    return store("training", table.scenes), store("validation", (table.held_out,))


def _counted(parts: Iterable[Part], what: str, total: int | None, report: Report) -> Iterator[Part]:
    """The parts; every fiftieth is reported."""
    for number, part in enumerate(parts, 1):
        if number % 50 == 0 or number == total:
            report({what: number, "of": total} if total else {what: number})
        yield part
