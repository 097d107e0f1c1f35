"""ASMK*: the aggregated selective match kernel of binary words (Tolias et al., IJCV 2016).

A photo's features that have one nearest centre become one word: the sum of what separates them from
it, of which the signs are kept. Two photos are as similar as their common words, little different
words counting for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from solar.aggregation.vectors import nearest_centres
from solar.aggregation.vocabulary import Vocabulary
from solar.errors import UsageError
from solar.features.features import Features
from solar.ranking import Ranking
from solar.typing import Ids

ALPHA = 3.0
"""Power to which the likeness of two words is raised, as published."""
ASSIGNED = 5
"""Nearest centres that a query's feature counts for."""

_BITS = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)


def binary_words(
    features: Features, vocabulary: Vocabulary, assigned: int = 1
) -> tuple[Ids, npt.NDArray[np.uint8]]:
    """A photo's words.

    Args:
        features: of the photo.
        vocabulary: whose centres they are told by.
        assigned: nearest centres that each feature counts for.

    Returns:
        Numbers (W,) of centres, rising, and (W, D / 8) bits: which differences are above 0.
    """
    centres = np.asarray(vocabulary.arrays["centres"], np.float32)
    rows = features.unit_descriptors
    if not len(rows):
        return np.empty(0, np.int64), np.empty((0, -(-centres.shape[1] // 8)), np.uint8)
    near = nearest_centres(rows, centres, min(assigned, len(centres)))  # (N, assigned)
    words, which = np.unique(near.ravel(), return_inverse=True)
    sums = np.zeros((len(words), rows.shape[1]), np.float64)
    np.add.at(sums, which, np.repeat(rows, near.shape[1], 0) - centres[near.ravel()])
    return words, np.packbits(sums > 0, axis=1)


class InvertedFile:
    """Photos by their words.

    Args:
        vocabulary: of the kind "asmk".
        photos: the features of each photo, in order.
        alpha: see `ALPHA`.
        threshold: likeness, -1 to 1, at or below which two words have nothing in common.

    Raises:
        UsageError: a vocabulary of another kind.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        photos: Sequence[Features],
        alpha: float = ALPHA,
        threshold: float = 0.0,
    ) -> None:
        if vocabulary.kind != "asmk":
            raise UsageError(f"a vocabulary of kind {vocabulary.kind} has no inverted file")
        self.vocabulary, self.alpha, self.threshold = vocabulary, alpha, threshold
        found = [binary_words(photo, vocabulary) for photo in photos]
        self.counts = np.array([len(words) for words, _ in found], np.int64)
        words = np.concatenate([np.empty(0, np.int64), *(words for words, _ in found)])
        order = np.argsort(words, kind="stable")
        self._photo = np.repeat(np.arange(len(photos)), self.counts)[order]
        wide = -(-vocabulary.features.dimensions // 8)
        self._bits = np.concatenate([np.empty((0, wide), np.uint8), *(b for _, b in found)])[order]
        self._starts = np.searchsorted(words[order], np.arange(vocabulary.words + 1))

    def __len__(self) -> int:
        return len(self.counts)

    def similarities(self, query: Features, assigned: int = ASSIGNED) -> npt.NDArray[np.float32]:
        """Of every photo with a query: (N,), 0 to 1; 1 with itself if `assigned` is 1.

        Args:
            query: its features.
            assigned: nearest centres that each of them counts for.
        """
        words, bits = binary_words(query, self.vocabulary, assigned)
        total = np.zeros(len(self), np.float64)
        for word, own in zip(words.tolist(), bits, strict=True):
            lie = slice(self._starts[word], self._starts[word + 1])
            different = _BITS[self._bits[lie] ^ own].sum(1, dtype=np.int64)
            like = 1 - 2 * different / self.vocabulary.features.dimensions
            selected = np.where(like > self.threshold, np.abs(like) ** self.alpha, 0)
            total[self._photo[lie]] += selected  # a photo has a word once
        lengths = np.sqrt(np.maximum(self.counts, 1) * max(len(words), 1))
        return np.asarray(total / lengths, np.float32)

    def ranking(self, query: Features, assigned: int = ASSIGNED) -> Ranking:
        """All photos, the most similar first; see `similarities`."""
        similar = self.similarities(query, assigned)
        order = np.argsort(-similar, kind="stable")
        return Ranking.of(order, similar[order])
