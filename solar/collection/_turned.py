"""Photos that may be turned copies of one another: their descriptors are not near, keypoints are.

A keypoint is described along its own direction, so the mean of a photo's keypoint descriptors stays
nearly the same when it is turned, while a network sees another photo.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from solar.index import Index
from solar.unit import of_unit_length

ALIKE = 0.75
"""Cosine from which on two photos may be turned copies; those made so far have 0.84 and more."""
FIRST = 3
"""So many of the nearest of each photo are looked at."""
MOST = 200_000
"""In larger collections they are not looked for: each is compared with all, 128 numbers each."""

_AT_ONCE = 512


def may_be_turned(index: Index, ids: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs of ids, the lower first, each once, of photos whose mean keypoints are near.

    Args:
        index: that holds them.
        ids: of all photos, rising.

    Raises:
        IndexDamaged: features are damaged.
    """
    if not index.keeps_features or len(ids) > MOST:
        return []
    rows, known = [], []
    for start in range(0, len(ids), _AT_ONCE):
        part = ids[start : start + _AT_ONCE]
        for number, features in zip(part, index.features(part), strict=True):
            if features is not None and len(features):
                rows.append(features.unit_descriptors.mean(axis=0))
                known.append(number)
    if len(rows) < 2:
        return []
    means = of_unit_length(np.stack(rows) - np.mean(rows, axis=0))
    found: set[tuple[int, int]] = set()
    for start in range(0, len(known), _AT_ONCE):
        cosines = means[start : start + _AT_ONCE] @ means.T
        for row, position in zip(cosines, range(start, len(known)), strict=False):
            row[position] = -1
            nearest = np.argpartition(-row, min(FIRST, len(row) - 1))[:FIRST]
            for other in nearest[row[nearest] >= ALIKE].tolist():
                found.add((known[min(position, other)], known[max(position, other)]))
    return sorted(found)
