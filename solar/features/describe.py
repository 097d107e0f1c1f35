"""Descriptors of keypoints: any patch network, and RootSIFT."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from solar.errors import SolarError
from solar.features.keypoints import GrayImage, Keypoints
from solar.features.opencv import opencv

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Descriptors = npt.NDArray[np.float32]
PatchDescriptor = Callable[["Tensor"], "Tensor"]
"""Patches (B, 1, 32, 32), float32 of 0 to 255, to descriptors (B, D), unit rows."""

NETWORK_SIZE = 32


class Describer(Protocol):
    """Anything that describes the keypoints of a grey photo, (height, width) uint8."""

    def __call__(self, photo: GrayImage, keypoints: Keypoints) -> Descriptors:
        """(N, D) descriptors, unit rows, in the order of the keypoints."""
        ...


@dataclass(frozen=True)
class PatchDescriber:
    """Describes keypoints by the patches around them.

    Attributes:
        descriptor: a patch network, on `device`.
        magnification: side of a patch in keypoint sizes; see `PhotoPyramid.patches`.
        device: where patches are cut and described.
    """

    descriptor: PatchDescriptor
    magnification: float = 6.0
    device: torch.device | str = "cpu"

    def __call__(self, photo: GrayImage, keypoints: Keypoints) -> Descriptors:
        """(N, D) descriptors; (0, 0) without keypoints."""
        import torch

        from solar.features.patches import PhotoPyramid

        pyramid = PhotoPyramid(photo, self.device)

        def batches() -> Iterator[Tensor]:
            batch = _batch_size(self.device)
            for start in range(0, len(keypoints), batch):
                rows = np.arange(start, min(start + batch, len(keypoints)))
                yield pyramid.patches(
                    keypoints.take(rows), size=NETWORK_SIZE, magnification=self.magnification
                )

        with torch.inference_mode():
            return _describe(batches(), self.descriptor)


def describe_patches(
    patches: npt.NDArray[np.uint8],
    descriptor: PatchDescriptor,
    *,
    device: torch.device | str = "cpu",
) -> Descriptors:
    """Descriptors of square patches of any size, resized to 32 x 32 bilinearly.

    Bilinear without smoothing is what the published evaluations of HardNet and its successors do
    to the 64 x 64 patches of PhotoTour and the 65 x 65 ones of HPatches.

    Args:
        patches: (N, S, S).
        descriptor: a patch network, on `device`.
        device: where patches are resized and described.

    Returns:
        (N, D); (0, 0) without patches.

    Raises:
        SolarError: the descriptor returned something else than finite (B, D).
    """
    import torch
    from torch.nn.functional import interpolate

    def batches() -> Iterator[Tensor]:
        size = _batch_size(device)
        for start in range(0, len(patches), size):
            batch = torch.from_numpy(patches[start : start + size]).to(device).float()[:, None]
            yield interpolate(batch, (NETWORK_SIZE, NETWORK_SIZE), mode="bilinear")

    with torch.inference_mode():
        return _describe(batches(), descriptor)


def _batch_size(device: torch.device | str) -> int:
    """Patches at a time: few on a CPU, whose caches then hold what the layers pass on."""
    return 128 if str(device).startswith("cpu") else 1024


def _describe(batches: Iterator[Tensor], descriptor: PatchDescriptor) -> Descriptors:
    parts: list[Descriptors] = []
    for batch in batches:
        output = descriptor(batch)
        if output.ndim != 2 or len(output) != len(batch) or not bool(output.isfinite().all()):
            raise SolarError(
                f"the patch descriptor turned {tuple(batch.shape)} patches into "
                f"{tuple(output.shape)}; it must return finite (B, D) descriptors"
            )
        parts.append(output.float().cpu().numpy())
    return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)


def root_sift(photo: GrayImage, keypoints: Keypoints) -> Descriptors:
    """RootSIFT by OpenCV: square roots of L1-normalised SIFT (Arandjelović, Zisserman, CVPR 2012).

    Returns:
        (N, 128), unit rows; a row of zeros where the photo is flat.
    """
    cv2 = opencv()
    points = _to_opencv(keypoints, photo.shape, cv2.KeyPoint)
    if not points:
        return np.empty((0, 128), np.float32)
    sift = np.asarray(
        cv2.SIFT_create(enable_precise_upscale=True).compute(photo, points)[1], np.float32
    )
    sums: Descriptors = np.maximum(sift.sum(axis=1, keepdims=True), np.float32(1e-12))
    return np.asarray(np.sqrt(sift / sums))


def _to_opencv(keypoints: Keypoints, shape: tuple[int, ...], make: Any) -> list[Any]:
    """OpenCV's keypoints, with the octave and layer of its SIFT pyramid that their sizes imply.

    OpenCV's size is 2 * 1.6 * 2**(octave + layer / 3), with layers 1 to 3 up to half a layer off.
    """
    layers = np.round(3 * np.log2(keypoints.size / 3.2)).astype(int)
    top = max(0, int(np.log2(min(shape[:2]))) - 3)
    octaves = np.clip((layers - 1) // 3, -1, top)
    codes = (octaves & 255) | (np.clip(layers - 3 * octaves, 1, 3) << 8)
    return [
        make(float(x), float(y), float(size), float(angle), float(response), int(code))
        for (x, y), size, angle, response, code in zip(
            keypoints.xy,
            keypoints.size,
            keypoints.angle,
            keypoints.response,
            codes,
            strict=True,
        )
    ]
