"""Detectors and descriptors of keypoints by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from solar.errors import UsageError
from solar.features.describe import Describer, PatchDescriber, root_sift
from solar.features.keypoints import Detector, OrbDetector, SiftDetector

if TYPE_CHECKING:
    from solar.models.local_descriptor import LocalDescriptor

ROOT_SIFT = "rootsift"
DETECTORS: dict[str, Callable[[int], Detector]] = {"sift": SiftDetector, "orb": OrbDetector}


def named_detector(name: str, keypoints: int) -> Detector:
    """A built-in detector of so many keypoints: `sift` or `orb`.

    Raises:
        UsageError: another name.
    """
    if name not in DETECTORS:
        raise UsageError(f"detector {name}: use {' or '.join(DETECTORS)}")
    return DETECTORS[name](keypoints)


def named_describer(name: str | Path) -> Describer:
    """What describes keypoints: `rootsift`, or anything that `solar.load_local` takes.

    Raises:
        CheckpointError: neither.
    """
    if name == ROOT_SIFT:
        return root_sift
    from solar.models.checkpoints import load_local

    return network_describer(load_local(name))


def network_describer(network: LocalDescriptor) -> Describer:
    """Describes keypoints by the patches around them, on the network's device.

    Raises:
        UsageError: the network is in training mode, where its descriptors are random.
    """
    if network.training:
        raise UsageError(f"{network.name}: in training mode; call its .eval() first")
    return PatchDescriber(network, device=next(network.parameters()).device)
