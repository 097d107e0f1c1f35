"""Patch descriptors by name, for evaluation: raw pixels, RootSIFT, published networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from solar.errors import UsageError
from solar.matching.describe import Describer, PatchDescriber, PatchDescriptor, root_sift

if TYPE_CHECKING:
    from torch import Tensor

ROOT_SIFT = "rootsift"
RAW = "raw"


@dataclass(frozen=True)
class NamedPatchDescriptor:
    """A patch descriptor with what identifies it.

    Attributes:
        name: for tables.
        fingerprint: of its weights; its name where it has none.
        describe: patches (B, 1, 32, 32) to unit rows (B, D).
    """

    name: str
    fingerprint: str
    describe: PatchDescriptor


def patch_descriptor(name: str) -> NamedPatchDescriptor:
    """A patch descriptor.

    Args:
        name: `raw` for the normalised pixels themselves, the floor of any table; or a published
            .pth file of SOLAR's or SOSNet's local network.

    Raises:
        UsageError: neither.
        CheckpointError: the file is no such network.
    """
    if name == RAW:
        return NamedPatchDescriptor("raw pixels", RAW, raw_pixels)
    if Path(name).suffix != ".pth":
        raise UsageError(f"--descriptor {name}: use {RAW}, or a published .pth file")
    from solar.files import sha256
    from solar.models.published_local import load_published_local

    return NamedPatchDescriptor(Path(name).stem, sha256(name), load_published_local(name))


def keypoint_describer(name: str) -> tuple[str, Describer]:
    """What describes keypoints in photos: `rootsift`, or any `patch_descriptor`."""
    if name == ROOT_SIFT:
        return "RootSIFT", root_sift
    found = patch_descriptor(name)
    return found.name, PatchDescriber(found.describe)


def raw_pixels(patches: Tensor) -> Tensor:
    """A patch at half its size, of zero mean and unit length: (B, 1, 32, 32) -> (B, 256)."""
    from torch.nn.functional import avg_pool2d, normalize

    small = avg_pool2d(patches.float(), 2).flatten(1)
    return normalize(small - small.mean(1, keepdim=True), dim=1)
