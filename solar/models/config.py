"""What networks are, as plain values: readable and comparable without torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from solar.errors import UsageError
from solar.photos import require_sizes

RGB = tuple[float, float, float]

POOLINGS = ("gem", "gem-channel", "mac", "spoc", "rmac", "crow", "netvlad-64")
"""Names of poolings; netvlad takes any number of clusters, as netvlad-16."""
MOST_CLUSTERS = 256
CONTRASTS = ("variance", "deviation")
_MOST_MULTIPLE = 1024
# Channels inside the patch network's attention after a layer (Ng et al., section 4.2).
LOCAL_MIDS = {3: 16, 4: 16, 5: 64, 6: 64}


@dataclass(frozen=True)
class GlobalConfig:
    """What a global network is and how it sees photos.

    Attributes:
        backbone: a name in `solar.models.backbones.named.BACKBONES`, or `timm:` and a name of
            timm's.
        attention: names of the backbone's stages that second-order attention follows.
        pooling: one of `POOLINGS`, or netvlad with another number of clusters, as netvlad-16.
        regional: pool by regions, each of them whitened by a layer.
        whitening: output dimensions of the whitening layer; None for no such layer.
        mean: per channel, of RGB in 0-1; None for what the backbone wants.
        std: likewise.
        image_size: limit of a photo's longest side, in pixels, that the model is meant for.
        scales: at which descriptors are averaged.
        multiple: photos are cut to sides of a multiple of so many pixels, their middle is kept;
            the backbone says so.

    Raises:
        UsageError: a value is out of range. Names of stages and of the backbone, and dimensions
            that the backbone does not have, are refused when the network is built.
    """

    backbone: str = "resnet101"
    attention: tuple[str, ...] = ("conv4_x", "conv5_x")
    pooling: str = "gem"
    regional: bool = False
    whitening: int | None = None
    mean: RGB | None = None
    std: RGB | None = None
    image_size: int = 1024
    scales: tuple[float, ...] = (1.0, 2**0.5, 2**-0.5)
    multiple: int = 1

    def __post_init__(self) -> None:
        require_pooling(self.pooling, self.regional)
        if len(set(self.attention)) < len(self.attention):
            raise UsageError(f"attention {', '.join(self.attention)}: name each stage once")
        if not all(0 <= value <= 1 for value in self.mean or ()):  # also false for no number
            raise UsageError(f"mean {self.mean}: use 0 to 1")
        if not all(1e-3 <= value <= 1e3 for value in self.std or ()):
            raise UsageError(f"std {self.std}: use 0.001 to 1000")
        if not 1 <= self.multiple <= _MOST_MULTIPLE:
            raise UsageError(f"sides of a multiple of {self.multiple}: use 1 to {_MOST_MULTIPLE}")
        require_sizes(self.image_size, self.scales)

    def require_attention(self, stage: str, where: str) -> None:
        """Refuse a stage that no attention follows.

        Raises:
            UsageError: see above; lists those that it follows.
        """
        if stage not in self.attention:
            have = ", ".join(self.attention) or "nowhere"
            raise UsageError(f"{where}: no attention after {stage}; it has: {have}")

    @property
    def power_mean(self) -> bool:
        """Whether scales are averaged with the pooling's p, as published for GeM alone."""
        return self.pooling == "gem" and not (self.regional or self.attention or self.whitening)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> GlobalConfig:
        """Read what `dataclasses.asdict` and JSON made.

        Raises:
            KeyError: a value is missing.
            TypeError: a value is of another kind; ValueError likewise.
            UsageError: a value is out of range.
        """
        whitening = values["whitening"]
        return cls(
            backbone=str(values["backbone"]),
            attention=tuple(str(stage) for stage in values["attention"]),
            pooling=str(values["pooling"]),
            regional=bool(values["regional"]),
            whitening=None if whitening is None else int(whitening),
            mean=rgb(values["mean"]),
            std=rgb(values["std"]),
            image_size=int(values["image_size"]),
            scales=tuple(float(scale) for scale in values["scales"]),
            multiple=int(values.get("multiple", 1)),
        )


@dataclass(frozen=True)
class LocalConfig:
    """What a local network is.

    Attributes:
        attention: layers followed by second-order attention, of 3, 4, 5 and 6.
        contrast: what a patch's grey, its mean taken away, is divided by: "variance" is the root
            of the variance + 1e-5, as in SOSNet; "deviation" that of the unbiased one, as in
            HardNet.
    """

    attention: tuple[int, ...] = (3, 4, 5)
    contrast: str = "variance"

    def __post_init__(self) -> None:
        if self.contrast not in CONTRASTS:
            raise UsageError(f"contrast '{self.contrast}': use {' or '.join(CONTRASTS)}")
        if not set(self.attention) <= LOCAL_MIDS.keys():
            raise UsageError(f"attention after layers {self.attention}: use 3, 4, 5 and 6 only")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> LocalConfig:
        """Read what `dataclasses.asdict` and JSON made; raises as `GlobalConfig.from_json`."""
        return cls(tuple(int(layer) for layer in values["attention"]), str(values["contrast"]))


@dataclass(frozen=True)
class Provenance:
    """Where weights come from.

    Attributes:
        trained_on: the photos.
        recipe: the command or file that made them.
        commit: of this project at that time.
        licence: of the weights.
    """

    trained_on: str = "nothing: random initial weights"
    recipe: str = ""
    commit: str = ""
    licence: str = ""


def clusters_of(pooling: str) -> int | None:
    """How many clusters a pooling by NetVLAD has; None of any other."""
    found = re.fullmatch(r"netvlad-([1-9]\d{0,5})", pooling)
    return None if found is None else int(found[1])


def pooled_dimensions(pooling: str, channels: int) -> int:
    """Of what a pooling gives for a map of so many channels."""
    return channels * (clusters_of(pooling) or 1)


def require_pooling(pooling: str, regional: bool = False) -> None:
    """Refuse a pooling that there is not.

    Raises:
        UsageError: an unknown name, a number of clusters out of range, or regions of a pooling
            that has none.
    """
    clusters = clusters_of(pooling)
    if pooling not in POOLINGS and clusters is None:
        raise UsageError(f"unknown pooling '{pooling:.60}': use one of {', '.join(POOLINGS)}")
    if clusters is not None and not 2 <= clusters <= MOST_CLUSTERS:
        raise UsageError(f"pooling {pooling}: use 2 to {MOST_CLUSTERS} clusters")
    if regional and (clusters is not None or pooling == "crow"):
        raise UsageError(f"pooling {pooling}: is not done by regions")


def stage_index(names: Sequence[str], stage: str | int, where: str) -> int:
    """Which of a backbone's stages is meant, from 0.

    Args:
        names: of all stages, in order.
        stage: a name, or a number, from 1 as the paper counts: conv5_x is 5.
        where: what has the stages, for messages.

    Raises:
        UsageError: there is no such stage; lists those there are.
    """
    for index, name in enumerate(names):
        if str(stage) in (name, str(index + 1)):
            return index
    wanted = f"use one of {', '.join(names)}, or 1 to {len(names)}"
    raise UsageError(f"{where}: no stage '{stage}': {wanted}")


def rgb(values: Any) -> RGB:
    """Three numbers of a file, one per channel.

    Raises:
        TypeError: not numbers.
        ValueError: more or fewer than three.
    """
    red, green, blue = (float(v) for v in values)
    return red, green, blue
