"""Normalised pixels: the simplest patch descriptor."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np

from solar.features.keypoints import FloatArray
from solar.features.patch_descriptor import PatchDescriptor


def raw_pixels(patches: FloatArray) -> FloatArray:
    """(B, 1, 32, 32) to unit rows (B, 1024)."""
    rows = patches.reshape(len(patches), -1)
    rows = rows - rows.mean(1, keepdims=True)
    unit: FloatArray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return unit


def pixels(
    network: Callable[[FloatArray], FloatArray] = raw_pixels, dimensions: int = 1024
) -> PatchDescriptor:
    """A descriptor of one's own."""
    return PatchDescriptor("pixels", hashlib.sha256(b"pixels").hexdigest(), dimensions, network)
