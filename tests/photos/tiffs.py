"""Writes TIFF files of any layout from samples, as plainly as the format allows."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Order = Literal["<", ">", "|"]
PACKERS: dict[int, Callable[[bytes], bytes]] = {1: bytes, 8: zlib.compress}


def packed(rows: NDArray[Any], bits: int, order: Order) -> bytes:
    """(h, n) -> rows of samples of so many bits, each row filled up to whole bytes."""
    if bits in (8, 16, 32, 64):
        return rows.astype(rows.dtype.newbyteorder(order)).tobytes()
    values = rows.astype(np.uint32)[..., None] >> np.arange(bits - 1, -1, -1, dtype=np.uint32)
    return np.packbits((values & 1).astype(np.uint8).reshape(len(rows), -1), axis=1).tobytes()


def predicted(rows: NDArray[Any], samples: int, predictor: int) -> NDArray[Any]:
    """(h, w * samples) with differences along rows instead of values."""
    if predictor == 1:
        return rows
    height, across = rows.shape
    if predictor == 3:  # bytes of each row by significance, then differences of bytes
        size = rows.dtype.itemsize
        big = np.ascontiguousarray(rows.astype(rows.dtype.newbyteorder(">")))
        planes = big.view(np.uint8).reshape(height, across, size).transpose(0, 2, 1)
        rows = np.ascontiguousarray(planes).reshape(height, across * size)
    values = rows.reshape(height, -1, samples)
    first = np.zeros_like(values[:, :1])
    return np.diff(values, axis=1, prepend=first).astype(values.dtype).reshape(height, -1)


def tiff_of(
    pixels: NDArray[Any],
    *,
    photometric: int,
    bits: int | None = None,
    planar: int = 1,
    order: Order = "<",
    compression: int = 1,
    predictor: int = 1,
    tile: tuple[int, int] | None = None,
    rows: int | None = None,
    tags: dict[int, tuple[int, list[int]]] | None = None,
) -> bytes:
    """A TIFF of samples (H, W, S); `tile` is width and height; `tags` are type and values."""
    height, width, samples = pixels.shape
    bits = bits or 8 * pixels.dtype.itemsize
    kind = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    across, down = tile or (width, rows or height)
    planes = np.moveaxis(pixels, 2, 0)[..., None] if planar == 2 else pixels[None]
    pieces = []
    for plane in planes:
        for top in range(0, height, down):
            for left in range(0, width, across):
                piece = plane[top : top + down, left : left + across]
                if tile:
                    fill = [(0, down - piece.shape[0]), (0, across - piece.shape[1]), (0, 0)]
                    piece = np.pad(piece, fill, mode="edge")
                flat = predicted(piece.reshape(len(piece), -1), plane.shape[2], predictor)
                stored: Order = order if predictor < 3 else "|"
                pieces.append(PACKERS[compression](packed(flat, bits, stored)))
    entries: dict[int, tuple[int, list[int]]] = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [bits] * samples),
        259: (3, [compression]),
        262: (3, [photometric]),
        277: (3, [samples]),
        284: (3, [planar]),
        317: (3, [predictor]),
        339: (3, [kind] * samples),
    }
    starts = np.cumsum([8, *map(len, pieces)]).tolist()[:-1]
    if tile:
        entries |= {322: (4, [across]), 323: (4, [down])}
        entries |= {324: (4, starts), 325: (4, [len(piece) for piece in pieces])}
    else:
        entries |= {273: (4, starts), 278: (4, [down]), 279: (4, [len(piece) for piece in pieces])}
    entries |= tags or {}
    body = b"".join(pieces)
    at = 8 + len(body)
    directory, more = struct.pack(order + "H", len(entries)), b""
    after = at + 2 + 12 * len(entries) + 4
    for tag, (value_type, values) in sorted(entries.items()):
        code = {1: "B", 3: "H", 4: "I"}[value_type]
        data = struct.pack(f"{order}{len(values)}{code}", *values)
        if len(data) > 4:
            data, more = struct.pack(order + "I", after + len(more)), more + data
        directory += struct.pack(order + "HHI", tag, value_type, len(values)) + data.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", at)
    return head + body + directory + bytes(4) + more
