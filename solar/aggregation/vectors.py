"""A photo's local descriptors as one vector: VLAD and the Fisher vector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from solar.clusters import k_means
from solar.features.keypoints import FloatArray
from solar.typing import Descriptor
from solar.unit import of_unit_length

Floats = npt.NDArray[np.float64]

_TINY = 1e-12
_FLOOR = 0.01  # of the mean variance: the least that a component's may be


def vlad(rows: FloatArray, centres: FloatArray) -> Descriptor:
    """Sums of what separates rows from their nearest centre (Jégou et al., CVPR 2010).

    Each centre's sum is brought to unit length first (Arandjelović, Zisserman, CVPR 2013).

    Args:
        rows: (N, D) of a photo.
        centres: (K, D).

    Returns:
        (K * D,), unit length; all numbers equal where there is no row.
    """
    nearest = nearest_centres(rows, centres, 1)[:, 0]
    sums = np.zeros(centres.shape, np.float64)
    np.add.at(sums, nearest, rows - centres[nearest])
    return unit(of_unit_length(sums).ravel())


def nearest_centres(rows: FloatArray, centres: FloatArray, count: int) -> npt.NDArray[np.int64]:
    """(N, count) the nearest centres of each row, the nearest first."""
    far = np.square(centres).sum(1) / 2 - rows @ centres.T  # (N, K), half of d² less |row|²
    if count == 1:
        return np.asarray(far.argmin(1)[:, None])
    near = np.argpartition(far, count - 1, axis=1)[:, :count]
    order = np.take_along_axis(far, near, 1).argsort(1, kind="stable")
    return np.take_along_axis(near, order, 1)


def unit(vector: npt.NDArray[np.floating]) -> Descriptor:
    """Brought to unit length; a vector of zeros to one whose numbers are all equal."""
    length = np.linalg.norm(vector)
    if length < _TINY:
        return np.full(len(vector), len(vector) ** -0.5, np.float32)
    return np.asarray(vector / length, np.float32)


@dataclass(frozen=True, eq=False)
class Mixture:
    """Gaussians with axes of their own lengths (a diagonal covariance).

    Attributes:
        weights: (K,), of sum 1.
        means: (K, D).
        variances: (K, D).
    """

    weights: Floats
    means: Floats
    variances: Floats

    @classmethod
    def learned(cls, rows: FloatArray, components: int, seed: int = 0, rounds: int = 20) -> Mixture:
        """By expectation and maximisation, from k-means on.

        Args:
            rows: (N, D).
            components: K.
            seed: of k-means.
            rounds: how many.

        Raises:
            UsageError: fewer rows than components.
        """
        means = np.asarray(k_means(rows, components, seed=seed), np.float64)
        x = np.asarray(rows, np.float64)
        least = _FLOOR * x.var(0).mean() + _TINY
        spread = np.maximum(x.var(0), least)
        made = cls(np.full(components, 1 / components), means, np.tile(spread, (components, 1)))
        for _ in range(rounds):
            shares = made.shares(x)  # (N, K)
            total = shares.sum(0) + _TINY
            means = shares.T @ x / total[:, None]
            variances = shares.T @ x**2 / total[:, None] - means**2
            made = cls(total / total.sum(), means, np.maximum(variances, least))
        return made

    def shares(self, rows: npt.NDArray[np.floating]) -> Floats:
        """(N, K) the probability of each component, given a row."""
        scaled = rows**2 @ (1 / self.variances).T - 2 * rows @ (self.means / self.variances).T
        scaled += (self.means**2 / self.variances + np.log(self.variances)).sum(1)
        logits = np.log(self.weights) - scaled / 2
        logits -= logits.max(1, keepdims=True)
        likely = np.exp(logits)
        shares: Floats = likely / likely.sum(1, keepdims=True)
        return shares

    def fisher(self, rows: FloatArray) -> Descriptor:
        """Gradients of rows' likelihood in means and deviations (Perronnin et al., ECCV 2010).

        Square roots are taken of their sizes, signs kept.

        Args:
            rows: (N, D) of a photo.

        Returns:
            (2 * K * D,), unit length; all numbers equal where there is no row.
        """
        x = np.asarray(rows, np.float64)
        if not len(x):
            return unit(np.zeros(2 * self.means.size))
        shares, deviations = self.shares(x), np.sqrt(self.variances)
        total, first, second = shares.sum(0)[:, None], shares.T @ x, shares.T @ x**2
        in_means = (first - total * self.means) / deviations
        squares = second - 2 * first * self.means + total * self.means**2
        in_deviations = (squares / self.variances - total) / np.sqrt(2)
        found = np.concatenate([in_means, in_deviations], axis=1)
        found /= len(x) * np.sqrt(self.weights)[:, None]
        return unit((np.sign(found) * np.sqrt(np.abs(found))).ravel())
