"""Descriptors of patches, of keypoints by the patches around them, and those that have names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from solar.errors import SolarError, UsageError, naming_extras
from solar.extraction.engines.choose import document_of, engine_for, open_graph, require_device_name
from solar.extraction.engines.graph import PATCHES
from solar.features.keypoints import FloatArray, Keypoints
from solar.features.patches import PhotoPyramid
from solar.files import printable
from solar.models.registry import LOCAL, MODELS, is_named
from solar.typing import GrayImage
from solar.unit import of_unit_length

if TYPE_CHECKING:
    from solar.models.local_descriptor import LocalDescriptor
    from solar.models.tfeat import TFeat

NETWORK_SIZE = 32
FLOORS = ("raw", "random")
"""Patch descriptors that need no file: pixels, and a network before training."""

PatchNetwork = Callable[[FloatArray], FloatArray]
"""Patches (B, 1, 32, 32), float32 of 0 to 255, to descriptors (B, D), unit rows."""


@dataclass(frozen=True)
class PatchDescriptor:
    """A patch network with what identifies it.

    Attributes:
        name: for tables.
        fingerprint: SHA-256, hexadecimal, of its architecture and weights.
        dimensions: D of its descriptors.
        network: describes a batch.
        batch: patches at a time: few on a CPU, whose caches then hold what the layers pass on.
        engine: what runs the network, in words; None of pixels.
    """

    name: str
    fingerprint: str
    dimensions: int
    network: PatchNetwork
    batch: int = 128
    engine: str | None = None

    def __call__(self, photo: GrayImage, keypoints: Keypoints) -> FloatArray:
        """(N, D) descriptors of a grey photo's keypoints.

        Raises:
            SolarError: the network returned something else than finite (B, D).
        """
        pyramid = PhotoPyramid(photo)
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
        weights = _bilinear(patches.shape[-1])  # (32, S)

        def resized(rows: npt.NDArray[np.int64]) -> FloatArray:
            half: FloatArray = weights @ patches[rows].astype(np.float32) @ weights.T
            return half[:, None]

        return self._described(len(patches), resized)

    def _described(
        self, count: int, cut: Callable[[npt.NDArray[np.int64]], FloatArray]
    ) -> FloatArray:
        """Descriptors of so many patches, of which `cut` gives those at some rows."""
        starts = range(0, count, self.batch)
        rows = (np.arange(start, min(start + self.batch, count)) for start in starts)
        parts = [self._checked(cut(some)) for some in rows]
        return np.concatenate([np.empty((0, self.dimensions), np.float32), *parts])

    def _checked(self, batch: FloatArray) -> FloatArray:
        output = self.network(batch)
        if output.shape != (len(batch), self.dimensions) or not np.isfinite(output).all():
            raise SolarError(
                f"{self.name}: turned {batch.shape} patches into {output.shape}; "
                f"it must return finite (B, {self.dimensions}) descriptors"
            )
        return output


def _bilinear(side: int) -> FloatArray:
    """(32, S): the weights with which S pixels make 32 samples, between the centres of pixels."""
    at = ((np.arange(NETWORK_SIZE) + 0.5) * side / NETWORK_SIZE - 0.5).clip(0, side - 1)
    distance = np.abs(at[:, None] - np.arange(side))
    weights: FloatArray = np.maximum(1 - distance, 0).astype(np.float32)
    return weights


def raw_pixels(patches: FloatArray) -> FloatArray:
    """A patch at half its size, of zero mean and unit length: (B, 1, 32, 32) -> (B, 256)."""
    half = NETWORK_SIZE // 2
    small = patches.reshape(len(patches), half, 2, half, 2).mean((2, 4)).reshape(len(patches), -1)
    return of_unit_length(small - small.mean(1, keepdims=True))


def of_network(network: LocalDescriptor | TFeat, precision: str = "auto") -> PatchDescriptor:
    """The descriptor of a local network, on the network's device.

    Args:
        network: of torch, in evaluation mode.
        precision: of the arithmetic; see `open_patch_descriptor`.

    Raises:
        UsageError: the network is in training mode, where its descriptors are random; or there is
            no such precision.
    """
    import torch

    from solar.models.device import autocast, choose_precision, in_words

    if network.training:
        raise UsageError(f"{network.name}: in training mode; call its .eval() first")
    device = next(network.parameters()).device
    dtype = choose_precision(precision, device)

    def describe(patches: FloatArray) -> FloatArray:
        with torch.inference_mode(), autocast(device, dtype):
            found: FloatArray = network(torch.from_numpy(patches).to(device)).float().cpu().numpy()
            return found

    batch = 128 if device.type == "cpu" else 1024
    engine = in_words(device, dtype)
    return PatchDescriptor(
        network.name, network.fingerprint, network.dimensions, describe, batch, engine
    )


def open_patch_descriptor(
    name: str | Path, device: str = "auto", precision: str = "auto", engine: str = "auto"
) -> PatchDescriptor:
    """A patch descriptor.

    Args:
        name: one of `FLOORS`, a `.params` file of TFeat's, or what `solar.load_local` takes: a
            named local model, a model folder, a published `.pth` file.
        device: where it runs; `auto` for the graphics processor if there is one.
        precision: of the arithmetic: `float32`, `bfloat16` or `float16`; `auto` is bfloat16 where
            the processor has it.
        engine: that runs the network; see `open_extractor`.

    Raises:
        CheckpointError: the file or folder is no such network.
        UsageError: there is none of this name, or no such device or precision.
    """
    require_device_name(device)
    if name == "raw":
        name = "raw pixels"
        digest = hashlib.sha256(name.encode()).hexdigest()
        return PatchDescriptor(name, digest, (NETWORK_SIZE // 2) ** 2, raw_pixels)
    refuse_unknown(name, FLOORS)
    if name != "random" and Path(name).suffix != ".params":
        document = document_of(os.fspath(name), LOCAL)
        chosen = engine_for(document, engine, device, precision)
        if chosen != "torch" and document is not None:
            graph = open_graph(document, chosen, precision)
            return PatchDescriptor(
                document.name,
                document.fingerprint(),
                graph.dimensions,
                lambda p: graph.run({PATCHES: p})[0],
                engine=graph.engine,
            )
    with naming_extras():
        from solar.models.device import choose_device

    return of_network(_network(name).to(choose_device(device)), precision)


def refuse_unknown(name: str | Path, others: Sequence[str]) -> None:
    """Say what there is where a name is that of no local model, and no file or folder is there.

    Args:
        name: as given.
        others: names that are not those of local models.

    Raises:
        UsageError: see above.
    """
    names = (*others, *(model.name for model in MODELS if model.kind == LOCAL))
    if name not in others and not is_named(name) and not Path(name).exists():
        raise UsageError(
            f"{printable(name)}: no such file; use {', '.join(names)}, a model folder, a published "
            ".pth file of a local network, or TFeat's .params file"
        )


def _network(name: str | Path) -> LocalDescriptor | TFeat:
    """A network of torch; the random one has always the same weights."""
    import torch

    from solar.models.checkpoints import load_local
    from solar.models.local_descriptor import LocalDescriptor
    from solar.models.tfeat import load_tfeat

    if name == "random":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return LocalDescriptor(name="random weights").eval()
    return load_tfeat(name) if Path(name).suffix == ".params" else load_local(name)
