"""A recipe of retrieval: everything that the training of a global network depends on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from solar.errors import UsageError
from solar.models.config import require_pooling
from solar.photos.augment import Visit
from solar.training.run.tables import FREE, OUTSIDE, Precision, Ranged, number

SCALES = 1 / 16, 8  # least and greatest


@dataclass(frozen=True)
class Start:
    """Table [model]: the network that training starts from.

    Attributes:
        start: what `solar.load` takes.
        attention: names of stages with second-order attention; where the start has none, a
            fresh block.
        freeze: this stage and those before it stay as they are; "nothing" trains all. The released
            code freezes up to conv4_x, and conv5_x in effect: its optimiser does not get it.
        pooling: another than the start's, whose whitening layer goes with it; NetVLAD's clusters
            start where k-means finds them in the recipe's photos. None for the start's own.
    """

    start: str
    attention: tuple[str, ...] = ("conv4_x", "conv5_x")
    freeze: str = "conv4_x"
    pooling: str | None = None

    def __post_init__(self) -> None:
        if self.pooling is not None:
            require_pooling(self.pooling)


@dataclass(frozen=True)
class Source(Ranged):
    """One of [[photos]]: photos, and how many of them an epoch uses.

    Attributes:
        places: photos with labels: anything that `solar data check` reads.
        folder: photos without labels: a tuple's query and positive are two views of one photo.
        photos: folder that the labels' paths refer to; None for that of the labels.
        boxes: further files with boxes.
        queries: tuples drawn for an epoch.
        pool: photos, not places, drawn for an epoch, among which negatives are looked for; all
            there are where they are fewer. Queries and positives are not counted.
    """

    places: str | None = None
    folder: str | None = None
    photos: str | None = None
    boxes: tuple[str, ...] = ()
    queries: int = number(2000)
    pool: int = number(20_000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.places is None) == (self.folder is None):
            raise UsageError("give either 'places', photos with labels, or 'folder', photos alone")
        if self.folder is not None and (self.photos is not None or self.boxes):
            raise UsageError("'photos' and 'boxes' belong to 'places'")


@dataclass(frozen=True)
class TupleSettings(Ranged):
    """Table [tuples]: a query, a positive and negatives, and how they are seen.

    Attributes:
        negatives: in a tuple.
        image_size: side of a square crop, or limit of a whole photo's longest side, in pixels.
        crop: "square", a random square of the short side, as in the paper; or "whole".
        pool_image_size: limit of the longest side while negatives are looked for, in pixels.
    """

    negatives: int = number(5)
    image_size: int = number(1024)
    crop: Literal["square", "whole"] = "square"
    pool_image_size: int = number(1024)


@dataclass(frozen=True)
class LossSettings(Ranged):
    """Table [loss]: first order + weight x second-order similarity.

    Attributes:
        first_order: "triplet", "contrastive", or "ap", the average precision of a tuple's list.
        margin: of the triplet loss, or the contrastive one, whose published margin is 0.7.
        second_order: a variant of `solar.training.losses.sos_loss`, or "none".
        weight: the paper's lambda.
        levels: of cosines, at which average precision is counted.
    """

    first_order: Literal["triplet", "contrastive", "ap"] = "triplet"
    margin: float = number(1.25, 0)
    second_order: Literal["batch", "absolute", "query", "none"] = "batch"
    weight: float = number(10.0, 0)
    levels: int = number(20, 3)


@dataclass(frozen=True)
class Optimisation(Ranged):
    """Table [optimiser]: Adam, whose rate falls by exp(-decay) after every epoch.

    Attributes:
        epochs: how many.
        max_steps: of all epochs together, after which training ends; None for no limit.
        tuples: in a step, over all processes.
        learning_rate: of every weight but the pooling's p, which gets 100 times as much.
        decay: of the rate.
        weight_decay: of every weight but p.
        attention_rate: factor on the rate of the attention blocks.
        rates: factors on the rate of stages, by their names; 1 for a stage that is not named.
        chunk: images that go through the network at once; more than so many in a step are dealt
            with by cached gradients.
        precision: "auto" is bfloat16 where the device is fast at it.
        seed: of everything random.
        workers: processes that read photos.
    """

    epochs: int = number(100)
    max_steps: int | None = number(None)
    tuples: int = number(8)
    learning_rate: float = number(1e-6, 0)
    decay: float = number(0.01, 0)
    weight_decay: float = number(0.0, 0)
    attention_rate: float = number(1.0, 0)
    rates: dict[str, float] = field(default_factory=dict)
    chunk: int = number(56)
    precision: Precision = "auto"
    seed: int = number(0, 0)
    workers: int = number(2, 0, **FREE)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(0 <= rate < math.inf for rate in self.rates.values()):
            raise UsageError("rates must not be negative")

    def rate(self, epoch: int) -> float:
        """Learning rate of an epoch, counted from 0."""
        return self.learning_rate * math.exp(-self.decay * epoch)


@dataclass(frozen=True)
class ValidationSettings(Ranged):
    """Table [validation]: photos that choose the best epoch; never those that are reported.

    Attributes:
        places: a folder whose sub-folders are places; each photo is a query in turn.
        image_size: limit of a photo's longest side, in pixels; None for the model's own.
        scales: None for the model's own.
        every: epochs between validations.
    """

    places: str
    image_size: int | None = number(None)
    scales: tuple[float, ...] | None = number(None, *SCALES)
    every: int = number(1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scales == ():
            raise UsageError("scales: give one or more, or leave them out")


@dataclass(frozen=True)
class RetrievalRecipe:
    """Everything that a training from tuples depends on: the tables of a TOML file.

    Attributes:
        model: what it starts from.
        photos: what it learns from.
        tuples: how photos are put together.
        loss: what is minimised.
        optimiser: how.
        validation: what chooses the best epoch; None takes the last.
        visit: how different the two views of a photo without labels are.
        base: the folder that relative paths refer to.
    """

    model: Start
    photos: tuple[Source, ...]
    tuples: TupleSettings = field(default_factory=TupleSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    optimiser: Optimisation = field(default_factory=Optimisation)
    validation: ValidationSettings | None = None
    visit: Visit = field(default_factory=Visit)
    base: Path = field(default_factory=Path, metadata=OUTSIDE)
