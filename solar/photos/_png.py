"""PNG: only the chunks that matter, so that no other can refuse or delay a photo."""

from __future__ import annotations

import zlib
from dataclasses import replace
from zlib import crc32

from solar.errors import PhotoError
from solar.photos._orientation import orientation
from solar.photos._source import Source, with_pillow
from solar.photos._words import AGAIN

_MAX_CHUNKS = 2**18
_MAX_TEXT = 2**24
_NEEDED = (b"IHDR", b"PLTE", b"IDAT")
_ORIENTED = ("Raw profile type exif", "XML:com.adobe.xmp")

Info = dict[object, object]


def open_png(data: bytes) -> Source:
    """See `Source`.

    Raises:
        PhotoError: a chunk that is needed is damaged or unknown, or there are too many.
    """
    kept, info = _essential(data)
    source = with_pillow(kept, "PNG")
    return replace(source, memory=source.memory + len(data), turn=orientation(info))


def _essential(data: bytes) -> tuple[bytes, Info]:
    """The file with nothing but pixels and transparency, and what it says about its orientation."""
    heads, at, view = [data[:8]], 8, memoryview(data)
    pixels: list[memoryview] = []
    info: Info = {}
    for _ in range(_MAX_CHUNKS):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        body, end = view[at + 8 : at + 8 + length], at + 8 + length
        if kind == b"IEND" or len(kind) < 4 or len(body) < length:
            if kind == b"IDAT":  # truncated, as Pillow will say
                pixels.append(body)
            return b"".join([*heads, *_chunk(b"IDAT", pixels), *_chunk(b"IEND", [])]), info
        sound = crc32(body, crc32(kind)) == int.from_bytes(data[end : end + 4], "big")
        if not kind.isalpha() or (kind[:1].isupper() and not (sound and kind in _NEEDED)):
            called = kind.decode("ascii") if kind.isalpha() else "without a name"
            raise PhotoError(f"truncated or damaged PNG (chunk {called}): {AGAIN}")
        if kind == b"IDAT":
            pixels.append(body)
        elif sound and kind in (*_NEEDED, b"tRNS"):
            heads.append(data[at : end + 4])
        elif sound:
            _note(kind, body, info)
        at = end + 4
    raise PhotoError(f"damaged PNG (over {_MAX_CHUNKS} chunks): {AGAIN}")


def _chunk(kind: bytes, parts: list[memoryview]) -> list[bytes | memoryview]:
    checksum = crc32(kind)
    for part in parts:
        checksum = crc32(part, checksum)
    return [sum(map(len, parts)).to_bytes(4, "big"), kind, *parts, checksum.to_bytes(4, "big")]


def _note(kind: bytes, body: memoryview, info: Info) -> None:
    """Keep what may say how the photo is turned, under the names that Pillow gives it."""
    if kind == b"eXIf":
        info["exif"] = bytes(body)
    keyword, _, text = bytes(body[:80]).partition(b"\0")
    name = keyword.decode("latin-1")
    if kind not in (b"tEXt", b"zTXt", b"iTXt") or name not in _ORIENTED or name in info:
        return
    text = bytes(body[len(keyword) + 1 :])
    packed = kind == b"zTXt"
    if kind == b"iTXt":  # flag, method, language, keyword translated
        packed = text[:1] == b"\1"
        text = text[2:].partition(b"\0")[2].partition(b"\0")[2]
    elif packed:
        text = text[1:]
    try:
        text = zlib.decompressobj().decompress(text, _MAX_TEXT) if packed else text[:_MAX_TEXT]
    except zlib.error:
        return
    info[name] = text.decode("utf-8", "replace")
