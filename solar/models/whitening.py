"""Whitening of descriptors: PCA and learned from pairs, reduction, files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solar.errors import CheckpointError, UsageError
from solar.files.arrays import read_arrays, read_settings
from solar.files.atomic import write_atomically

Descriptors = NDArray[np.floating]


@dataclass(frozen=True)
class Whitening:
    """An affine map of descriptors, followed by normalisation.

    Attributes:
        mean: (D,) float64, subtracted first.
        projection: (D', D) float64, rows by falling importance.
        settings: what it was learned from, as JSON values; empty if that is not known.
    """

    mean: NDArray[np.float64]
    projection: NDArray[np.float64]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def pca(cls, descriptors: Descriptors, power: float = 1.0) -> Whitening:
        """PCA whitening (Jégou, Chum, ECCV 2012), attenuated (Mukundan et al., IJCV 2019).

        Args:
            descriptors: (N, D). Directions without variance, as with N ≤ D, are left out.
            power: each axis is divided by its standard deviation to this power, 0 to 1: 1 whitens
                fully, 0 only rotates, between them weak directions are magnified less.

        Raises:
            UsageError: fewer than two descriptors, all of them equal, or the power out of range.
        """
        require_power(power)
        x = _checked(descriptors)
        mean = x.mean(0)
        centred = x - mean
        # Half the covariance, as the published code has it; a scale that normalisation removes.
        variances, axes = _principal(centred)
        keep = variances > variances[0] * x.shape[1] * np.finfo(np.float64).eps
        if variances[0] <= 0:
            raise UsageError("PCA whitening needs descriptors that differ")
        return cls(mean, (axes[:, keep] / np.sqrt(variances[keep]) ** power).T)

    @classmethod
    def learned(
        cls,
        descriptors: Descriptors,
        queries: NDArray[np.integer],
        positives: NDArray[np.integer],
        *,
        shrink: bool = False,
    ) -> Whitening:
        """Whitening learned from matching pairs (Mikolajczyk, Matas, ICCV 2007; Radenović 2019).

        Whitens the differences of matching pairs, then rotates to the principal axes of all.

        Args:
            descriptors: (N, D).
            queries: (P,) rows of descriptors.
            positives: (P,) rows that match them.
            shrink: draw the covariance of the differences towards a multiple of the identity, by
                as much as P pairs leave it uncertain (Ledoit, Wolf, JMVA 2004). The published
                code does not; without it, directions in which few pairs happen to differ little
                are magnified, so that P should be many times D.

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
        covariance = differences.T @ differences / len(differences)
        within = _inverse_cholesky(_shrunk(covariance, differences) if shrink else covariance)
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

        Raises:
            UsageError: the descriptors are not (N, D), or have fewer dimensions than asked for.
        """
        kept = self.reduced(dimensions).projection
        if descriptors.ndim != 2 or descriptors.shape[1] != len(self.mean):
            raise UsageError(
                f"a whitening of {len(self.mean)}-D descriptors cannot take {descriptors.shape}"
            )
        whitened = (np.asarray(descriptors, np.float64) - self.mean) @ kept.T
        norms = np.linalg.norm(whitened, axis=1, keepdims=True)
        result: Descriptors = (whitened / np.maximum(norms, 1e-6)).astype(descriptors.dtype)
        return result

    @property
    def digest(self) -> str:
        """SHA-256 of its numbers, hexadecimal."""
        found = hashlib.sha256(self.mean.tobytes())
        found.update(self.projection.tobytes())
        return found.hexdigest()

    def reduced(self, dimensions: int | None) -> Whitening:
        """The same whitening with its first dimensions only; None for all."""
        available = len(self.projection)
        if dimensions is None:
            return self
        if not 1 <= dimensions <= available:
            raise UsageError(f"{dimensions} dimensions asked for; there are 1 to {available}")
        return replace(self, projection=self.projection[:dimensions])

    def save(self, path: str | Path) -> None:
        """Write `mean`, `projection` and `settings` (JSON) to an .npz file, atomically."""
        settings = np.array(json.dumps(dict(self.settings)))
        with write_atomically(path) as file:
            np.savez(file, mean=self.mean, projection=self.projection, settings=settings)

    @classmethod
    def load(cls, path: str | Path) -> Whitening:
        """Read what `save` wrote; any .npz file of `mean` and `projection` will do.

        Raises:
            CheckpointError: no such file, or not a whitening.
        """
        try:
            arrays = read_arrays(path, CheckpointError)
            mean = np.asarray(arrays["mean"], np.float64)
            projection = np.asarray(arrays["projection"], np.float64)
            settings = read_settings(arrays["settings"]) if "settings" in arrays else {}
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{path}: not a whitening ({error})") from error
        if mean.ndim != 1 or projection.ndim != 2 or projection.shape[1] != len(mean):
            raise CheckpointError(f"{path}: mean {mean.shape}, projection {projection.shape}")
        if not (np.isfinite(mean).all() and np.isfinite(projection).all()):
            raise CheckpointError(f"{path}: holds values that are not finite")
        return cls(mean, projection, settings)


def require_power(power: float) -> None:
    """Refuse a power of PCA whitening that is not within 0 to 1."""
    if not 0 <= power <= 1:
        raise UsageError(f"PCA whitening: a power of {power:g} is not within 0 to 1")


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


def _principal(centred: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`_eigen` of half the covariance of (N, D) rows of mean 0, its first N axes where N < D.

    Those of the rows' products with one another are the same, and fewer.
    """
    count, wide = centred.shape
    if count >= wide:
        return _eigen(centred.T @ centred / (2 * count))
    variances, among = _eigen(centred @ centred.T / (2 * count))
    axes = centred.T @ among
    lengths = np.linalg.norm(axes, axis=0)
    return variances, axes / np.maximum(lengths, np.finfo(np.float64).tiny)


def _shrunk(covariance: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The covariance of (N, D) rows of mean 0, shrunk (Ledoit, Wolf, 2004, section 3.2)."""
    target = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    distance = np.square(covariance - target).sum()
    fourth = np.square(np.square(rows).sum(1)).mean()
    error = (fourth - np.square(covariance).sum()) / len(rows)
    weight = min(error / distance, 1.0) if distance > 0 else 1.0
    shrunk: NDArray[np.float64] = (1 - weight) * covariance + weight * target
    return shrunk


def _inverse_cholesky(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of the Cholesky factor; a singular matrix gets the published diagonal that helps."""
    for ridge in (0.0, *(10.0**e for e in range(-10, 21))):
        try:
            factor = np.linalg.cholesky(covariance + ridge * np.eye(len(covariance)))
        except np.linalg.LinAlgError:
            continue
        inverse: NDArray[np.float64] = np.tril(np.linalg.inv(factor))
        return inverse
    raise UsageError("learned whitening: the differences of the pairs have no finite covariance")
