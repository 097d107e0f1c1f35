"""How a photo must be turned: EXIF's orientation, wherever Pillow's `exif_transpose` finds it."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from PIL import Image

TAG = 274  # of EXIF and TIFF
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}  # EXIF's types: code of one value
_XMP = re.compile(rb"tiff:Orientation(?:=[\"']|>)([0-9])")


def orientation(info: Mapping[Any, object]) -> int:
    """1 to 8 from what Pillow read beside the pixels; 1 is upright, or missing, or damaged.

    XMP counts where no EXIF says anything, as it does for Pillow.
    """
    exif = info.get("exif")
    profile = info.get("Raw profile type exif")
    if exif is None and isinstance(profile, str):  # three lines, then hexadecimal digits
        try:
            exif = bytes.fromhex("".join(profile.split("\n")[3:]))
        except ValueError:
            exif = None
    if isinstance(exif, bytes):
        turn = of_tags(exif.removeprefix(b"Exif\0\0"))
        if turn is not None:
            return turn
    return of_xmp(info.get("XML:com.adobe.xmp")) or of_xmp(info.get("xmp")) or 1


def upright(photo: Image.Image, turn: int) -> Image.Image:
    """The photo, turned by an orientation."""
    return photo.transpose(TURNS[turn]) if turn in TURNS else photo


def of_tags(tiff: bytes) -> int | None:
    """The orientation in the first directory of a TIFF or an EXIF block, 1 if it is none."""
    for tag, value_type, values, value in tags(tiff):
        if tag == TAG and values == 1 and value_type in _INTEGERS:
            order = "<" if tiff[:2] == b"II" else ">"
            (turn,) = struct.unpack_from(order + _INTEGERS[value_type], value)
            return turn if turn in TURNS else 1
    return None


def of_xmp(xmp: object) -> int | None:
    """The orientation that an XMP packet states, 1 if it is none."""
    packet = xmp.encode("utf-8", "replace") if isinstance(xmp, str) else xmp
    found = _XMP.search(packet) if isinstance(packet, bytes) else None
    if found is None:
        return None
    turn = int(found[1])
    return turn if turn in TURNS else 1


def tags(tiff: bytes, start: int | None = None) -> Iterator[tuple[int, int, int, bytes]]:
    """Tag, type, number of values and first four bytes of each entry in a directory.

    Args:
        tiff: a TIFF file or an EXIF block; may be damaged.
        start: where the directory is; None for the first one.
    """
    order = "<" if tiff[:2] == b"II" else ">"
    big = b"+" in tiff[2:4]
    count = struct.Struct(order + ("Q" if big else "H"))
    entry = struct.Struct(order + ("HHQ4s4x" if big else "HHI4s"))
    if len(tiff) < 16:
        return
    if start is None:
        (start,) = struct.unpack_from(order + ("Q" if big else "I"), tiff, 8 if big else 4)
    first = start + count.size
    if first <= len(tiff):
        (entries,) = count.unpack_from(tiff, start)
        for i in range(min(entries, (len(tiff) - first) // entry.size)):
            yield entry.unpack_from(tiff, first + i * entry.size)
