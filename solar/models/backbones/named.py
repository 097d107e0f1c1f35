"""The backbones that a network's settings can name."""

from __future__ import annotations

from collections.abc import Callable

from solar.errors import UsageError
from solar.models.backbones.backbone import Backbone
from solar.models.backbones.plain import PLAIN, plain
from solar.models.backbones.resnet import RESNETS, resnet
from solar.models.registry import TIMM

BACKBONES: dict[str, Callable[[str], Backbone]] = {
    **dict.fromkeys(RESNETS, resnet),
    **dict.fromkeys(PLAIN, plain),
}
"""By name, what builds it, given that name; a backbone of one's own is one more entry."""


def build_backbone(name: str) -> Backbone:
    """A backbone with random weights.

    Args:
        name: one of `BACKBONES`, or `timm:` and a name of timm's.

    Raises:
        UsageError: an unknown name; lists those there are.
        MissingPackage: timm is not installed.
    """
    if name.startswith(TIMM):
        from solar.models.backbones.timm import timm_backbone

        return timm_backbone(name)
    if name not in BACKBONES:
        raise UsageError(
            f"unknown backbone '{name}': use one of {', '.join(BACKBONES)}, {TIMM}NAME"
        )
    return BACKBONES[name](name)
