"""Everything that descriptors depend on, as one value."""

from __future__ import annotations

from dataclasses import dataclass

from solar.errors import UsageError
from solar.extraction.settings import Settings
from solar.photos import require_sizes

MOST_DIMENSIONS = 1 << 16
DECODINGS = ("draft", "upright", "stored")


@dataclass(frozen=True)
class Extraction(Settings):
    """What made descriptors; those of different extractions never meet in one ranking.

    Attributes:
        model: a named model, or where it lies. Not compared: the fingerprint is.
        fingerprint: SHA-256, hexadecimal, of the network's architecture and weights.
        dimensions: D of the descriptors.
        image_size: limit of a photo's longest side, in pixels.
        scales: at which descriptors are averaged.
        precision: a class within which descriptors agree to a cosine of 0.9999: `full` is float32,
            bfloat16 and float16; that of `int8` names the graph and the engine as well.
        decoding: how files become pixels: `upright` turns photos by their EXIF orientation;
            `draft` too, and decodes a JPEG no larger than at twice the image size or a little
            more; `stored` leaves them as they are, as published protocols do, whose boxes count
            stored pixels.
        own_whitening: dimensions to which the network's own layer whitens; None without one.
        whitening: SHA-256 of a whitening applied after the network; None for none.
        multiple: at each scale, photos are cut to sides of a multiple of so many pixels; their
            middle is kept.
    """

    model: str
    fingerprint: str
    dimensions: int
    image_size: int
    scales: tuple[float, ...]
    precision: str = "full"
    decoding: str = "draft"
    own_whitening: int | None = None
    whitening: str | None = None
    multiple: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "scales", tuple(map(float, self.scales)))
        require_sizes(self.image_size, self.scales)
        if self.decoding not in DECODINGS:
            raise UsageError(f"decoding {self.decoding:.60}: use {' or '.join(DECODINGS)}")
        if not 1 <= self.dimensions <= MOST_DIMENSIONS:
            raise UsageError(f"{self.dimensions} dimensions: use 1 to {MOST_DIMENSIONS}")
