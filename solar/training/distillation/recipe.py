"""A recipe of distillation: everything that it depends on, beside the teacher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from torch import Tensor

from solar.errors import UsageError
from solar.models.config import GlobalConfig
from solar.training.run.tables import FREE, OUTSIDE, Precision, Ranged, number

Teacher = Callable[[Tensor], Tensor]
"""(B, 3, side, side) uint8 -> (B, C, h, w) float32, non-negative."""


@dataclass(frozen=True)
class Phase(Ranged):
    """One of [[distillation.phases]]: an epoch.

    Attributes:
        crops: how many.
        side: of the student's input in pixels.
    """

    crops: int = number()
    side: int = number()


@dataclass(frozen=True)
class Distillation(Ranged):
    """Table [distillation]: AdamW on random crops.

    Attributes:
        phases: one after the other.
        start: checkpoint `state.pt` of an earlier distillation that weights are taken from;
            attention blocks that it lacks start fresh, which is the identity.
        teacher_side: of the teacher's input and of the crops, in pixels.
        batch: crops of a step, over all processes.
        learning_rate: AdamW's, at its plateau.
        weight_decay: AdamW's.
        warmup: crops over which the rate rises from 0.
        cooldown: last crops, over which it falls to 0.
        area: least and greatest share of a photo in a crop.
        jitter: relative change of light in what the student sees.
        whitened: dimensions of the teacher's whitened descriptor.
        statistics: crops from which the teacher's mean, spread and whitening are taken.
        precision: "auto" is bfloat16 where the device is fast at it.
        seed: of everything random.
        workers: processes that decode photos.
    """

    phases: tuple[Phase, ...]
    start: str | None = None
    teacher_side: int = number(224)
    batch: int = number(64)
    learning_rate: float = number(1e-3, 0)
    weight_decay: float = number(0.02, 0)
    warmup: int = number(16_000)
    cooldown: int = number(150_000)
    area: tuple[float, float] = (0.2, 1.0)
    jitter: float = number(0.3, 0)
    whitened: int = number(256)
    statistics: int = number(4096)
    precision: Precision = "auto"
    seed: int = number(0, 0)
    workers: int = number(1, 0, **FREE)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.area) != 2 or not 0 < self.area[0] <= self.area[1] <= 1:
            raise UsageError(f"area {list(self.area)}: use two shares of a photo, the lesser first")
        if self.crops < self.batch:
            raise UsageError(f"the phases have {self.crops} crops, a batch {self.batch}: add crops")

    @property
    def crops(self) -> int:
        """In all phases."""
        return sum(phase.crops for phase in self.phases)

    def starts(self) -> list[int]:
        """The first step of each phase, and the end: a batch has the side of its first crop."""
        ends, whole = accumulate(phase.crops for phase in self.phases), self.crops // self.batch
        return [0, *(min(-(-end // self.batch), whole) for end in ends)]

    def rate(self, seen: int) -> float:
        """Learning rate after so many crops: rise, plateau, straight fall."""
        rise, fall = seen / self.warmup, (self.crops - seen) / self.cooldown
        return self.learning_rate * min(1.0, rise, fall)


@dataclass(frozen=True)
class DistillationRecipe:
    """Everything that a distillation depends on: the tables of a TOML file, and the teacher.

    Attributes:
        model: the student.
        photos: folders, and how often one of their photos is drawn, relative to the others.
        distillation: how it learns.
        teacher: whom it learns from; given by who calls, as no file can say it.
        base: the folder that relative paths refer to.
    """

    model: GlobalConfig
    photos: dict[str, float]
    distillation: Distillation
    teacher: Teacher | None = field(default=None, metadata=OUTSIDE, compare=False)
    base: Path = field(default_factory=Path, metadata=OUTSIDE)
