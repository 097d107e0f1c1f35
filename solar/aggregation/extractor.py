"""Descriptors of photos from their local features: an `Extractor` without a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from solar.aggregation.vocabulary import Vocabulary
from solar.errors import UsageError
from solar.extraction import Described, Extraction, Failed
from solar.extraction.whiten import whitened
from solar.features.extractor import FeatureExtractor, open_feature_extractor
from solar.models.whitening import Whitening
from solar.photos import AsStored, Box, Photo


@dataclass(frozen=True, eq=False)
class AggregatedExtractor:
    """Photos to VLAD's or Fisher's vectors; see `solar.extraction.Extractor`.

    Attributes:
        vocabulary: by which features are aggregated.
        maker: of the features.
        name: what the extraction calls this.
        decoding: "upright", or "stored" for photos as they are stored, not turned.
        whitening: applied afterwards, or None.

    Raises:
        UsageError: the maker's features are not the vocabulary's, or this gives no vectors.
    """

    vocabulary: Vocabulary
    maker: FeatureExtractor
    name: str
    decoding: str = "upright"
    whitening: Whitening | None = None

    def __post_init__(self) -> None:
        self.vocabulary.features.require_same(
            self.maker.extraction, self.name, "make features as it says"
        )
        _ = self.extraction

    @property
    def extraction(self) -> Extraction:
        """Everything that the descriptors depend on."""
        made = Extraction(
            self.name,
            self.vocabulary.fingerprint,
            self.vocabulary.dimensions,
            self.vocabulary.features.image_size,
            (1.0,),
            decoding=self.decoding,
        )
        return made if self.whitening is None else whitened(made, self.whitening)

    def describe(
        self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
    ) -> Iterator[Described | Failed]:
        """See `Extractor.describe`; of a box, the keypoints inside it."""
        seen = AsStored(photos) if self.decoding == "stored" else photos
        for found in self.maker.describe(seen, boxes):
            if isinstance(found, Failed):
                yield found
                continue
            vector = self.vocabulary.aggregate(found.features)
            if self.whitening is not None:
                vector = self.whitening.apply(vector[None])[0]
            yield Described(found.position, vector)


def open_aggregated(
    path: Path,
    *,
    device: str = "auto",
    precision: str = "auto",
    decoding: str = "draft",
    whitening: Whitening | None = None,
) -> AggregatedExtractor:
    """What a vocabulary's file describes photos with, the same features made again.

    Args:
        path: that `Vocabulary.save` wrote.
        device: where a network that describes keypoints runs.
        precision: of its arithmetic.
        decoding: "draft" is "upright" here.
        whitening: applied afterwards.

    Raises:
        CheckpointError: no vocabulary, or what described its features is not here.
        UsageError: it gives no vectors, or its features cannot be made again.
    """
    vocabulary = Vocabulary.load(path)
    maker = maker_of(vocabulary, device, precision)
    upright = "upright" if decoding == "draft" else decoding
    return AggregatedExtractor(vocabulary, maker, str(path), upright, whitening)


def maker_of(
    vocabulary: Vocabulary, device: str = "auto", precision: str = "auto"
) -> FeatureExtractor:
    """What makes the features that a vocabulary was learned from.

    Raises:
        UsageError: what is called so here is another.
    """
    made = vocabulary.features
    maker = open_feature_extractor(
        made.descriptor,
        device,
        precision,
        detector=made.detector,
        keypoints=made.keypoints,
        image_size=made.image_size,
    )
    if differences := made.differences(maker.extraction):
        raise UsageError(f"vocabulary: its features were made otherwise: {'; '.join(differences)}")
    return maker
