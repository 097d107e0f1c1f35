"""Descriptors of keypoints, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from solar.features.keypoints import KeypointDescriptor
from solar.features.orb import Orb
from solar.features.patch_descriptor import FLOORS, open_patch_descriptor, refuse_unknown
from solar.features.sift import Sift

HAND_MADE: dict[str, Callable[[], KeypointDescriptor]] = {
    "rootsift": Sift,
    "sift": partial(Sift, root=False),
    "orb": Orb,
}
"""Descriptors that look at photos themselves; all others look at patches."""


def open_descriptor(name: str | Path, device: str = "auto") -> KeypointDescriptor:
    """A descriptor of keypoints.

    Args:
        name: `rootsift`, `sift`, `orb`, or what `open_patch_descriptor` takes.
        device: where a network runs; `auto` for the graphics processor if there is one.

    Raises:
        CheckpointError: the file or folder is no such network.
        UsageError: there is none of this name, or no such device.
    """
    if isinstance(name, str) and name in HAND_MADE:
        return HAND_MADE[name]()
    refuse_unknown(name, (*HAND_MADE, *FLOORS))
    return open_patch_descriptor(name, device)
