"""Photos of every kind decode to upright RGB, and bad ones give one line with the reason."""

from __future__ import annotations

import io
import logging
import struct
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from solar.errors import PhotoError
from solar.photos import decode_photo, open_photo
from tests.photos.test_images_fuzz import checksummed, encoded, png_chunk, run_length_bmp, samples

COLOURS = Image.merge("RGB", [Image.linear_gradient("L").rotate(turn) for turn in (0, 90, 180)])
PHOTO = COLOURS.resize((80, 48))
AVIF = pytest.mark.skipif(
    ".avif" not in Image.registered_extensions(), reason="this Pillow is built without AVIF"
)
MAPS = {"I;16": "<u2", "I": "<i4", "F": "<f4"}


def grey(mode: str, pixels: np.ndarray[Any, Any]) -> Image.Image:
    size = (pixels.shape[1], pixels.shape[0])
    return Image.frombytes(mode, size, pixels.astype(MAPS[mode]).tobytes())


def difference(photo: Image.Image, expected: Image.Image) -> int:
    assert photo.mode == "RGB"
    assert photo.size == expected.size
    return int(np.abs(np.asarray(photo, int) - np.asarray(expected.convert("RGB"), int)).max())


def reason(data: bytes) -> str:
    """Why the photo is refused: the rest of one line that begins with its name."""
    with pytest.raises(PhotoError) as caught:
        decode_photo(data, "album/a.jpg")
    line = str(caught.value)
    assert line.isprintable()
    assert line.startswith("album/a.jpg: ")
    return line.removeprefix("album/a.jpg: ")


# ---------------------------------------------------------------- formats and modes


