"""A recipe of distillation: everything that it depends on, beside the teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from torch import Tensor

from solar.errors import UsageError
from solar.models.config import GlobalConfig
from solar.training.distillation.views import Ways
from solar.training.run.tables import OUTSIDE, Precision, Ranged, number

Teacher = Callable[[Tensor], Sequence[Tensor]]
"""(B, 3, side, side) uint8 -> of each of its networks a (B, C, h, w) float32, non-negative."""


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
    """Table [distillation]: AdamW on random crops, each seen twice.

    Attributes:
        phases: one after the other.
        targets: file of descriptors of the untouched photos, by any networks, that stand in for a
            teacher, see `solar.extraction.given`; photos that it lacks are left out.
        start: checkpoint `state.pt` of an earlier distillation, or a model folder, that weights are
            taken from; attention blocks that it lacks start fresh, which is the identity.
        kept_side: of the squares that photos are kept as in memory, in pixels.
        teacher_side: of the teacher's input, in pixels.
        batch: crops of a step, over all processes; the student sees two views of each.
        learning_rate: AdamW's, at its plateau.
        weight_decay: AdamW's.
        warmup: crops over which the rate rises from 0.
        cooldown: last crops, over which it falls to 0.
        area: least and greatest share of a photo in a crop.
        jitter: relative change of light in what the student sees.
        shift: greatest way of another visit's corners into the crop, as a share of its sides.
        turn: greatest rotation of another visit, in degrees.
        covered: greatest side of what stands before another visit, as a share of the view's.
        whitened: dimensions of the whitened descriptor of each of the teacher's networks.
        power: of that whitening.
        statistics: crops from which the teacher's mean, spread and whitening are taken.
        precision: "auto" is bfloat16 where the device is fast at it.
        seed: of everything random.
    """

    phases: tuple[Phase, ...]
    targets: str | None = None
    start: str | None = None
    kept_side: int = number(320)
    teacher_side: int = number(224)
    batch: int = number(64)
    learning_rate: float = number(1e-3, 0)
    weight_decay: float = number(0.02, 0)
    warmup: int = number(16_000)
    cooldown: int = number(150_000)
    area: tuple[float, float] = (0.2, 1.0)
    jitter: float = number(0.3, 0, 1)
    shift: float = number(0.2, 0, 0.4)
    turn: float = number(10.0, 0, 45)
    covered: float = number(0.4, 0, 1)
    whitened: int = number(512)
    power: float = number(0.5, 0, 1)
    statistics: int = number(4096)
    precision: Precision = "auto"
    seed: int = number(0, 0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.area) != 2 or not 0 < self.area[0] <= self.area[1] <= 1:
            raise UsageError(f"area {list(self.area)}: use two shares of a photo, the lesser first")
        if self.crops < self.batch:
            raise UsageError(f"the phases have {self.crops} crops, a batch {self.batch}: add crops")
        if self.statistics <= self.whitened:
            few = (
                f"statistics of {self.statistics} crops cannot whiten to {self.whitened} dimensions"
            )
            raise UsageError(f"{few}: take more crops")

    @property
    def crops(self) -> int:
        """In all phases."""
        return sum(phase.crops for phase in self.phases)

    @property
    def ways(self) -> Ways:
        """How crops and visits differ."""
        return Ways(self.area, self.jitter, self.shift, self.turn, self.covered)

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
        teacher: whom it learns from, unless it has targets; given by who calls, as no file can say
            it.
        base: the folder that relative paths refer to.
    """

    model: GlobalConfig
    photos: dict[str, float]
    distillation: Distillation
    teacher: Teacher | None = field(default=None, metadata=OUTSIDE, compare=False)
    base: Path = field(default_factory=Path, metadata=OUTSIDE)
