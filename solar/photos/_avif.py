"""AVIF: how large the pictures inside are, which its header need not tell."""

from __future__ import annotations

import io
from collections.abc import Iterator

from PIL import UnidentifiedImageError

from solar.errors import PhotoError
from solar.photos._source import Source, with_pillow
from solar.photos._words import AGAIN

_MAX_BOXES = 2**16
_INSIDE = {b"meta": 4, b"moov": 0, b"trak": 0, b"mdia": 0, b"minf": 0, b"stbl": 0}  # bytes to skip
_SEQUENCE_HEADER = 1
_MAX_TRACK = 2**16


def open_avif(data: bytes) -> Source:
    """See `Source`.

    Raises:
        PhotoError: a picture inside is larger than the header says.
    """
    try:
        source = with_pillow(data, "AVIF")
    except (UnidentifiedImageError, ValueError):
        # Damaged EXIF, perhaps: hide it. An AVIF keeps its orientation elsewhere too.
        source = with_pillow(data.replace(b"Exif", b"free", 1), "AVIF")
    width, height = source.size
    for inside in _pictures(data):
        # A decoder would take memory for the picture, then scale it to the header's size.
        if inside[0] * inside[1] > 1.1 * width * height + 2**16:
            sizes = f"{width} x {height} pixels, but holds {inside[0]} x {inside[1]}"
            raise PhotoError(f"damaged AVIF: its header says {sizes}: {AGAIN}")
    return source


def _pictures(data: bytes) -> Iterator[tuple[int, int]]:
    """Width and height of the pictures that the file's items and tracks hold."""
    boxes = list(_boxes(data, 0, len(data)))
    inside = next((start for kind, start, _ in boxes if kind == b"idat"), 0)
    for kind, start, end in boxes:
        if kind == b"iloc":
            for item in _items(data, data[start:end], inside):
                yield from _of_stream(item)
        elif kind in (b"stco", b"co64"):
            first = data[start + 8 : start + (12 if kind == b"stco" else 16)]
            yield from _of_stream(data[int.from_bytes(first, "big") :][:_MAX_TRACK])


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the boxes and of those in the ones that matter."""
    for _ in range(_MAX_BOXES):
        if at + 8 > end:
            return
        length, kind, start = (
            int.from_bytes(data[at : at + 4], "big"),
            data[at + 4 : at + 8],
            at + 8,
        )
        if length == 1:
            length, start = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        stop = end if length == 0 else min(at + length, end)
        yield kind, start, stop
        if kind in _INSIDE:
            yield from _boxes(data, start + _INSIDE[kind], stop)
        at = max(stop, start)
    raise PhotoError(f"damaged AVIF (over {_MAX_BOXES} boxes): {AGAIN}")


def _items(data: bytes, iloc: bytes, inside: int) -> Iterator[bytes]:
    """The bytes of each item that the box says where to find."""
    file = io.BytesIO(iloc)

    def number(size: int) -> int:
        return int.from_bytes(file.read(size), "big")

    version = number(4) >> 24
    sizes = number(2)
    offset, length, base, index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    wide = 4 if version == 2 else 2
    taken = 0
    for _ in range(number(wide)):
        number(wide)  # its name
        method = number(2) & 15 if version else 0
        number(2)
        start = number(base) + (inside if method == 1 else 0)
        extents = []
        for _ in range(number(2)):
            number(index if version else 0)
            first = start + number(offset)
            size = number(length) or len(data)
            extents.append(data[first : first + size])
            taken += len(extents[-1]) + 1
            if taken > 2 * len(data):
                raise PhotoError(f"damaged AVIF (its items overlap): {AGAIN}")
        yield b"".join(extents)
        if file.tell() >= len(iloc):
            return


def _of_stream(stream: bytes) -> Iterator[tuple[int, int]]:
    """Width and height in each header of a sequence of AV1; nothing in what is no AV1."""
    at = 0
    for _ in range(_MAX_BOXES):
        if at >= len(stream) or stream[at] & 0x82 != 2:  # the forbidden bit; has its size
            return
        kind, at = stream[at] >> 3 & 15, at + (2 if stream[at] & 4 else 1)
        size = shift = 0
        for byte in stream[at : at + 8]:
            at += 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        if kind == _SEQUENCE_HEADER:
            yield _sequence_size(_Bits(stream[at : at + min(size, 1024)]))
        at += size


def _sequence_size(bits: _Bits) -> tuple[int, int]:
    """The largest width and height of AV1's frames (sequence_header_obu, AV1 5.5)."""
    bits.take(4)
    if bits.take(1):  # a reduced header
        bits.take(5)
    else:
        delay = 0
        if bits.take(1):  # timing
            bits.take(64)
            if bits.take(1):
                bits.skip_exponential()
            if bits.take(1):
                delay = bits.take(5) + 1
                bits.take(37)
        has_display_delay = bits.take(1)
        for _ in range(bits.take(5) + 1):
            bits.take(12)
            if bits.take(5) > 7:
                bits.take(1)
            if delay and bits.take(1):
                bits.take(2 * delay + 1)
            if has_display_delay and bits.take(1):
                bits.take(4)
    across, down = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(across) + 1, bits.take(down) + 1


class _Bits:
    """Takes numbers off the front of bytes, most significant bit first; zeros at the end."""

    def __init__(self, data: bytes) -> None:
        self._left, self._number = 8 * len(data), int.from_bytes(data, "big")

    def take(self, count: int) -> int:
        self._left -= count
        value = self._number >> self._left if self._left >= 0 else 0
        return value & ((1 << count) - 1)

    def skip_exponential(self) -> None:
        zeros = 0
        while not self.take(1) and zeros < 32:
            zeros += 1
        self.take(min(zeros, 32))
