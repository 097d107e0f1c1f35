"""Descriptors of keypoints, by name."""

from __future__ import annotations

import hashlib
from pathlib import Path

from solar.features.keypoints import KeypointDescriptor
from solar.features.orb import orb
from solar.features.patch_descriptor import FLOORS, open_patch_descriptor, refuse_unknown
from solar.features.sift import detected, root_sift, sift


def _digest(what: str) -> str:
    return hashlib.sha256(what.encode()).hexdigest()


HAND_MADE = {
    "rootsift": KeypointDescriptor(
        "RootSIFT", _digest("RootSIFT of OpenCV's SIFT keypoints"), 128, root_sift, 4, detected
    ),
    "sift": KeypointDescriptor(
        "SIFT", _digest("SIFT of OpenCV's SIFT keypoints"), 128, sift, bits=4
    ),
    "orb": KeypointDescriptor("ORB", _digest("ORB of OpenCV, as patches"), 256, orb, bits=1),
}
"""Descriptors that look at photos themselves; all others look at patches."""

DEFAULT = "rootsift"
"""Whose features an index keeps; docs/decisions/0005-keypoints.md says why."""


def open_descriptor(
    name: str | Path, device: str = "auto", precision: str = "auto", engine: str = "auto"
) -> KeypointDescriptor:
    """A descriptor of keypoints.

    Args:
        name: `rootsift`, `sift`, `orb`, or what `open_patch_descriptor` takes.
        device: where a network runs; `auto` for the graphics processor if there is one.
        precision: of a network's arithmetic; see `open_patch_descriptor`.
        engine: that runs a network; likewise.

    Raises:
        CheckpointError: the file or folder is no such network.
        UsageError: there is none of this name, or no such device or precision.
    """
    if isinstance(name, str) and name in HAND_MADE:
        return HAND_MADE[name]
    refuse_unknown(name, (*HAND_MADE, *FLOORS))
    found = open_patch_descriptor(name, device, precision, engine)
    return KeypointDescriptor(
        found.name, found.fingerprint, found.dimensions, found, engine=found.engine
    )
