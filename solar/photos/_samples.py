"""TIFF's samples of any size and layout, as 8-bit pixels.

Pillow reads 8-bit samples that lie together; of most others it knows nothing, and some it turns to
stripes without a word. Here libtiff (through Pillow) only unpacks: the file is read as if it were
grey bytes, and samples are made of them afterwards.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from solar.errors import PhotoError
from solar.photos._layout import COLOURS, Layout
from solar.photos._pixels import significant_bits
from solar.photos._source import loaded, opened

_ROWS = 256  # made into pixels at once
_TYPES = {1: "u", 2: "i", 3: "f"}


def read_samples(data: bytes, layout: Layout) -> Image.Image:
    """Unpack a TIFF that is not for Pillow: an image of mode L, RGB or CMYK, or with alpha.

    Unsigned samples are scaled by the bits that are significant or by the greatest value that the
    file states. Others have no fixed white: grey is stretched from its darkest to its brightest,
    colours from 0 to 1 or as far as they go.

    Raises:
        PhotoError: samples are not finite.
    """
    planes = [_plane(data, layout, at) for at in range(layout.samples if layout.planar else 1)]
    colours = COLOURS[layout.photometric]
    low, high = _range(planes, layout, colours)
    shown = colours + (layout.extra in (1, 2))
    pixels = np.empty((layout.height, layout.width, shown), np.uint8)
    for top, rows in _rows(planes, layout):
        part = pixels[top : top + _ROWS]
        part[..., :colours] = _levels(rows[..., :colours], low, high)
        if shown > colours:
            full = 1.0 if layout.kind == 3 else 2.0**layout.bits - 1
            part[..., colours] = _levels(rows[..., colours], 0, full)
    if layout.photometric == 0:
        pixels[..., 0] ^= 255
    if colours == 4:
        return Image.frombytes("CMYK", (layout.width, layout.height), pixels[..., :4].tobytes())
    mode = {(1, None): "L", (1, 1): "La", (1, 2): "LA", (3, 1): "RGBa", (3, 2): "RGBA"}.get(
        (colours, layout.extra or None), "RGB"
    )
    photo = Image.frombytes(mode, (layout.width, layout.height), pixels.tobytes())
    return photo.convert("RGBA") if mode == "RGBa" else photo


def _range(planes: list[Image.Image], layout: Layout, colours: int) -> tuple[float, float]:
    """The values that become black and white."""
    if layout.kind == 1 and layout.bits < 16:
        return 0, 2**layout.bits - 1
    if layout.kind == 1 and layout.bits == 16 and (layout.greatest or layout.extra == 1):
        return 0, layout.greatest or 2**16 - 1
    least, most = math.inf, -math.inf
    for _, rows in _rows(planes, layout):
        values = rows[..., :colours]
        if not np.isfinite(values).all():
            raise PhotoError("its pixels are not finite numbers: save it as 16-bit PNG")
        least, most = min(least, float(values.min())), max(most, float(values.max()))
    if layout.kind == 1 and layout.bits == 16:
        return 0, 2 ** significant_bits(int(most)) - 1
    return (least, most) if colours == 1 else (min(least, 0), max(most, 1))


def _levels(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    bits = int(high).bit_length() if low == 0 and high < 2**16 else 0
    if bits >= 8 and high == 2**bits - 1 and values.dtype.kind == "u":
        levels = values >> (bits - 8)
    else:
        levels = ((values.astype(np.float64) - low) * (255 / ((high - low) or 1))).round()
    return np.asarray(levels.clip(0, 255), np.uint8)


def _plane(data: bytes, layout: Layout, at: int) -> Image.Image:
    """The unpacked bytes of all samples, or of those of one plane, as a grey image.

    Each row of a tile has its bytes whole, also where the tile is wider than the photo.
    """
    share = len(layout.offsets) // (layout.samples if layout.planar else 1)
    pieces = slice(at * share, (at + 1) * share)
    width, height = layout.tile
    across = -(-layout.width // max(width, 1)) if layout.tiled else 1
    entries = {
        256: [across * layout.row_bytes],
        257: [layout.height],
        258: [8],
        259: [layout.compression],
        262: [1],
        266: [layout.fill_order],
        277: [1],
        (324 if layout.tiled else 273): layout.offsets[pieces],
        (325 if layout.tiled else 279): layout.counts[pieces],
    }
    entries |= {322: [layout.row_bytes], 323: [height]} if layout.tiled else {278: [height]}
    at = len(data) + len(data) % 2
    long = struct.Struct(layout.order + "I")
    lists, directory = b"", struct.pack(layout.order + "H", len(entries))
    after = at + 2 + 12 * len(entries) + 4
    for tag, values in sorted(entries.items()):
        value = struct.pack(f"{layout.order}{len(values)}I", *values)
        if len(values) != 1:
            value, lists = long.pack(after + len(lists)), lists + value
        directory += struct.pack(layout.order + "HHI", tag, 4, len(values)) + value
    head = (b"II*\0" if layout.order == "<" else b"MM\0*") + long.pack(at)
    tail = bytes(at - len(data)) + directory + bytes(4) + lists
    return loaded(opened(b"".join([head, memoryview(data)[8:], tail]), "TIFF"))


def _rows(planes: list[Image.Image], layout: Layout) -> Iterator[tuple[int, NDArray[Any]]]:
    """The number of the first, and samples (h, W, S), of some rows after others."""
    for top in range(0, layout.height, _ROWS):
        bottom = min(top + _ROWS, layout.height)
        bands = [np.asarray(plane.crop((0, top, plane.width, bottom))) for plane in planes]
        samples = [_samples(band, layout) for band in bands]
        yield top, samples[0] if len(samples) == 1 else np.concatenate(samples, 2)


def _samples(band: NDArray[np.uint8], layout: Layout) -> NDArray[Any]:
    """Bytes of rows (h, n) -> their samples (h, W, S)."""
    inside = 1 if layout.planar else layout.samples
    rows = band.reshape(-1, layout.row_bytes)  # of each tile by itself: (h * tiles, n)
    width = layout.tile[0]
    name = f"{_TYPES[layout.kind]}{layout.bits // 8}"
    values: NDArray[Any]
    if layout.predictor == 3:  # differences of bytes, sorted by their significance
        rows = np.cumsum(rows.reshape(len(rows), -1, inside), axis=1, dtype=np.uint8)
        rows = rows.reshape(-1, layout.bits // 8, width * inside).transpose(0, 2, 1)
        values = np.ascontiguousarray(rows).view(f">{name}")
    elif layout.bits in (8, 16, 32, 64):
        values = np.ascontiguousarray(rows).view(f"{layout.order}{name}")
    else:
        bits = np.unpackbits(rows, axis=1)[:, : width * inside * layout.bits]
        weights = 1 << np.arange(layout.bits - 1, -1, -1, dtype=np.uint16)
        values = bits.reshape(len(rows), -1, layout.bits) @ weights
    values = values.astype(values.dtype.newbyteorder("=")).reshape(len(rows), width, inside)
    if layout.predictor == 2:
        values = np.cumsum(values, axis=1, dtype=values.dtype)
    return values.reshape(len(band), -1, inside)[:, : layout.width]
