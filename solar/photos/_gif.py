"""GIF: its first picture alone, whatever is stored around it."""

from __future__ import annotations

from solar.errors import PhotoError
from solar.photos._source import Source, with_pillow
from solar.photos._words import AGAIN

_MAX_BLOCKS = 2**20  # a quarter of a gigabyte in full blocks
_EXTENSION, _PICTURE, _CONTROL = 0x21, 0x2C, 0xF9


def open_gif(data: bytes) -> Source:
    """See `Source`.

    Raises:
        PhotoError: it is stored in too many blocks.
    """
    return with_pillow(_first_picture(data), "GIF")


def _first_picture(data: bytes) -> bytes:
    """Without comments and other extensions, which Pillow joins block by block."""
    at = 13 + _palette(data[10:11])
    parts = [data[:at]]
    blocks = 0
    while True:
        start, kind = at, data[at : at + 1]
        if kind == bytes([_PICTURE]):
            at += 11 + _palette(data[at + 9 : at + 10])
        elif kind == bytes([_EXTENSION]):
            at += 2
        else:  # the end, or damage, as Pillow will say
            return b"".join([*parts, data[at : at + 1]])
        while size := data[at] if at < len(data) else 0:
            at += 1 + size
            blocks += 1
            if blocks > _MAX_BLOCKS:
                raise PhotoError(f"damaged GIF (over {_MAX_BLOCKS} blocks): {AGAIN}")
        at += 1
        blocks += 1
        if kind == bytes([_PICTURE]):
            return b"".join([*parts, memoryview(data)[start:at], b";"])
        if data[start + 1] == _CONTROL:
            parts.append(data[start:at])


def _palette(flags: bytes) -> int:
    """Bytes of the table of colours that follows."""
    return 3 << (1 + (flags[0] & 7)) if flags and flags[0] & 0x80 else 0
