"""A recipe of a local network: everything that its training depends on, from one TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from solar.errors import UsageError
from solar.models.config import LocalConfig, Provenance
from solar.photos.augment import Visit
from solar.training.patches.loop import LocalTraining
from solar.training.patches.points import USUAL, PairSettings
from solar.training.run.tables import read_table, refuse_unknown


@dataclass(frozen=True)
class PhotosTable:
    """Table [photos]: photos without labels; their places are photographed again.

    Attributes:
        folders: of photos.
        held_out: the one of them whose every fifth photo is for validation.
        store: folder of the patches, made when it is not there; runs may share it.
        seed: of everything random in the patches.
        workers: processes that make the patches.
    """

    folders: tuple[str, ...]
    held_out: str
    store: str
    seed: int = 0
    workers: int = 1

    def __post_init__(self) -> None:
        if self.held_out not in self.folders:
            raise UsageError(f"held_out: '{self.held_out}' is not among the folders")
        if self.workers < 0 or self.seed < 0:
            raise UsageError("workers and seed start at 0")


@dataclass(frozen=True)
class PhotoTourTable:
    """Table [phototour]: scenes of PhotoTour, unpacked.

    Attributes:
        scenes: folders of those to train on.
        held_out: folder of the one to validate with.
        store: folder of the patches at 32 x 32, made when it is not there; runs may share it.
    """

    scenes: tuple[str, ...]
    held_out: str
    store: str


@dataclass(frozen=True)
class LocalRecipe:
    """Everything that a training depends on.

    Attributes:
        model: where attention sits.
        source: where patches come from.
        training: how it learns.
        patches: how patches are made of photos.
        provenance: what the weights say about themselves.
    """

    model: LocalConfig
    source: PhotosTable | PhotoTourTable
    training: LocalTraining
    patches: PairSettings = field(default_factory=PairSettings)
    provenance: Provenance = field(default_factory=Provenance)


def read_local_recipe(tables: Mapping[str, Any]) -> LocalRecipe:
    """A recipe from the tables of a TOML file.

    Args:
        tables: [model], [photos] with [patches] and [patches.visit], or [phototour], [training],
            [provenance].

    Raises:
        UsageError: an unknown table or key, a value of a wrong type or out of range, or neither
            [photos] nor [phototour].
    """
    known = {"model", "photos", "phototour", "patches", "training", "provenance"}
    refuse_unknown(tables, known, "recipe")
    if ("photos" in tables) == ("phototour" in tables):
        raise UsageError("recipe: needs either [photos] or [phototour]")
    if "phototour" in tables and "patches" in tables:
        raise UsageError("recipe: [patches] belongs to [photos]")
    model = {key: value for key, value in tables.get("model", {}).items() if key != "kind"}
    source: PhotosTable | PhotoTourTable = (
        read_table(PhotosTable, tables["photos"], "[photos]")
        if "photos" in tables
        else read_table(PhotoTourTable, tables["phototour"], "[phototour]")
    )
    return LocalRecipe(
        read_table(LocalConfig, model, "[model]"),
        source,
        read_table(LocalTraining, tables.get("training", {}), "[training]"),
        _pair_settings(tables.get("patches", {})),
        read_table(Provenance, tables.get("provenance", {}), "[provenance]"),
    )


def _pair_settings(table: Mapping[str, Any]) -> PairSettings:
    """[patches]; what [patches.visit] leaves out is as in `patch_pairs.USUAL`."""
    visit = read_table(Visit, {**USUAL, **table.get("visit", {})}, "[patches.visit]")
    return read_table(PairSettings, {**table, "visit": visit}, "[patches]")
