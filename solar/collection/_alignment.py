"""How one photo lies in another: by keypoints that agree, or turned and mirrored as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from solar.features.features import Features
from solar.rerank.geometric import Agreement, verify

TIGHT = 0.01
"""Of the longer side: how far keypoints of one picture may be from where a map puts them."""
FEWEST = 6
"""Keypoints that must fit."""
MAX_STRETCH = 1.3
"""A copy is enlarged in one direction at most so many times as much as across it."""
HAND_MADE_HISTOGRAMS = ("sift", "rootsift")
"""Descriptors whose numbers change places, and nothing else, when a photo is mirrored."""

Matrix = NDArray[np.float64]
Gray = NDArray[np.uint8]

_ROUNDS = 4


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where a photo lies in another.

    Attributes:
        matrix: (3, 3), affine: positions of the one to those of the other, as parts of their sides.
        inliers: keypoints that fit; 0 where none were looked at.
        spread: part of the sides that these extend over, of the photo and side where that is least:
            beyond it the matrix is a guess.
    """

    matrix: Matrix
    inliers: int = 0
    spread: float = 0.0

    def covered(self) -> tuple[float, float]:
        """Parts of the one and of the other that show what both do."""
        back = np.asarray(np.linalg.inv(self.matrix), np.float64)
        return _inside(back), _inside(self.matrix)

    def of_mirrored(self) -> Alignment:
        """That of the photo itself, where this is its mirror image's."""
        flip = np.array([[-1, 0, 1], [0, 1, 0], [0, 0, 1.0]])
        return replace(self, matrix=self.matrix @ flip)

    def shape(self, one: tuple[int, int], two: tuple[int, int]) -> tuple[float, float, bool]:
        """Zoom, degrees turned and whether mirrored, of photos of some widths and heights.

        Zoom counts pixels of the other for one of the one.
        """
        linear = np.diag(two) @ self.matrix[:2, :2] @ np.diag(1 / np.array(one, np.float64))
        mirrored = bool(np.linalg.det(linear) < 0)
        across = linear @ np.diag([-1.0, 1.0]) if mirrored else linear
        turned = float(np.rad2deg(np.arctan2(across[1, 0], across[0, 0])))
        return float(np.sqrt(abs(np.linalg.det(linear)))), turned, mirrored


_STEPS = (np.arange(40) + 0.5) / 40
_GRID = np.stack([*np.meshgrid(_STEPS, _STEPS), np.ones((40, 40))]).reshape(3, -1)


def _inside(matrix: Matrix) -> float:
    """The part of the other photo that lies in the one."""
    back = np.linalg.inv(matrix)[:2] @ _GRID
    return float(((back >= 0) & (back <= 1)).all(axis=0).mean())


def as_wholes() -> Iterator[Matrix]:
    """The eight ways to lay a whole photo on another: turned by quarters, mirrored or not."""
    quarter = np.array([[0, -1, 1], [1, 0, 0], [0, 0, 1.0]])
    for first in (np.eye(3), np.array([[-1, 0, 1], [0, 1, 0], [0, 0, 1.0]])):
        for turns in range(4):
            yield np.linalg.matrix_power(quarter, turns) @ first


def mirrored(features: Features, descriptor: str) -> Features | None:
    """The features of the mirrored photo, without looking at it; None where that cannot be.

    Left becomes right: so do the columns of a keypoint's histograms across its direction, and the
    directions in them turn the other way. Nothing else changes, as keypoints are found alike.

    Args:
        features: of the photo, in four bits a number.
        descriptor: its name.
    """
    if descriptor not in HAND_MADE_HISTOGRAMS or features.bits != 4:
        return None
    compact = features.descriptors
    cells = np.concatenate([compact & 15, compact >> 4], axis=1).reshape(-1, 4, 4, 8)
    rows = cells[:, ::-1][..., -np.arange(8) % 8].reshape(-1, 128)
    keypoints = features.keypoints.copy()
    keypoints["x"] = (1 << 16) - 1 - keypoints["x"]
    keypoints["angle"] = ((1 << 15) - keypoints["angle"].astype(np.int64)) % (1 << 16)
    first, second = np.hsplit(rows, 2)
    return replace(features, keypoints=keypoints, descriptors=first | second << 4)


def aligned(one: Features, two: Features) -> Alignment | None:
    """Where a photo lies in another by their keypoints; None if no copy could lie so."""
    return fitted(verify(one, [two])[0], one, two)


def fitted(found: Agreement, one: Features, two: Features) -> Alignment | None:
    """The affine map that keypoints agree with, which `verify` tells only roughly."""
    sizes = np.array([one.width, one.height]), np.array([two.width, two.height])
    start = np.column_stack([found.query * sizes[0], np.ones(len(found.query))])  # (K, 3)
    end = found.photo * sizes[1]
    fits = np.ones(len(start), bool)
    solution = np.zeros((3, 2))
    for _ in range(_ROUNDS):
        if fits.sum() < FEWEST:
            return None
        solution = np.linalg.lstsq(start[fits], end[fits], rcond=None)[0]
        off = np.linalg.norm(start @ solution - end, axis=1)
        fits = off <= TIGHT * max(two.width, two.height)
    stretches = np.linalg.svd(solution[:2], compute_uv=False)
    if fits.sum() < FEWEST or stretches[1] <= 0 or stretches[0] > MAX_STRETCH * stretches[1]:
        return None
    matrix = np.eye(3)
    matrix[:2] = np.diag(1 / sizes[1]) @ solution.T @ np.diag([*sizes[0], 1.0])
    extents = np.ptp(found.query[fits], axis=0), np.ptp(found.photo[fits], axis=0)
    return Alignment(matrix, int(fits.sum()), float(np.min(extents)))
