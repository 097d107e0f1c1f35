"""What a file is, by its content; and whether there is a decoder of it."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec

from PIL import Image

from solar.errors import DecoderMissing
from solar.photos._orientation import tags
from solar.photos._words import AGAIN

_SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\0\0\0\x0cjP  ": "JPEG2000",
    b"\xff\x4f\xff\x51": "JPEG2000",
    b"\0\0\0\x0cJXL ": "JXL",
    b"\xff\x0a": "JXL",
    b"IIU\0": "RAW",  # Panasonic
    b"IIRO": "RAW",  # Olympus
    b"IIRS": "RAW",
    b"MMOR": "RAW",
    b"FUJIFILMCCD-RAW": "RAW",
    b"FOVb": "RAW",  # Sigma
    b"\0MRM": "RAW",  # Minolta
    **{b"P%d" % digit + space: "PPM" for digit in range(1, 7) for space in (b"\n", b" ", b"\r")},
    **{b"P%d\t" % digit: "PPM" for digit in range(1, 7)},
    **{b"P%d#" % digit: "PPM" for digit in range(1, 7)},
}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_OTHERS = {  # in lower case
    b"%pdf": "a PDF document",
    b"8bps": "a Photoshop document",
    b"pk\x03\x04": "a ZIP archive",
    b"<svg": "an SVG drawing",
    b"<!doctype html": "an HTML page",
    b"<html": "an HTML page",
}
_DECODERS = {  # module, how it is called, what to install
    "HEIF": ("pillow_heif", "HEIC", "solar-retrieval[heic]"),
    "JXL": ("pillow_jxl", "JPEG XL", "pillow-jxl-plugin"),
    "RAW": ("rawpy", "camera RAW", "rawpy"),
}
_PLUGINS = {"AVIF": ".avif", "JPEG2000": ".jp2", "WEBP": ".webp"}  # parts of Pillow may be missing


def kind_of(data: bytes) -> str | None:
    """Pillow's name for the format of the content; "RAW" for any camera's own."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        size = min(int.from_bytes(data[:4], "big"), 256)
        brands = {data[at : at + 4] for at in range(8, size, 4)}
        if brands & {b"avif", b"avis"}:
            return "AVIF"
        if b"crx " in brands:
            return "RAW"
        return "HEIF" if brands & _HEIF_BRANDS else None
    kind = next((kind for start, kind in _SIGNATURES.items() if data.startswith(start)), None)
    return "RAW" if kind == "TIFF" and _is_raw(data) else kind


def _is_raw(tiff: bytes) -> bool:
    """Whether a TIFF holds a camera's sensor values; Pillow would open its small preview."""
    if tiff[8:10] == b"CR":  # Canon
        return True
    others: list[int] = []

    def read(value: bytes) -> int:
        return int.from_bytes(value, "little" if tiff[:2] == b"II" else "big")

    for tag, value_type, values, value in tags(tiff):
        if tag == 50706 or _is_sensor(tag, read(value[:2])):  # the version of DNG
            return True
        if tag == 330 and value_type in (4, 13) and values < 16:  # other directories
            at = read(value)
            lengths = range(at, at + 4 * values, 4)
            others = [at] if values == 1 else [read(tiff[i : i + 4]) for i in lengths]
    return any(
        _is_sensor(tag, read(value[:2]))
        for start in others
        for tag, _, _, value in tags(tiff, start)
    )


def _is_sensor(tag: int, value: int) -> bool:
    return tag == 262 and value in (32803, 34892)  # a colour filter array; linear raw


def why_unsupported(data: bytes) -> str:
    """Why nothing here reads a file, and what to do."""
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


def decoder_came(reason: str) -> bool:
    """Whether what `DecoderMissing` said of a photo is done by now."""
    return any(
        f"{called} needs a decoder" in reason and find_spec(module) is not None
        for module, called, _ in _DECODERS.values()
    ) or any(
        f"{kind} needs Pillow" in reason and suffix in Image.registered_extensions()
        for kind, suffix in _PLUGINS.items()
    )


def need_decoder(kind: str) -> None:
    """Make Pillow know a decoder of the kind.

    Raises:
        DecoderMissing: there is none; says what to install.
    """
    suffix = _PLUGINS.get(kind)
    if suffix and suffix not in Image.registered_extensions():
        raise DecoderMissing(f"{kind} needs Pillow 11.3 or newer: pip install --upgrade pillow")
    if kind in _DECODERS:
        module, called, install = _DECODERS[kind]
        try:
            import_module(module)
        except ImportError as error:
            raise DecoderMissing(f"{called} needs a decoder: install {install}") from error
        if kind == "HEIF":
            sys.modules[module].register_heif_opener()
