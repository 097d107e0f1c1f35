"""Decode a photo from hostile bytes: an upright RGB image, or a `PhotoError` of one line.

The content decides what a file is, never its name. Sizes and tags are checked before anything is
decoded, so that a file and its decoding stay within `MAX_MEMORY`.
"""

from __future__ import annotations

import io
import logging
import math
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from solar.errors import PhotoError
from solar.files import printable
from solar.photos._words import AGAIN

MIN_SIDE = 16
"""Pixels: the stride of the first second-order attention block, so one position of its map."""

MAX_ASPECT = 64
"""Longest side over shortest: at the usual 1024 pixels, more would leave less than `MIN_SIDE`."""

MAX_MEMORY = 10**9
"""Bytes that a file and its decoding may take together."""

# Bytes per pixel at the peak of decoding a format's greediest variety, measured; else 12.
_PEAK_BYTES = {"WEBP": 17, "AVIF": 18, "HEIF": 20}

# What bounds the time: every scan of a JPEG visits every pixel, and a few bytes can be a scan;
# Pillow decodes run-length BMP in Python, a pixel at a time, and makes a Python number of every
# value in a TIFF tag (a photo has one per row or tile).
_MAX_SCANNED_PIXELS = 2 * 10**10
_MAX_RUN_LENGTH_PIXELS = 4 * 10**6
_MAX_TAG_VALUES = 2**18

_SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_OTHERS = {  # in lower case
    b"%pdf": "a PDF document",
    b"8bps": "a Photoshop document",
    b"pk\x03\x04": "a ZIP archive",
    b"\0\0\0\x0cjp  ": "a JPEG 2000 image",
    b"\0\0\0\x0cjxl ": "a JPEG XL image",
    b"\xff\x0a": "a JPEG XL image",
    b"<svg": "an SVG drawing",
    b"<!doctype html": "an HTML page",
    b"<html": "an HTML page",
}

_ORIENTATION = 274  # the tag of EXIF and TIFF
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode_photo(data: bytes, name: str) -> Image.Image:
    """Decode the first picture of an encoded photo.

    Args:
        data: a JPEG, PNG, WebP, TIFF, BMP, GIF or AVIF file, or HEIC with `solar-retrieval[heic]`.
        name: what to call the photo in an error, such as its path.

    Returns:
        The photo in mode RGB, upright by its EXIF orientation, without metadata. Alpha is
        composited on white. 16-bit grey keeps its high byte; 32-bit grey, which has no fixed
        white, is stretched from its darkest to its brightest pixel. ICC profiles are not applied.

    Raises:
        PhotoError: one line with the name, the reason and the way out.
    """
    kind = _kind(data)
    if kind is None:
        raise PhotoError(f"{printable(name)}: {_why_unsupported(data)}")
    with _plain_errors(name, kind):
        _need_decoder(kind)
        return _finished(_load(data, kind))


def finish_image(photo: Image.Image, name: str) -> Image.Image:
    """An image of Pillow's, opened or made by somebody else, as `decode_photo` gives it.

    Args:
        photo: of any mode; it is left as it is, though its pixels are loaded.
        name: what to call the photo in an error.

    Raises:
        PhotoError: one line with the name, the reason and the way out.
    """
    with _plain_errors(name, photo.format or "image"):
        _check_sides(*photo.size)
        photo.load()
        return _finished(photo.copy())


@contextmanager
def _plain_errors(name: str, kind: str) -> Iterator[None]:
    """Say in one line, with the photo's name, what a decoder says in many ways."""
    try:
        with _quiet:
            yield
    except PhotoError as reason:
        raise PhotoError(f"{printable(name)}: {reason}") from reason.__cause__
    except UnidentifiedImageError as error:
        words = f"truncated, damaged or unusual {kind} header: {AGAIN}"
        raise PhotoError(f"{printable(name)}: {words}") from error
    except (Image.DecompressionBombError, MemoryError) as error:
        words = "too large to decode in the memory allowed: scale it down"
        raise PhotoError(f"{printable(name)}: {words}") from error
    except (OSError, SyntaxError, ValueError, EOFError, RuntimeError) as error:
        words = " ".join(str(error).split())[:100]
        words = f"truncated or damaged {kind} ({words}): {AGAIN}"
        raise PhotoError(f"{printable(name)}: {words}") from error


