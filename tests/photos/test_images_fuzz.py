"""Mutated photos end in an RGB image or a `PhotoError` of one line: no crash, no hang, no bloat.

A child process does the decoding, so that even a crash in C is seen. For more than the suite's
share: `python -m tests.photos.test_images_fuzz 20000` counts the outcomes.
"""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from solar.errors import PhotoError
from solar.photos import decode_photo

MUTATIONS = 1500
SECONDS_EACH = 5.0
GIGABYTE = 10**9
STATUS = Path("/proc/self/status")  # where Linux tells a process its peak memory


@pytest.mark.skipif(not STATUS.exists(), reason="measures memory through /proc, so Linux only")
def test_mutated_photos_never_crash_hang_or_bloat() -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.photos.test_images_fuzz", str(MUTATIONS)],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = [line.split("\t") for line in run.stdout.splitlines()]
    assert run.returncode == 0, f"died after {lines[-1:]}: {run.stderr}"
    assert "Warning" not in run.stderr  # libtiff writes its own lines there, out of reach
    assert len(lines) == MUTATIONS
    outcomes = Counter(line[2] for line in lines)
    assert set(outcomes) == {"photo", "refused"}, outcomes
    assert min(outcomes.values()) > MUTATIONS // 10, (
        outcomes
    )  # the mutations are neither blunt nor idle
    assert len({line[1] for line in lines}) == len(samples())
    assert max(float(line[3]) for line in lines) < SECONDS_EACH
    assert max(int(line[4]) for line in lines) < GIGABYTE


def samples() -> dict[str, bytes]:
    """A valid photo of each variety, 90 x 60 pixels."""
    rng = random.Random(0)  # noqa: S311  (no secrets here)
    noise = Image.frombytes("RGB", (9, 6), rng.randbytes(9 * 6 * 3))
    photo = noise.resize((90, 60), Image.Resampling.BICUBIC)
    alpha = photo.copy()
    alpha.putalpha(Image.linear_gradient("L").resize(photo.size))
    grey16 = Image.frombytes("I;16", photo.size, rng.randbytes(90 * 60 * 2))
    palette = photo.quantize(64)
    exif = Image.Exif()
    exif[274] = 6
    exif[271] = "maker" * 5
    exif.get_ifd(34665)[33434] = 0.01
    turned = {"exif": exif.tobytes(), "icc_profile": rng.randbytes(200)}
    files = {
        "jpeg": encoded(photo, "JPEG", **turned),
        "jpeg progressive": encoded(photo, "JPEG", progressive=True, quality=90),
        "jpeg cmyk": encoded(photo.convert("CMYK"), "JPEG"),
        "png": encoded(photo, "PNG", **turned),
        "png interlaced": interlaced_png(photo),
        "png 16 bit": encoded(grey16, "PNG"),
        "png palette": encoded(palette, "PNG", transparency=rng.randbytes(64)),
        "tiff raw": encoded(photo, "TIFF", **turned),
        "tiff lzw": encoded(alpha, "TIFF", compression="tiff_lzw"),
        "tiff deflate": encoded(grey16, "TIFF", compression="tiff_adobe_deflate"),
        "tiff jpeg": encoded(photo, "TIFF", compression="jpeg"),
        "gif animated": encoded(palette, "GIF", save_all=True, append_images=[noise.quantize(4)]),
        "webp lossy": encoded(photo, "WEBP", **turned),
        "webp lossless": encoded(alpha, "WEBP", lossless=True),
        "webp animated": encoded(photo, "WEBP", save_all=True, append_images=[alpha]),
        "bmp": encoded(photo, "BMP"),
        "bmp run length": run_length_bmp(palette),
    }
    if ".avif" in Image.registered_extensions():
        files["avif"] = encoded(alpha, "AVIF", exif=turned["exif"])
    if find_spec("pillow_heif"):
        import_module("pillow_heif").register_heif_opener()
        files["heic"] = encoded(photo, "HEIF", exif=turned["exif"])
    return files


