"""Vocabularies learned from photos' features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from solar.aggregation.vectors import Mixture
from solar.aggregation.vocabulary import KINDS, Vocabulary
from solar.clusters import k_means
from solar.errors import SolarError, UsageError, some
from solar.extraction import Failed
from solar.features.extractor import FeatureExtractor
from solar.features.keypoints import FloatArray
from solar.photos import Photo
from solar.typing import Progress

WORDS = {"vlad": 64, "fisher": 64, "asmk": 4096}
"""How many by kind. Published for ASMK*: 65,536, for millions of features."""
REDUCED = 64
"""Dimensions to which Fisher vectors' descriptors are brought by PCA."""
MOST = 300_000
"""Features that a vocabulary is learned from."""


def learn_vocabulary(
    extractor: FeatureExtractor,
    photos: Sequence[Photo],
    kind: str,
    words: int | None = None,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Vocabulary:
    """A vocabulary from photos that are not searched later.

    Args:
        extractor: what makes the features.
        photos: any; those that cannot be read are left out.
        kind: one of `KINDS`.
        words: how many centres or components; None for `WORDS`.
        seed: of everything random.
        progress: called with photos done and in all.

    Raises:
        UsageError: an unknown kind, or fewer features than words.
        SolarError: no photo gives any feature.
    """
    if kind not in KINDS:
        raise UsageError(f"vocabulary of kind {kind:.60}: use {', '.join(KINDS)}")
    words = WORDS[kind] if words is None else words
    rows, used = _sampled(extractor, photos, seed, progress)
    made = extractor.extraction
    if not 1 <= words <= len(rows):
        raise UsageError(f"{words} words from {len(rows)} features: use more photos or fewer words")
    if kind != "fisher":
        rounds = 20 if kind == "vlad" else 10
        centres = k_means(rows, words, seed=seed, rounds=rounds)
        return Vocabulary(kind, made, {"centres": centres}, used)
    offset = rows.mean(0)
    centred = rows - offset
    _, axes = np.linalg.eigh(centred.T @ centred / len(rows))
    axes = np.asarray(axes[:, ::-1][:, :REDUCED].T, np.float32)
    mixture = Mixture.learned(centred @ axes.T, words, seed)
    arrays = {
        "weights": mixture.weights,
        "means": mixture.means,
        "variances": mixture.variances,
        "offset": offset,
        "axes": axes,
    }
    return Vocabulary(kind, made, arrays, used)


def _sampled(
    extractor: FeatureExtractor, photos: Sequence[Photo], seed: int, progress: Progress | None
) -> tuple[FloatArray, int]:
    """Unit descriptors (N, D), at most `MOST`, as many of each photo; and of how many photos."""
    each = max(1, MOST // max(len(photos), 1))
    found: dict[int, FloatArray] = {}
    failed = []
    for done, result in enumerate(extractor.describe(photos), 1):
        if progress:
            progress(done, len(photos))
        if isinstance(result, Failed):
            failed.append(result.reason)
            continue
        rows = result.features.unit_descriptors
        if len(rows) > each:
            random = np.random.default_rng((seed, result.position))
            rows = rows[random.choice(len(rows), each, replace=False)]
        if len(rows):
            found[result.position] = rows
    if not found:
        raise SolarError(f"no photo gives features ({some(failed) or 'none has keypoints'})")
    return np.concatenate([found[position] for position in sorted(found)]), len(found)
