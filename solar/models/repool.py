"""A network that pools in another way, with NetVLAD's clusters where photos have theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import log
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from solar.clusters import k_means
from solar.errors import PhotoError, UsageError, some
from solar.models.device import evaluating
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.pooling import NetVLAD

PHOTOS, POSITIONS = 200, 100  # from which clusters start: at most so many, and of each
_RATIO = 100.0  # of a position's weights for its two nearest clusters, as published


def with_pooling(
    model: GlobalDescriptor,
    pooling: str,
    photos: Sequence[Path] = (),
    *,
    name: str | None = None,
    image_size: int | None = None,
    seed: int = 0,
) -> GlobalDescriptor:
    """A copy of a model with another pooling over the whole map, which nothing has trained yet.

    It has no whitening layer: the model's own is of what the model pools. NetVLAD's clusters are
    those of the map's positions by k-means, sharp enough that a position's nearest cluster
    outweighs the next a hundred times.

    Args:
        model: is left as it is.
        pooling: see `solar.models.config.require_pooling`.
        photos: any, of which up to 200, evenly spread, give NetVLAD its clusters; without any they
            are random.
        name: of the copy; None for the model's.
        image_size: limit of these photos' longest side in pixels; None for the model's own.
        seed: of everything random.

    Raises:
        UsageError: no such pooling, or too few photos for so many clusters.
    """
    config = replace(model.config, pooling=pooling, regional=False, whitening=None)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = GlobalDescriptor(config, model.provenance, name or model.name)
    kept = (model.stages, made.stages), (model.attention, made.attention)
    for source, target in kept:
        target.load_state_dict(source.state_dict())
    made = made.to(model.device, model.dtype).eval()
    if isinstance(made.pool, NetVLAD) and photos:
        rows = _positions(made, photos, image_size, seed)
        clusters = len(made.pool.centres)
        if len(rows) < clusters:
            raise UsageError(f"{pooling}: {len(rows)} positions of photos give too few clusters")
        centres = k_means(rows, clusters, seed=seed)
        made.pool.start(torch.from_numpy(centres), _sharpness(rows, centres))
    return made


def _positions(
    model: GlobalDescriptor, photos: Sequence[Path], image_size: int | None, seed: int
) -> NDArray[np.float32]:
    """Unit rows (N, C) of random positions of photos' maps; photos that cannot be read give none.

    Raises:
        UsageError: none can be read.
    """
    random, rows, failed = np.random.default_rng(seed), [], []
    for path in photos[:: -(-len(photos) // PHOTOS)]:
        try:
            images = model.preprocess(path, image_size)
        except PhotoError as error:
            failed.append(str(error))
            continue
        with torch.inference_mode(), evaluating(model):
            found = model.features(images)[0].flatten(1).T.float().cpu().numpy()  # (N, C)
        chosen = random.choice(len(found), min(POSITIONS, len(found)), replace=False)
        rows.append(found[chosen])
    if not rows:
        raise UsageError(f"clusters of photos: none can be read ({some(failed)})")
    positions = np.concatenate(rows)
    lengths = np.linalg.norm(positions, axis=1, keepdims=True)
    return np.asarray(positions / np.maximum(lengths, 1e-6), np.float32)


def _sharpness(rows: NDArray[np.float32], centres: NDArray[np.float32]) -> float:
    """At which a row's nearest centre weighs so many times as much as the next, on average."""
    squares = np.square(centres).sum(1) - 2 * rows @ centres.T  # (N, K), less |row|²
    nearest = np.partition(squares, 1, axis=1)[:, :2]
    return log(_RATIO) / max(float((nearest[:, 1] - nearest[:, 0]).mean()), 1e-6)
