"""Keypoints as local affine frames and back: what kornia's detectors and descriptors speak.

A frame is the affine map (2, 3) from the square -1 to 1 to the region that is described. Pixel
centres have whole coordinates in both. Frames are NumPy arrays: `torch.from_numpy` makes tensors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from solar.errors import UsageError
from solar.features.keypoints import MAGNIFICATION, FloatArray, Keypoints


def to_lafs(keypoints: Keypoints, magnification: float = MAGNIFICATION) -> FloatArray:
    """The frames of keypoints.

    Args:
        keypoints: N.
        magnification: side of the region in keypoint sizes; the default is what SIFT describes.

    Returns:
        (1, N, 2, 3) float32, for a batch of one photo.
    """
    angle = np.deg2rad(keypoints.angle.astype(np.float64))
    along = np.stack([np.cos(angle), np.sin(angle)], axis=1)  # (N, 2)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    half = keypoints.size[:, None].astype(np.float64) * magnification / 2
    columns = [half * along, half * across, keypoints.xy]
    return np.stack(columns, axis=2).astype(np.float32)[None]


def from_lafs(
    lafs: npt.ArrayLike,
    response: npt.ArrayLike | None = None,
    magnification: float = MAGNIFICATION,
) -> Keypoints:
    """Keypoints of frames; of an affine shape, its size and the direction of its x axis are kept.

    Args:
        lafs: (N, 2, 3), or (1, N, 2, 3).
        response: N of any shape, how strong each is; None for all alike.
        magnification: side of the regions in keypoint sizes.

    Raises:
        UsageError: another shape, more photos than one, or a frame that spans nothing, as those
            that fill up kornia's batches.
    """
    frames = np.asarray(lafs, np.float64)
    if frames.ndim == 4 and len(frames) == 1:
        frames = frames[0]
    if frames.ndim != 3 or frames.shape[1:] != (2, 3):
        raise UsageError(f"local affine frames of one photo are (N, 2, 3), not {frames.shape}")
    (a, b), (c, d) = np.moveaxis(frames[:, :, :2], 0, 2)
    area = np.abs(a * d - b * c)
    if not (np.isfinite(frames).all() and (area > 0).all()):
        raise UsageError(
            "a frame spans nothing: take those that kornia's laf_is_valid lets through"
        )
    strength = (
        np.ones(len(frames)) if response is None else np.asarray(response, np.float64).ravel()
    )
    if len(strength) != len(frames):
        raise UsageError(f"{len(strength)} responses of {len(frames)} frames")
    angle = np.rad2deg(np.arctan2(frames[:, 1, 0], frames[:, 0, 0])) % 360
    columns: list[npt.NDArray[Any]] = [2 * np.sqrt(area) / magnification, angle, strength]
    size, turned, strong = (column.astype(np.float32) for column in columns)
    return Keypoints(frames[:, :, 2].astype(np.float32), size, turned, strong)
