"""Descriptors of patches, of keypoints by the patches around them, and those that have names."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from solar.errors import SolarError, UsageError
from solar.features.keypoints import FloatArray, Keypoints
from solar.files import printable
from solar.typing import GrayImage

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from solar.models.local_descriptor import LocalDescriptor

NETWORK_SIZE = 32
FLOORS = ("raw", "random")
"""Patch descriptors that need no file: pixels, and a network before training."""

PatchNetwork = Callable[["Tensor"], "Tensor"]
"""Patches (B, 1, 32, 32), float32 of 0 to 255, to descriptors (B, D), unit rows."""


@dataclass(frozen=True)
class PatchDescriptor:
    """A patch network with what identifies it.

    Attributes:
        name: for tables.
        fingerprint: SHA-256, hexadecimal, of its architecture and weights.
        dimensions: D of its descriptors.
        network: on `device`.
        device: where patches are cut and described.
    """

    name: str
    fingerprint: str
    dimensions: int
    network: PatchNetwork
    device: torch.device | str = "cpu"

    def __call__(self, photo: GrayImage, keypoints: Keypoints) -> FloatArray:
        """(N, D) descriptors of a grey photo's keypoints.

        Raises:
            SolarError: the network returned something else than finite (B, D).
        """
        from solar.features.patches import PhotoPyramid

        pyramid = PhotoPyramid(photo, self.device)
        return self._described(len(keypoints), lambda rows: pyramid.patches(keypoints.take(rows)))

    def of_patches(self, patches: npt.NDArray[np.uint8]) -> FloatArray:
        """Descriptors of square patches of any size, resized to 32 x 32 bilinearly.

        Bilinear without smoothing is what the published evaluations of HardNet and its successors
        do to the 64 x 64 patches of PhotoTour and the 65 x 65 ones of HPatches.

        Args:
            patches: (N, S, S).

        Returns:
            (N, D).

        Raises:
            SolarError: the network returned something else than finite (B, D).
        """
        import torch
        from torch.nn.functional import interpolate

        def resized(rows: npt.NDArray[np.int64]) -> Tensor:
            batch = torch.from_numpy(patches[rows]).to(self.device).float()[:, None]
            return interpolate(batch, (NETWORK_SIZE, NETWORK_SIZE), mode="bilinear")

        return self._described(len(patches), resized)

    def _described(
        self, count: int, batch: Callable[[npt.NDArray[np.int64]], Tensor]
    ) -> FloatArray:
        """Descriptors of so many patches, of which `batch` gives those at some rows."""
        import torch

        with torch.inference_mode():
            parts = [self._checked(batch(rows)) for rows in self._rows(count)]
        return np.concatenate([np.empty((0, self.dimensions), np.float32), *parts])

    def _rows(self, count: int) -> Iterator[npt.NDArray[np.int64]]:
        """Few at a time on a CPU, whose caches then hold what the layers pass on."""
        most = 128 if str(self.device).startswith("cpu") else 1024
        for start in range(0, count, most):
            yield np.arange(start, min(start + most, count))

    def _checked(self, batch: Tensor) -> FloatArray:
        output = self.network(batch)
        if output.shape != (len(batch), self.dimensions) or not bool(output.isfinite().all()):
            raise SolarError(
                f"{self.name}: turned {tuple(batch.shape)} patches into {tuple(output.shape)}; "
                f"it must return finite (B, {self.dimensions}) descriptors"
            )
        return np.asarray(output.float().cpu().numpy())


def raw_pixels(patches: Tensor) -> Tensor:
    """A patch at half its size, of zero mean and unit length: (B, 1, 32, 32) -> (B, 256)."""
    from torch.nn.functional import avg_pool2d, normalize

    small = avg_pool2d(patches.float(), 2).flatten(1)
    return normalize(small - small.mean(1, keepdim=True), dim=1)


def of_network(network: LocalDescriptor) -> PatchDescriptor:
    """The descriptor of a local network, on the network's device.

    Raises:
        UsageError: the network is in training mode, where its descriptors are random.
    """
    if network.training:
        raise UsageError(f"{network.name}: in training mode; call its .eval() first")
    device = next(network.parameters()).device
    return PatchDescriptor(network.name, network.fingerprint, network.dimensions, network, device)


def open_patch_descriptor(name: str | Path, device: str = "auto") -> PatchDescriptor:
    """A patch descriptor.

    Args:
        name: one of `FLOORS`, a `.params` file of TFeat's, or what `solar.load_local` takes: a
            named local model, a model folder, a published `.pth` file.
        device: where it runs; `auto` for the graphics processor if there is one.

    Raises:
        CheckpointError: the file or folder is no such network.
        UsageError: there is none of this name, or no such device.
    """
    from solar.models.device import choose_device

    where = choose_device(device)
    if name == "raw":
        name = "raw pixels"
        digest = hashlib.sha256(name.encode()).hexdigest()
        return PatchDescriptor(name, digest, (NETWORK_SIZE // 2) ** 2, raw_pixels, where)
    if name == "random":
        return of_network(_random().to(where))
    refuse_unknown(name, FLOORS)
    if Path(name).suffix == ".params":
        return _tfeat(name, where)
    from solar.models.checkpoints import load_local

    return of_network(load_local(name).to(where))


def refuse_unknown(name: str | Path, others: Sequence[str]) -> None:
    """Say what there is where a name is that of no local model, and no file or folder is there.

    Args:
        name: as given.
        others: names that are not those of local models.

    Raises:
        UsageError: see above.
    """
    from solar.models.registry import LOCAL, MODELS, is_named

    names = (*others, *(model.name for model in MODELS if model.kind == LOCAL))
    if name not in others and not is_named(name) and not Path(name).exists():
        raise UsageError(
            f"{printable(name)}: no such file; use {', '.join(names)}, a model folder, a published "
            ".pth file of a local network, or TFeat's .params file"
        )


def _random() -> LocalDescriptor:
    """The local network before training; always the same weights."""
    import torch

    from solar.models.local_descriptor import LocalDescriptor

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LocalDescriptor(name="random weights").eval()


def _tfeat(path: str | Path, device: torch.device) -> PatchDescriptor:
    from solar.models.tfeat import load_tfeat

    model = load_tfeat(path)
    return PatchDescriptor("TFeat", model.fingerprint, model.dimensions, model.to(device), device)
