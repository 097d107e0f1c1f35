"""Descriptors by name, for evaluation: of patches, and of keypoints in photos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from solar.errors import UsageError
from solar.features.describe import Describer, PatchDescriber, PatchDescriptor, root_sift
from solar.features.named import ROOT_SIFT
from solar.features.orb import orb

if TYPE_CHECKING:
    from torch import Tensor


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
        name: one of `PATCHES`; a `.params` file of TFeat's; or what `solar.load_local` takes: a
            named local model, a model folder, a published .pth file.

    Raises:
        UsageError: none of these.
        CheckpointError: the file or folder is no such network.
    """
    if name in PATCHES:
        return PATCHES[name]()
    if Path(name).suffix == ".params":
        return _tfeat(name)
    from solar.models.checkpoints import load_local
    from solar.models.registry import LOCAL, MODELS

    models = [model.name for model in MODELS if model.kind == LOCAL]
    if name not in models and not Path(name).exists():
        names = ", ".join((*PATCHES, *models))
        raise UsageError(
            f"--descriptor {name}: no such file; use {names}, a model folder, a published .pth "
            "file of a local network, or TFeat's .params file"
        )
    model = load_local(name)
    return NamedPatchDescriptor(model.name, model.fingerprint, model)


def keypoint_describer(name: str) -> tuple[str, Describer]:
    """What describes keypoints in photos: one of `KEYPOINTS`, or any `patch_descriptor`.

    Returns:
        Its name for tables, and itself.
    """
    if name in KEYPOINTS:
        return KEYPOINTS[name]
    found = patch_descriptor(name)
    return found.name, PatchDescriber(found.describe)


def raw_pixels(patches: Tensor) -> Tensor:
    """A patch at half its size, of zero mean and unit length: (B, 1, 32, 32) -> (B, 256)."""
    from torch.nn.functional import avg_pool2d, normalize

    small = avg_pool2d(patches.float(), 2).flatten(1)
    return normalize(small - small.mean(1, keepdim=True), dim=1)


def _raw() -> NamedPatchDescriptor:
    return NamedPatchDescriptor("raw pixels", "raw", raw_pixels)


def _random() -> NamedPatchDescriptor:
    """The local network before training; always the same weights."""
    import torch

    from solar.models.local_descriptor import LocalDescriptor

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LocalDescriptor(name="random weights").eval()
    return NamedPatchDescriptor(model.name, model.fingerprint, model)


def _tfeat(path: str) -> NamedPatchDescriptor:
    from solar.models.state import fingerprint
    from solar.models.tfeat import load_tfeat

    model = load_tfeat(path)
    return NamedPatchDescriptor("TFeat", fingerprint(model, "TFeat"), model)


PATCHES: dict[str, Callable[[], NamedPatchDescriptor]] = {"raw": _raw, "random": _random}
"""Patch descriptors that need no file; both are floors of a table."""
KEYPOINTS: dict[str, tuple[str, Describer]] = {
    ROOT_SIFT: ("RootSIFT", root_sift),
    "orb": ("ORB", orb),
}
"""Descriptors that look at photos themselves."""
