"""Files made to cost memory, time or noise; decoded one by one in this process, and measured.

`python -m tests.photos.hurtful` prints name, outcome, seconds, megabytes of growth at the peak and
lines on standard error, one line for each file.
"""

from __future__ import annotations

import os
import random
import struct
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from solar.errors import PhotoError
from solar.photos import decode_photo
from tests.photos.test_images_fuzz import encoded, png_chunk, run_length_bmp, samples
from tests.photos.tiffs import tiff_of

MILLION = 10**6
STATUS = Path("/proc/self/status")


def files() -> Iterator[tuple[str, bytes]]:
    """Fifty files and more, made one after another."""
    sound = samples()
    yield from _pngs(sound["png"])
    yield from _jpegs(sound["jpeg"], sound["jpeg progressive"])
    yield from _gifs(sound["gif animated"])
    yield from _tiffs()
    yield from _others(sound)


def _pngs(sound: bytes) -> Iterator[tuple[str, bytes]]:
    head, rest = sound[:33], sound[33:]
    header = struct.pack(">IIBBBBB", 90, 60, 8, 2, 0, 0, 0)
    claims = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 6, 0, 0, 0)
    rows = zlib.compress(bytes(10**8), 9)
    start = sound[:8]
    yield "png empty chunks", head + png_chunk(b"teSt", b"") * MILLION + rest
    yield "png empty data", head + png_chunk(b"IDAT", b"") * MILLION + rest
    yield "png text bomb", head + png_chunk(b"zTXt", b"a\0\0" + rows) * 50 + rest
    profile = b"Raw profile type exif\0\0" + rows
    yield "png profile bombs", head + png_chunk(b"zTXt", profile) * 50 + rest
    xmp = b"XML:com.adobe.xmp\0\1\0\0\0" + rows
    yield "png xmp bombs", head + png_chunk(b"iTXt", xmp) * 50 + rest
    yield "png icc bomb", head + png_chunk(b"iCCP", b"a\0\0" + rows) + rest
    yield "png large chunk", head + png_chunk(b"teSt", bytes(50 * MILLION)) + rest
    claimed = start + png_chunk(b"IHDR", claims) + png_chunk(b"IDAT", rows)
    yield "png claims 900 megapixels", claimed
    yield "png data bomb", start + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", rows) + rest
    yield "png length beyond the file", head + b"\x7f\xff\xff\xffIDAT" + rest
    yield "png header twice", head + head[8:] * 10_000 + rest
    yield "png palettes", head + png_chunk(b"PLTE", bytes(768)) * 10_000 + rest
    yield "png frames", head + png_chunk(b"fcTL", bytes(26)) * 100_000 + rest


