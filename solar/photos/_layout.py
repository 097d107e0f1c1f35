"""How a TIFF stores its samples, and which ways give the pixels that were meant."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import TiffImagePlugin

from solar.errors import PhotoError
from solar.photos._orientation import TAG, TURNS
from solar.photos._words import AGAIN

_UNPACKED = {1, 5, 8, 32773, 32946}  # compressions: none, LZW, deflate, PackBits
_MAX_SAMPLES = 64
_BITS = {1: (*range(1, 17), 32), 2: (8, 16, 32), 3: (16, 32, 64)}

COLOURS = {0: 1, 1: 1, 2: 3, 5: 4}
"""Colours of a pixel by photometric interpretation: white is 0, black is 0, RGB, CMYK."""


@dataclass(frozen=True)
class Layout:
    """How a TIFF stores its first picture; names are those of the tags.

    Attributes:
        order: "<" or ">".
        width: pixels.
        height: pixels.
        bits: of each sample.
        kind: 1 unsigned, 2 signed, 3 floating point.
        samples: of a pixel.
        photometric: what their values mean.
        planar: whether each sample has a plane of its own.
        compression: of strips or tiles.
        predictor: what was subtracted before that.
        fill_order: of bits in a byte.
        tile: width and height of tiles or strips, in pixels.
        tiled: whether they are tiles.
        offsets: where strips or tiles start; plane by plane if `planar`.
        counts: bytes of each.
        extra: what the first sample after the colours is: 1 alpha times which the colours are
            stored, 2 alpha; 0 nothing that is known; None if there is none.
        greatest: the greatest value that the file says to hold.
        subsampling: of chroma, across and down.
        inks: 1 where four samples are cyan, magenta, yellow and black.
        turn: its orientation, None where it states none.
    """

    order: str
    width: int
    height: int
    bits: int
    kind: int
    samples: int
    photometric: int
    planar: bool
    compression: int
    predictor: int
    fill_order: int
    tile: tuple[int, int]
    tiled: bool
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    extra: int | None
    greatest: int | None
    subsampling: tuple[int, ...]
    inks: int
    turn: int | None

    @classmethod
    def of(cls, data: bytes) -> Layout:
        """Read the tags.

        Raises:
            PhotoError: they are damaged, or samples of a pixel differ in size.
        """
        file = io.BytesIO(data)
        header = file.read(16 if b"+" in data[2:4] else 8)
        tags = TiffImagePlugin.ImageFileDirectory_v2(header)
        file.seek(tags.next)
        tags.load(file)

        def several(tag: int, usual: tuple[int, ...] = ()) -> tuple[int, ...]:
            value = tags.get(tag, usual)
            values = value if isinstance(value, tuple) else (value,)
            if not all(isinstance(number, int) and number >= 0 for number in values):
                raise PhotoError(f"truncated or damaged TIFF (tag {tag}): {AGAIN}")
            return values

        def one(tag: int, usual: int = 0) -> int:
            return (several(tag, (usual,)) or (usual,))[0]

        bits, kinds = several(258, (1,)), several(339, (1,))
        width, height = one(256), one(257)
        samples, photometric = one(277, len(bits)), one(262)
        compression = one(259, 1)
        tiled = 322 in tags
        extra = several(338)
        colours = COLOURS.get(photometric, 3)
        if len({*bits}) > 1 or len({*kinds}) > 1:
            raise PhotoError("a TIFF whose samples differ in size is not read: save it as PNG")
        beside = None if samples <= colours else extra[0] if extra else 2 * (photometric == 2)
        return cls(
            order="<" if data[:2] == b"II" else ">",
            width=width,
            height=height,
            bits=bits[0],
            kind=kinds[0],
            samples=samples,
            photometric=photometric,
            planar=one(284, 1) == 2,
            compression=compression,
            predictor=one(317, 1),
            fill_order=one(266, 1),
            tile=(one(322), one(323)) if tiled else (width, min(one(278, height), height)),
            tiled=tiled,
            offsets=several(324 if tiled else 273),
            counts=several(325 if tiled else 279),
            extra=beside,
            greatest=one(281) or None,
            subsampling=several(530, (2, 2)),
            inks=one(332, 1),
            turn=_turn(tags),
        )

    @property
    def of_pillow(self) -> bool:
        """Whether Pillow reads the samples as they are meant."""
        return self.bits <= 8 and self.kind == 1 and not self.planar

    @property
    def row_bytes(self) -> int:
        """Bytes of a row of a strip or tile, in one plane."""
        return -(-self.tile[0] * self.bits * (1 if self.planar else self.samples) // 8)

    @property
    def pixel_bytes(self) -> int:
        """Bytes of a pixel with all its samples, at least."""
        return -(-self.bits * self.samples // 8)

    def require_readable(self) -> None:
        """Refuse what would give other pixels than were meant.

        Raises:
            PhotoError: says what is not read.
        """
        what = self._misread_by_pillow() if self.of_pillow else self._misread_here()
        if self.photometric == 5 and self.inks != 1:
            what = "inks other than cyan, magenta, yellow and black"
        if what:
            raise PhotoError(f"a TIFF with {what} is not read: save it as PNG or 8-bit TIFF")

    def _misread_by_pillow(self) -> str | None:
        if self.photometric == 6 and self.compression == 1 and self.subsampling != (1, 1):
            return "unpacked colours of lower resolution"
        return None

    def _misread_here(self) -> str | None:
        colours = COLOURS.get(self.photometric)
        if colours is None:
            return f"{self.bits}-bit samples of photometric interpretation {self.photometric}"
        if self.compression not in _UNPACKED:
            return f"{self.bits}-bit samples of compression {self.compression}"
        if self.bits not in _BITS.get(self.kind, ()):
            return f"samples of {self.bits} bits in format {self.kind}"
        if self.predictor not in (1, 2, 3) or (self.predictor == 3 and self.kind != 3):
            return f"predictor {self.predictor}"
        if not colours <= self.samples <= _MAX_SAMPLES:
            return f"{self.samples} samples"
        if self.extra in (1, 2) and (self.kind == 2 or self.photometric == 0):
            return "alpha beside signed samples or in a negative"
        return None


def _turn(tags: TiffImagePlugin.ImageFileDirectory_v2) -> int | None:
    turn = tags.get(TAG)
    return None if turn is None else int(turn) if turn in TURNS else 1