@pytest.mark.parametrize(
    ("kind", "mode", "options", "tolerance"),
    [
        *[("PNG", mode, {}, 0) for mode in ("1", "L", "P", "RGB", "RGBA", "LA")],
        *[("TIFF", mode, {}, 0) for mode in ("1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "PA")],
        *[("TIFF", "RGB", {"compression": f"tiff_{how}"}, 0) for how in ("lzw", "adobe_deflate")],
        ("TIFF", "RGB", {"compression": "jpeg", "quality": 95}, 12),
        *[("BMP", mode, {}, 0) for mode in ("1", "L", "P", "RGB")],
        *[("GIF", mode, {}, 0) for mode in ("1", "L", "P")],
        *[("WEBP", mode, {"lossless": True}, 0) for mode in ("RGB", "RGBA")],
        ("WEBP", "RGB", {"quality": 95}, 25),
        *[("JPEG", mode, {"quality": 95}, 12) for mode in ("L", "RGB", "CMYK")],
        ("JPEG", "RGB", {"quality": 95, "progressive": True}, 12),
        pytest.param("AVIF", "RGB", {"quality": 95}, 25, marks=AVIF),
        pytest.param("AVIF", "RGBA", {"quality": 95}, 25, marks=AVIF),
    ],
)
def test_every_format_and_mode_opens_as_rgb(
    kind: str, mode: str, options: dict[str, Any], tolerance: int
) -> None:
    original = PHOTO.convert(mode)
    assert difference(decode_photo(encoded(original, kind, **options), "a"), original) <= tolerance


def test_lab_opens_as_rgb() -> None:
    srgb, space = (ImageCms.createProfile(name) for name in ("sRGB", "LAB"))
    lab = ImageCms.applyTransform(PHOTO, ImageCms.buildTransform(srgb, space, "RGB", "LAB"))
    assert lab is not None and lab.mode == "LAB"
    for photo in (decode_photo(encoded(lab, "TIFF"), "a"), open_photo(lab)):
        apart = np.abs(np.asarray(photo, int) - np.asarray(PHOTO, int))
        assert apart.mean() < 2  # 8 bits of Lab are coarse where colours are strong


def test_interlaced_png_and_run_length_bmp() -> None:
    palette = PHOTO.quantize(32)
    assert difference(decode_photo(run_length_bmp(palette), "a"), palette) == 0
    files = samples()
    plain = decode_photo(files["png"], "a").transpose(
        Image.Transpose.ROTATE_90
    )  # its EXIF turns it
    assert difference(decode_photo(files["png interlaced"], "a"), plain) == 0


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_the_high_byte(kind: str) -> None:
    pixels = np.arange(0, 65536, 16).reshape(64, 64)
    photo = decode_photo(encoded(grey("I;16", pixels), kind), "a")
    assert (np.asarray(photo) == (pixels >> 8)[..., None]).all()


@pytest.mark.parametrize("mode", ["I;16", "I;16L", "I;16B", "I;16N"])
def test_16_bit_images_of_either_byte_order_are_alike(mode: str) -> None:
    pixels = np.arange(0, 65536, 16).reshape(64, 64)
    order = ">u2" if mode == "I;16B" else "<u2"
    photo = Image.frombytes(mode, (64, 64), pixels.astype(order).tobytes())
    assert (np.asarray(open_photo(photo)) == (pixels >> 8)[..., None]).all()


def test_12_bit_grey_is_scaled_from_12_bits() -> None:
    strip = bytes.fromhex("000fff") * (16 * 16 // 2)  # black, white, black, ...
    tags = {256: 16, 257: 16, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 16, 279: len(strip)}
    photo = decode_photo(tiff(tags, strip), "a")
    assert (np.asarray(photo)[:, :, 0] == [0, 255] * 8).all()


@pytest.mark.parametrize("mode", ["I", "F"])
def test_32_bit_grey_is_stretched(mode: str) -> None:
    pixels = np.linspace(-1000, 5000, 256).reshape(16, 16)
    photo = np.asarray(decode_photo(encoded(grey(mode, pixels), "TIFF"), "a"), int)[:, :, 0]
    assert np.abs(photo - np.arange(256).reshape(16, 16)).max() <= 1
    flat = decode_photo(encoded(Image.new(mode, (16, 16), 7), "TIFF"), "a")
    assert flat.getextrema() == ((0, 0),) * 3
    if mode == "F":
        assert "not finite" in reason(encoded(grey("F", pixels * np.nan), "TIFF"))


def test_alpha_is_composited_on_white() -> None:
    clear = Image.new("RGBA", (16, 16), (0, 100, 200, 51))  # a fifth opaque
    palette = Image.new("P", (16, 16), 1)
    palette.putpalette([9, 9, 9, 0, 100, 200])
    red = Image.new("RGB", (16, 16), "red")
    for data, expected in [
        (encoded(clear, "PNG"), (204, 224, 244)),
        (encoded(clear, "TIFF", compression="tiff_lzw"), (204, 224, 244)),
        (encoded(clear, "WEBP", lossless=True), (204, 224, 244)),
        (encoded(Image.new("LA", (16, 16), (0, 51)), "PNG"), (204, 204, 204)),
        (encoded(palette, "PNG", transparency=b"\xff\x33"), (204, 224, 244)),
        (encoded(palette, "PNG", transparency=1), (255, 255, 255)),
        (encoded(palette, "GIF", transparency=1), (255, 255, 255)),
        (encoded(red, "PNG", transparency=(255, 0, 0)), (255, 255, 255)),
        (encoded(red, "PNG", transparency=(254, 0, 0)), (255, 0, 0)),
    ]:
        assert (np.asarray(decode_photo(data, "a")) == expected).all()


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_an_animation_gives_its_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("blue", "red", "lime")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert difference(decode_photo(data, "a"), frames[0]) == 0


def test_heic_opens_if_its_decoder_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    heif = pytest.importorskip("pillow_heif", reason="install solar-retrieval[heic]")
    exif = Image.Exif()
    exif[274] = 6
    heif.register_heif_opener()
    data = encoded(PHOTO, "HEIF", quality=95, exif=exif.tobytes())
    assert difference(decode_photo(data, "a"), PHOTO.transpose(Image.Transpose.ROTATE_270)) <= 25
    assert "truncated" in reason(data[: len(data) // 2])
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as if it were not installed
    assert "install solar-retrieval[heic]" in reason(data)


def test_avif_without_a_decoder_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "registered_extensions", dict)
    assert "AVIF needs Pillow 11.3" in reason(b"\0\0\0\x18ftypavif" + bytes(100))


# ---------------------------------------------------------------- orientation

TURNS = {  # what EXIF says must be done to the stored rows and columns
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", pytest.param("AVIF", marks=AVIF)])
def test_exif_orientation_is_applied_once(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    lossless = {"lossless": True} if kind == "WEBP" else {"quality": 95}
    photo = decode_photo(encoded(PHOTO, kind, exif=exif.tobytes(), **lossless), "a")
    turned = Image.fromarray(np.ascontiguousarray(TURNS[orientation](np.asarray(PHOTO))))
    assert difference(photo, turned) <= (25 if kind in ("JPEG", "AVIF") else 0)
    assert difference(ImageOps.exif_transpose(photo), photo) == 0
    assert not photo.info


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", pytest.param("AVIF", marks=AVIF)])
def test_damaged_exif_does_not_refuse_a_photo(kind: str) -> None:
    entry = struct.pack(">HHII", 34665, 4, 1, 26)  # points to a second directory
    second = struct.pack(">HHHI4sI", 1, 36864, 7, 4, b"0232", 0)
    block = b"MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4) + second
    data = encoded(PHOTO, kind, exif=b"Exif\0\0" + block)
    order = "<" if kind == "TIFF" else ">"
    at = data.index(struct.pack(order + "HHI", 34665, 4, 1))
    damaged = [data[:at] + struct.pack(order + "HHIi", 34665, 9, 1, -1) + data[at + 12 :]]
    if kind != "TIFF":  # whose header is the EXIF's header
        damaged.append(data.replace(block[:8], b"garbage!"))
    for file in damaged:
        assert file != data
        assert difference(decode_photo(checksummed(file), "a"), PHOTO) <= 25


# ---------------------------------------------------------------- bad files


def tiff(tags: dict[int, int], rest: bytes, values: dict[int, int] | None = None) -> bytes:
    """A little-endian TIFF: header, `rest`, then one directory of long tags."""
    counts = values or {}
    entries = [struct.pack("<HHII", tag, 4, counts.get(tag, 1), tags[tag]) for tag in sorted(tags)]
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(rest)) + rest + directory


def png_that_claims(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", rows)


def scan_bomb() -> bytes:
    """A progressive JPEG whose last scan comes back ten thousand times."""
    data = encoded(Image.new("L", (2000, 2000)), "JPEG", progressive=True)
    return data[:-2] + data[data.rindex(b"\xff\xda") : -2] * 10_000 + data[-2:]


def large_run_length_bmp() -> bytes:
    data = run_length_bmp(PHOTO.quantize(8))
    return data[:18] + struct.pack("<ii", 3000, 2000) + data[26:]


TILED = {256: 64, 257: 64, 258: 8, 259: 8, 262: 1, 277: 1, 324: 8, 325: 9}
BAD = {
    "empty": (b"", "empty"),
    "zeros": (bytes(5000), "zeros"),
    "text": (b"Not a photo at all.\n" * 20, "it looks like text"),
    "page": (b"\n<!DOCTYPE html><title>404</title>", "HTML"),
    "drawing": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    "photoshop": (b"8BPS\0\1" + bytes(100), "not a supported format"),
    "archive": (b"PK\x03\x04" + bytes(100), "ZIP"),
    "video": (b"\0\0\0\x18ftypisom" + bytes(range(100)), "not a supported format"),
    "one pixel": (encoded(Image.new("RGB", (1, 1)), "PNG"), "too small, 1 x 1 pixels"),
    "narrow": (encoded(Image.new("RGB", (32, 3200)), "JPEG"), "too narrow, 32 x 3200 pixels"),
    "bomb": (png_that_claims(100_000, 100_000), "too large"),
    "smaller bomb": (png_that_claims(16_000, 10_000), "too large, 16000 x 10000 pixels"),
    "tile bomb": (tiff(TILED | {322: 30_000, 323: 30_000}, bytes(9)), "too large"),
    "tag bomb": (tiff(TILED, bytes(2**20), {258: 2**19}), "damaged TIFF (tag 258"),
    "scan bomb": (scan_bomb(), "too long to decode"),
    "run-length bomb": (large_run_length_bmp(), "too long to decode"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_file_gives_one_line_with_the_reason(bad: str) -> None:
    data, words = BAD[bad]
    assert words in reason(data)


def test_a_truncated_file_is_refused_wherever_it_ends() -> None:
    for name, data in samples().items():
        for size in (len(data) // 8, len(data) // 2, len(data) * 9 // 10):
            assert "truncated" in reason(data[:size]), name


def test_threads_see_no_warnings_and_leave_none_hidden() -> None:
    cut = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 5)  # five entries, and none follows
    damaged = encoded(PHOTO, "JPEG", exif=cut)
    handlers, filters = list(logging.getLogger("PIL").handlers), list(warnings.filters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Image.open(io.BytesIO(damaged)).getexif()
        assert caught  # Pillow alone does warn
        caught.clear()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda i: decode_photo(damaged, str(i)), range(200)))
        assert not caught
    assert logging.getLogger("PIL").handlers == handlers
    assert warnings.filters == filters