def _jpegs(sound: bytes, progressive: bytes) -> Iterator[tuple[str, bytes]]:
    def segment(marker: int, body: bytes) -> bytes:
        return bytes([255, marker]) + struct.pack(">H", len(body) + 2) + body

    start, rest = sound[:2], sound[2:]
    yield "jpeg fill bytes", start + b"\xff" * 20 * MILLION + rest[1:]
    yield "jpeg stuffed bytes", start + b"\xff\0" * 5 * MILLION + rest
    yield "jpeg zeros before a marker", start + bytes(20 * MILLION) + rest
    yield "jpeg comments", start + segment(0xFE, bytes(60_000)) * 500 + rest
    yield "jpeg empty comments", start + segment(0xFE, b"") * MILLION + rest
    yield "jpeg exif parts", start + segment(0xE1, b"Exif\0\0" + bytes(60_000)) * 1000 + rest
    yield "jpeg profile parts", start + segment(0xE2, b"ICC_PROFILE\0" + bytes(9)) * 9000 + rest
    yield "jpeg resources", start + segment(0xED, b"Photoshop 3.0\0" + b"8BIM" * 9999) * 500 + rest
    scan = progressive[progressive.rindex(b"\xff\xda") : -2]
    yield "jpeg scans", progressive[:-2] + scan * 50_000 + b"\xff\xd9"
    yield "jpeg fill after the scan", sound[:-2] + b"\xff" * 20 * MILLION + b"\xff\xd9"
    yield "jpeg restarts", sound[:-2] + b"\xff\xd0" * 5 * MILLION + b"\xff\xd9"
    at = sound.index(b"\xff\xc0") + 5
    grown = sound[:at] + struct.pack(">HH", 65_500, 65_500) + sound[at + 4 :]
    yield "jpeg claims 4 gigapixels", grown
    big = encoded(Image.new("L", (6000, 4500)), "JPEG", progressive=True)
    yield "jpeg cut, large", big[: len(big) // 2]
    yield "jpeg no end, large", big[:-2]
    yield "jpeg huffman tables", start + segment(0xC4, bytes(17)) * 10_000 + rest


def _gifs(sound: bytes) -> Iterator[tuple[str, bytes]]:
    at = 13 + (3 << ((sound[10] & 7) + 1))
    head, rest = sound[:at], sound[at:]
    comment = b"\x21\xfe" + (b"\xff" + bytes(255)) * 40_000 + b"\0"
    yield "gif comment", head + comment + rest
    yield "gif comments", head + b"\x21\xfe\1a\0" * MILLION + rest
    yield "gif blocks", head + b"\x21\xfe" + b"\1a" * 5 * MILLION + b"\0" + rest
    yield "gif claims 4 gigapixels", sound[:6] + b"\xff\xff\xff\xff" + sound[10:]


def _tiffs() -> Iterator[tuple[str, bytes]]:
    rng = random.Random(1)  # noqa: S311
    noise = Image.effect_noise((1000, 3000), 90).convert("1")
    for compression in ("group3", "group4"):
        fax = bytearray(encoded(noise, "TIFF", compression=compression))
        for _ in range(len(fax) // 170):
            fax[rng.randrange(200, len(fax) - 2000)] = rng.randrange(256)
        yield f"tiff {compression} damaged", bytes(fax)
    grey = np.zeros((64, 64, 1), np.uint8)
    for name, tags in {
        "strips": {273: (4, [8] * 200_000), 279: (4, [64] * 200_000)},
        "strips beyond": {273: (4, [2**31] * 64)},
        "tall": {257: (4, [2**31 - 1])},
        "rows in a strip": {278: (4, [2**32 - 1])},
        "samples": {277: (3, [65_535])},
        "many bits": {258: (3, [16] * 60_000), 277: (3, [60_000])},
    }.items():
        yield f"tiff {name}", tiff_of(grey, photometric=1, tags=tags)
    tiled = tiff_of(
        grey, photometric=1, tile=(64, 64), tags={322: (4, [60_000]), 323: (4, [60_000])}
    )
    yield "tiff tile", tiled
    wide = np.zeros((64, 64, 3), np.uint16)
    bomb = {256: (4, [20_000]), 257: (4, [20_000])}
    yield "tiff 16-bit claims", tiff_of(wide, photometric=2, compression=8, tags=bomb)
    yield (
        "tiff planes at one place",
        tiff_of(wide, photometric=2, planar=2, tags={273: (4, [8] * 9)}),
    )
    lzw = bytearray(encoded(Image.effect_noise((2000, 2000), 90), "TIFF", compression="tiff_lzw"))
    for _ in range(2000):
        lzw[rng.randrange(200, len(lzw) - 3000)] = rng.randrange(256)
    yield "tiff lzw damaged", bytes(lzw)


def _others(sound: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    large = run_length_bmp(Image.new("P", (64, 64)))
    yield "bmp run length", large[:18] + struct.pack("<ii", 20_000, 20_000) + large[26:]
    yield "bmp claims", sound["bmp"][:18] + struct.pack("<ii", 40_000, 40_000) + sound["bmp"][26:]
    yield "ppm comment", b"P6\n#" + b"a" * 20 * MILLION + b"\n64 64 255\n" + bytes(64 * 64 * 3)
    yield "ppm comments", b"P6\n" + b"#\n" * 5 * MILLION + b"64 64 255\n" + bytes(64 * 64 * 3)
    yield "ppm text", b"P3 5000 5000 255\n" + b"1 " * 5 * MILLION
    yield "ppm claims", b"P6 30000 30000 65535\n" + bytes(1000)
    webp = sound["webp lossless"]
    yield "webp chunks", webp + b"teSt\0\0\0\0" * MILLION
    canvas = bytearray(sound["webp animated"])
    canvas[24:30] = b"\xfe\x3f\0" * 2
    yield "webp claims 268 megapixels", bytes(canvas)
    if ".jp2" in Image.registered_extensions():
        jp2 = bytearray(encoded(Image.new("RGB", (64, 64)), "JPEG2000"))
        at = jp2.index(b"\xff\x51") + 6
        jp2[at : at + 8] = struct.pack(">II", 30_000, 30_000)
        yield "jp2 larger than its header", bytes(jp2)
        at = jp2.index(b"ihdr") + 4
        jp2[at : at + 8] = struct.pack(">II", 30_000, 30_000)
        yield "jp2 claims", bytes(jp2)
    if "avif" in sound:
        big = encoded(Image.new("RGB", (6000, 6000)), "AVIF", speed=10, quality=10)
        at = big.index(b"ispe") + 8
        yield "avif small header", big[:at] + struct.pack(">II", 64, 64) + big[at + 8 :]
        boxes = struct.pack(">I4s", 8, b"free") * MILLION
        yield "avif boxes", sound["avif"] + boxes
    yield "heif that is none", b"\0\0\0\x18ftypheic" + bytes(MILLION)


def measured(name: str, data: bytes) -> str:
    """One line about a file."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _kilobytes("VmRSS")
    start = time.process_time()
    with tempfile.TemporaryFile() as noise:
        kept = os.dup(2)
        os.dup2(noise.fileno(), 2)
        try:
            outcome = _outcome(data)
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        noise.seek(0)
        lines = noise.read().count(b"\n")
    seconds = time.process_time() - start
    return f"{name}\t{outcome}\t{seconds:.2f}\t{(_kilobytes('VmHWM') - before) // 1000}\t{lines}"


def _outcome(data: bytes) -> str:
    try:
        decode_photo(data, "a")
    except PhotoError as error:
        return str(error) if str(error).isprintable() else f"not one line: {error!r}"
    return "photo"


def _kilobytes(name: str) -> int:
    return int(STATUS.read_text().split(name + ":")[1].split()[0])


def main(measure: Callable[[str, bytes], str] = measured) -> None:
    """Print a line for each file."""
    decode_photo(samples()["tiff lzw"], "first")  # what is loaded once is not counted
    for name, data in files():
        print(measure(name, data), flush=True)


if __name__ == "__main__":
    main()