def encoded(photo: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    photo.save(stream, kind, **options)
    return stream.getvalue()


def interlaced_png(photo: Image.Image) -> bytes:
    """Pillow reads the seven passes of Adam7 and does not write them."""
    pixels = np.asarray(photo)
    starts = [(0, 0), (4, 0), (0, 4), (2, 0), (0, 2), (1, 0), (0, 1)]  # x, y
    steps = [(8, 8), (8, 8), (4, 8), (4, 4), (2, 4), (2, 2), (1, 2)]
    passes = [pixels[y::dy, x::dx] for (x, y), (dx, dy) in zip(starts, steps, strict=True)]
    raw = b"".join(b"\0" + row.tobytes() for rows in passes for row in rows)
    header = struct.pack(">IIBBBBB", *photo.size, 8, 2, 0, 0, 1)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def run_length_bmp(photo: Image.Image) -> bytes:
    """Pillow reads run-length BMP and does not write it."""
    runs = [b"".join(bytes([1, index]) for index in row) for row in np.asarray(photo)[::-1]]
    rows = b"\0\0".join(runs) + b"\0\1"
    colours = bytes(photo.getpalette("BGRX") or []).ljust(1024, b"\0")
    info = struct.pack("<IiiHHIIiiII", 40, *photo.size, 1, 8, 1, len(rows), 0, 0, 256, 0)
    start = 14 + len(info) + len(colours)
    head = struct.pack("<2sIII", b"BM", start + len(rows), 0, start)
    return head + info + colours + rows


def mutated(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """One of seven kinds of damage; the checksums of a PNG are put right half of the time."""
    image = bytearray(data)
    at = rng.randrange(len(image))
    kind = rng.choice(["bytes", "header", "cut", "insert", "remove", "splice", "field"])
    if kind in ("bytes", "header"):
        reach = len(image) if kind == "bytes" else min(len(image), rng.choice([30, 100, 400]))
        for _ in range(rng.choice([1, 1, 2, 5, 20])):
            image[rng.randrange(reach)] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
    elif kind == "cut":
        del image[at:]
    elif kind == "insert":
        image[at:at] = rng.randbytes(rng.choice([1, 4, 100])) if at % 2 else image[: at + 1]
    elif kind == "remove":
        del image[at : at + rng.choice([1, 4, 100])]
    elif kind == "splice":
        image[at:] = other[rng.randrange(len(other)) :]
    else:
        at = rng.randrange(min(len(image), rng.choice([30, 100, 400])))
        number = rng.choice([0, 1, 0x7FFF, 0xFFFF, 20_000, 9000, 0x7FFFFFFF, 0xFFFFFFFF])
        code = rng.choice(["<I", ">I", "<H", ">H"])
        field = struct.pack(code, number & (0xFFFFFFFF if code[1] == "I" else 0xFFFF))
        image[at : at + len(field)] = field
    return checksummed(bytes(image)) if rng.random() < 0.5 else bytes(image)


def checksummed(png: bytes) -> bytes:
    """The file, with right checksums if it is a PNG: its decoder would stop at a wrong one."""
    if not png.startswith(b"\x89PNG"):
        return png
    fixed, at = png[:8], 8
    while at + 8 <= len(png):
        (length,) = struct.unpack_from(">I", png, at)
        fixed += png_chunk(png[at + 4 : at + 8], png[at + 8 : at + 8 + length])
        at += 12 + length
    return fixed


def outcome(data: bytes) -> str:
    try:
        photo = decode_photo(data, "mutated.jpg")
    except PhotoError as error:
        one_line = str(error).startswith("mutated.jpg: ") and str(error).isprintable()
        return "refused" if one_line else f"not one line: {error!r}"
    return "photo" if photo.mode == "RGB" and len(photo.tobytes()) else f"mode {photo.mode}"


def peak() -> int:
    """Bytes of memory that this process has had at most."""
    return 1024 * int(STATUS.read_text().split("VmHWM:")[1].split()[0])


def main(count: int) -> None:
    """Print number, sample, outcome, seconds and growth of the peak, one line for each mutation."""
    originals = samples()
    for data in originals.values():
        assert outcome(data) == "photo"
    names = list(originals)
    before = peak()
    for i in range(count):
        rng = random.Random(i)  # noqa: S311
        name = names[i % len(names)]
        data = mutated(originals[name], originals[rng.choice(names)], rng)
        start = time.perf_counter()
        result = outcome(data)
        seconds = time.perf_counter() - start
        print(i, name, result, f"{seconds:.3f}", peak() - before, sep="\t", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
