"""A recipe of patches: everything that the training of a local network depends on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from solar.errors import UsageError
from solar.models.config import LocalConfig, Provenance
from solar.training.patches.points import PairSettings
from solar.training.run.tables import FREE, OUTSIDE, Precision, Ranged, number


@dataclass(frozen=True)
class PhotosTable(Ranged):
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
    seed: int = number(0, 0)
    workers: int = number(1, 0, **FREE)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.held_out not in self.folders:
            raise UsageError(f"held_out: '{self.held_out}' is not among the folders")


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
class PatchTraining(Ranged):
    """Table [training]: Adam on batches of points.

    Attributes:
        steps: batches.
        points: of a batch over all processes, two patches of each.
        learning_rate: Adam's, at its peak.
        warmup: steps over which the rate rises from 0; then it falls in a straight line to 0.
        loss: "sosnet", hardest triplets and second-order similarity; "hardnet", hardest triplets
            across the views; or "l2net", relative distances, correlations, and maps inside the
            network after its first and its last batch norm.
        margin: of the triplets, in distances.
        sos: weight of SOSNet's second-order similarity.
        neighbours: of a point in the second-order similarity.
        graph: which neighbours: the "paper"'s or its author's "release"'s, see
            `neighbour_sos_loss`.
        turned: mirror and turn both patches of a pair alike, at random.
        precision: "auto" is bfloat16 where the device is fast at it.
        seed: of everything random.
        validate_every: steps of an epoch, after which the network is validated.
        validation_points: at most so many.
    """

    steps: int = number()
    points: int = number(512)
    learning_rate: float = number(1e-2, 0)
    warmup: int = number(0, 0)
    loss: Literal["sosnet", "hardnet", "l2net"] = "sosnet"
    margin: float = number(1.0, 0)
    sos: float = number(1.0, 0)
    neighbours: int = number(8)
    graph: Literal["paper", "release"] = "paper"
    turned: bool = True
    precision: Precision = "auto"
    seed: int = number(0, 0)
    validate_every: int = number(200)
    validation_points: int = number(4096)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.warmup >= self.steps:
            raise UsageError(f"warmup is {self.warmup} of {self.steps} steps; make it shorter")

    def rate(self, step: int) -> float:
        """Learning rate of a step: rise, then a straight fall to 0."""
        rise = (step + 1) / (self.warmup + 1)
        return self.learning_rate * min(rise, (self.steps - step) / (self.steps - self.warmup))


@dataclass(frozen=True)
class PatchRecipe:
    """Everything that a training from patches depends on: the tables of a TOML file.

    Attributes:
        training: how it learns.
        photos: where patches come from, or
        phototour: where they come from.
        patches: how they are made of photos.
        model: where attention sits.
        provenance: what the weights say about themselves.
        base: the folder that relative paths refer to.
    """

    training: PatchTraining
    photos: PhotosTable | None = None
    phototour: PhotoTourTable | None = None
    patches: PairSettings = field(default_factory=PairSettings)
    model: LocalConfig = field(default_factory=LocalConfig)
    provenance: Provenance = field(default_factory=Provenance)
    base: Path = field(default_factory=Path, metadata=OUTSIDE)

    def __post_init__(self) -> None:
        if (self.photos is None) == (self.phototour is None):
            raise UsageError("needs either [photos] or [phototour]")
        if self.phototour and self.patches != PairSettings():
            raise UsageError("[patches] belongs to [photos]")
