"""Whitening of descriptors: PCA and learned from pairs, reduction, use as a linear layer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from solar.errors import CheckpointError, UsageError
from solar.files import write_atomically

Descriptors = NDArray[np.floating]


@dataclass(frozen=True)
class Whitening:
    """An affine map of descriptors, followed by normalisation.

    Attributes:
        mean: (D,) float64, subtracted first.
        projection: (D', D) float64, rows by falling importance.
    """

    mean: NDArray[np.float64]
    projection: NDArray[np.float64]

    @classmethod
    def pca(cls, descriptors: Descriptors) -> Whitening:
        """PCA whitening (Jégou, Chum, ECCV 2012).

        Args:
            descriptors: (N, D). Directions without variance, as with N ≤ D, are left out.

        Raises:
            UsageError: fewer than two descriptors, or all of them equal.
        """
        x = _checked(descriptors)
        mean = x.mean(0)
        centred = x - mean
        # Half the covariance, as the published code has it; a scale that normalisation removes.
        variances, axes = _eigen(centred.T @ centred / (2 * len(x)))
        keep = variances > variances[0] * x.shape[1] * np.finfo(np.float64).eps
        if variances[0] <= 0:
            raise UsageError("PCA whitening needs descriptors that differ")
        return cls(mean, (axes[:, keep] / np.sqrt(variances[keep])).T)

    @classmethod
    def learned(
        cls, descriptors: Descriptors, queries: NDArray[np.integer], positives: NDArray[np.integer]
    ) -> Whitening:
        """Whitening learned from matching pairs (Mikolajczyk, Matas, ICCV 2007; Radenović 2019).

        Whitens the differences of matching pairs, then rotates to the principal axes of all.

        Args:
            descriptors: (N, D).
            queries: (P,) rows of descriptors.
            positives: (P,) rows that match them.

        Raises:
            UsageError: no pairs, or rows out of range.
        """
        x = _checked(descriptors)
        queries, positives = np.asarray(queries), np.asarray(positives)
        if queries.shape != positives.shape or queries.ndim != 1 or not len(queries):
            raise UsageError("learned whitening needs pairs: one positive for each query")
        if min(queries.min(), positives.min()) < 0 or max(queries.max(), positives.max()) >= len(x):
            raise UsageError(f"learned whitening: a pair names a row outside 0 to {len(x) - 1}")
        mean = x[queries].mean(0)
        differences = x[queries] - x[positives]
        within = _inverse_cholesky(differences.T @ differences / len(queries))
        spread = (x - mean) @ within.T
        _, axes = _eigen(spread.T @ spread)
        return cls(mean, axes.T @ within)

    def apply(self, descriptors: Descriptors, dimensions: int | None = None) -> Descriptors:
        """Whiten, keep the first dimensions, normalise.

        Args:
            descriptors: (N, D).
            dimensions: at most D'; None for all.

        Returns:
            (N, dimensions), unit rows, of the type of the input.
        """
        kept = self.reduced(dimensions).projection
        whitened = (np.asarray(descriptors, np.float64) - self.mean) @ kept.T
        norms = np.linalg.norm(whitened, axis=1, keepdims=True)
        result: Descriptors = (whitened / np.maximum(norms, 1e-6)).astype(descriptors.dtype)
        return result

    def reduced(self, dimensions: int | None) -> Whitening:
        """The same whitening with its first dimensions only; None for all."""
        available = len(self.projection)
        if dimensions is None:
            return self
        if not 1 <= dimensions <= available:
            raise UsageError(f"{dimensions} dimensions asked for; there are 1 to {available}")
        return Whitening(self.mean, self.projection[:dimensions])

    def save(self, path: str | Path) -> None:
        """Write `mean` and `projection` to an .npz file, atomically."""
        with write_atomically(path) as file:
            np.savez(file, mean=self.mean, projection=self.projection)

    @classmethod
    def load(cls, path: str | Path) -> Whitening:
        """Read what `save` wrote.

        Raises:
            CheckpointError: no such file, or not a whitening.
        """
        try:
            with np.load(path, allow_pickle=False) as data:
                mean = np.asarray(data["mean"], np.float64)
                projection = np.asarray(data["projection"], np.float64)
        except FileNotFoundError as error:
            raise CheckpointError(f"{path}: no such file") from error
        except (OSError, ValueError, KeyError, EOFError, BadZipFile, TypeError) as error:
            raise CheckpointError(f"{path}: not a whitening ({error})") from error
        if mean.ndim != 1 or projection.ndim != 2 or projection.shape[1] != len(mean):
            raise CheckpointError(f"{path}: mean {mean.shape}, projection {projection.shape}")
        if not (np.isfinite(mean).all() and np.isfinite(projection).all()):
            raise CheckpointError(f"{path}: holds values that are not finite")
        return cls(mean, projection)

    def linear(self) -> nn.Linear:
        """The same map as a layer: weight = projection, bias = −projection · mean."""
        layer = nn.Linear(self.projection.shape[1], self.projection.shape[0])
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(self.projection))
            layer.bias.copy_(torch.from_numpy(-self.projection @ self.mean))
        return layer


def _checked(descriptors: Descriptors) -> NDArray[np.float64]:
    x = np.asarray(descriptors, np.float64)
    if x.ndim != 2 or len(x) < 2:
        raise UsageError(f"whitening needs (N, D) descriptors with N of 2 or more, not {x.shape}")
    if not np.isfinite(x).all():
        raise UsageError("whitening: a descriptor holds a value that is not finite")
    return x


def _eigen(symmetric: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Eigenvalues, falling, and eigenvectors in columns."""
    values, vectors = np.linalg.eigh(symmetric)
    falling: NDArray[np.float64] = values[::-1]
    columns: NDArray[np.float64] = vectors[:, ::-1]
    return falling, columns


def _inverse_cholesky(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of the Cholesky factor; a singular matrix gets the least diagonal that helps."""
    identity = np.eye(len(covariance))
    scale = np.trace(covariance) / len(covariance) or 1.0
    for ridge in (0.0, *(scale * 10.0**e for e in range(-12, 1))):
        try:
            factor = np.linalg.cholesky(covariance + ridge * identity)
        except np.linalg.LinAlgError:
            continue
        lower, unit = torch.from_numpy(factor), torch.from_numpy(identity)
        inverse: NDArray[np.float64] = torch.linalg.solve_triangular(
            lower, unit, upper=False
        ).numpy()
        return inverse
    raise UsageError("learned whitening: the differences of the pairs have no finite covariance")