def _finished(photo: Image.Image) -> Image.Image:
    """Mode RGB, upright, without metadata."""
    orientation = _orientation(photo.info.get("exif"))
    photo = _rgb(photo)  # lets go of the file's own pixels before they are turned
    if orientation in _UPRIGHT:
        photo = photo.transpose(_UPRIGHT[orientation])
    photo.info.clear()
    return photo


def _kind(data: bytes) -> str | None:
    """Pillow's name for the format of the content."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        size = min(int.from_bytes(data[:4], "big"), 256)
        brands = {data[at : at + 4] for at in range(8, size, 4)}
        if brands & {b"avif", b"avis"}:
            return "AVIF"
        return "HEIF" if brands & _HEIF_BRANDS else None
    return next((kind for start, kind in _SIGNATURES.items() if data.startswith(start)), None)


def _why_unsupported(data: bytes) -> str:
    if not data:
        return f"empty file: {AGAIN}"
    start = data[:256].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    known = [words for sign, words in _OTHERS.items() if start.startswith(sign)]
    text = data[:4096].decode("utf-8", errors="replace")
    looks = known[0] if known else "no known image"
    if not text.strip("\0"):
        looks = "zeros, as a failed copy leaves them"
    elif not known and all(c.isprintable() or c.isspace() for c in text.rstrip("\ufffd")):
        looks = "text"
    return f"not a supported format, it looks like {looks}: save it as JPEG or PNG"


def _need_decoder(kind: str) -> None:
    if kind == "AVIF" and ".avif" not in Image.registered_extensions():
        raise PhotoError("AVIF needs Pillow 11.3 or newer: pip install --upgrade pillow")
    if kind == "HEIF":
        try:
            import pillow_heif
        except ImportError as error:
            raise PhotoError("HEIC needs a decoder: install solar-retrieval[heic]") from error
        pillow_heif.register_heif_opener()


def _load(data: bytes, kind: str) -> Image.Image:
    """Check whatever can be checked without decoding, then decode."""
    if kind == "TIFF":
        for tag, value_type, values, _ in _tags(data):
            numbers = values if value_type not in (1, 2, 7) else 0  # those stay bytes
            if _MAX_TAG_VALUES < numbers <= len(data):  # Pillow skips what the file cannot hold
                raise PhotoError(f"damaged TIFF (tag {tag} has {values} values): {AGAIN}")
    photo = _open(data, kind)
    _check_sides(*photo.size)
    _check_cost(photo, kind, data)
    if isinstance(photo, TiffImagePlugin.TiffImageFile):
        # Pillow turns a TIFF while loading it. Given this, it does so without reading the other
        # EXIF directories, whose damage would refuse the photo.
        turn = photo.tag_v2.get(_ORIENTATION)
        exif = Image.Exif()
        exif[_ORIENTATION] = int(turn) if turn in _UPRIGHT else 1
        photo.info = {"exif": exif.tobytes()}
    photo.load()
    return photo


def _open(data: bytes, kind: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=(kind,))
    except (UnidentifiedImageError, ValueError):
        if kind != "AVIF":
            raise
        # Damaged EXIF, perhaps: hide it. An AVIF keeps its orientation elsewhere too.
        return Image.open(io.BytesIO(data.replace(b"Exif", b"free", 1)), formats=(kind,))


def _check_sides(width: int, height: int) -> None:
    size = f"{width} x {height} pixels"
    if min(width, height) < MIN_SIDE:
        raise PhotoError(f"too small, {size}: the network needs {MIN_SIDE} on each side")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise PhotoError(f"too narrow, {size}: beyond 1:{MAX_ASPECT} too little is left: crop it")


def _check_cost(photo: Image.Image, kind: str, data: bytes) -> None:
    pixels = photo.width * photo.height
    if isinstance(photo, TiffImagePlugin.TiffImageFile):
        tile = (photo.tag_v2.get(tag, 0) for tag in (322, 323))  # its width and length
        pixels = max(pixels, math.prod(side for side in tile if isinstance(side, int)))
    memory = len(data) + pixels * _PEAK_BYTES.get(kind, 12)
    if memory > MAX_MEMORY:
        raise PhotoError(
            f"too large, {photo.width} x {photo.height} pixels: decoding takes "
            f"{memory / 10**9:.1f} GB, more than {MAX_MEMORY / 10**9:g} GB: scale it down"
        )
    scans = data.count(b"\xff\xda") if kind == "JPEG" else 0
    run_length = kind == "BMP" and photo.info.get("compression") in (1, 2)
    if pixels * scans > _MAX_SCANNED_PIXELS or (run_length and pixels > _MAX_RUN_LENGTH_PIXELS):
        raise PhotoError(f"a {kind} stored so that it takes too long to decode: save it again")


def _tags(tiff: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Tag, type, number of values and first short of each entry in the first directory."""
    order = "<" if tiff[:2] == b"II" else ">"
    big = b"+" in tiff[2:4]
    count = struct.Struct(order + ("Q" if big else "H"))
    entry = struct.Struct(order + ("HHQH6x" if big else "HHIH2x"))
    if len(tiff) < 16:
        return
    (start,) = struct.unpack_from(order + ("Q" if big else "I"), tiff, 8 if big else 4)
    first = start + count.size
    if first <= len(tiff):
        (entries,) = count.unpack_from(tiff, start)
        for i in range(min(entries, (len(tiff) - first) // entry.size)):
            yield entry.unpack_from(tiff, first + i * entry.size)


def _orientation(exif: object) -> int:
    """1 to 8; 1, which is upright, where the EXIF is missing or damaged."""
    if isinstance(exif, bytes):
        for tag, value_type, _, value in _tags(exif.removeprefix(b"Exif\0\0")):
            if tag == _ORIENTATION and value_type == 3 and value in _UPRIGHT:
                return value
    return 1


def _rgb(photo: Image.Image) -> Image.Image:
    if photo.mode in ("LAB", "La"):  # Pillow converts neither to RGB
        raise PhotoError(f"pixels of mode {photo.mode} are not supported: save it as RGB")
    if photo.mode.startswith(("I", "F")):
        return _eight_bits(photo).convert("RGB")
    if photo.mode not in ("LA", "PA", "RGBA") and "transparency" not in photo.info:
        return photo.convert("RGB")
    alpha = photo if photo.mode == "RGBA" else photo.convert("RGBA")
    white = Image.new("RGB", photo.size, "white")
    white.paste(alpha, mask=alpha)
    return white


def _eight_bits(photo: Image.Image) -> Image.Image:
    """Grey of 12, 16 or 32 bits as mode L."""
    if photo.mode.startswith("I;16"):
        bits = photo.tag_v2[258][0] if isinstance(photo, TiffImagePlugin.TiffImageFile) else 16
        return photo.convert("I").point(lambda value: value * 2.0 ** (8 - bits)).convert("L")
    low, high = cast("tuple[float, float]", photo.getextrema())
    if not math.isfinite(high - low):
        raise PhotoError("its pixels are not finite numbers: save it as 16-bit PNG")
    scale = 255 / (high - low or 1)
    return photo.convert("F").point(lambda value: value * scale - low * scale).convert("L")


class _Quiet:
    """Hides what Pillow warns and logs while at least one thread is inside.

    `warnings.catch_warnings` alone is not for threads: one that leaves would end it for the others.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._handler = logging.NullHandler()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.|pillow_heif")
                logging.getLogger("PIL").addHandler(self._handler)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._caught.__exit__(None, None, None)
                logging.getLogger("PIL").removeHandler(self._handler)


_quiet = _Quiet()
