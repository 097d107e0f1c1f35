"""Sound photos that are stored unusually: turned, without their end, in formats that are rare."""

from __future__ import annotations

import io
import random
import struct
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageOps

from solar.errors import DecoderMissing, PhotoError
from solar.photos import decode_photo
from tests.photos.test_decoding import PHOTO, TURNS, difference, reason
from tests.photos.test_images_fuzz import encoded, png_chunk
from tests.photos.tiffs import tiff_of

JP2 = ".jp2" in Image.registered_extensions()


def exif_block(turn: int, code: str, order: str) -> bytes:
    """EXIF whose orientation is of some type of integer."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, 1)
    value = struct.pack(order + code, turn).ljust(4, b"\0")
    return head + struct.pack(order + "HHI", 274, {"H": 3, "I": 4}[code], 1) + value + bytes(4)


def xmp_packet(turn: int, form: str) -> bytes:
    return b"<x:xmpmeta><rdf:RDF><a " + form.replace("6", str(turn)).encode() + b"</rdf:RDF>"


FORMS = ('tiff:Orientation="6"/>', "><tiff:Orientation>6</tiff:Orientation></a>")


def stated_everywhere(turn: int) -> dict[str, bytes]:
    """Files that state an orientation in every place where Pillow looks for it."""
    png = encoded(PHOTO, "PNG")
    places = {"before": png.index(b"IDAT") - 4, "after": len(png) - 12}
    chunks, files = {}, {}
    for code in "HI":
        for order in "<>":
            exif = b"Exif\0\0" + exif_block(turn, code, order)
            files[f"jpeg {code}{order}"] = encoded(PHOTO, "JPEG", quality=95, exif=exif)
            text = f"\nexif\n{len(exif):8d}\n{exif.hex()}\n".encode()
            for kind, body in ((b"zTXt", b"\0" + zlib.compress(text)), (b"tEXt", text)):
                chunk = png_chunk(kind, b"Raw profile type exif\0" + body)
                chunks[f"png {code}{order}{kind!r}"] = chunk
    for form in FORMS:
        xmp = xmp_packet(turn, form)
        files[f"jpeg {form}"] = encoded(PHOTO, "JPEG", quality=95, xmp=xmp)
        files[f"webp {form}"] = encoded(PHOTO, "WEBP", lossless=True, xmp=xmp)
        for packed, text in ((b"\0\0", xmp), (b"\1\0", zlib.compress(xmp))):
            body = b"XML:com.adobe.xmp\0" + packed + b"\0\0" + text
            chunks[f"png {form}{packed!r}"] = png_chunk(b"iTXt", body)
    for name, chunk in chunks.items():
        files |= {f"{name} {where}": png[:at] + chunk + png[at:] for where, at in places.items()}
    return files


@pytest.mark.parametrize("turn", [1, 3, 6, 8])
def test_orientation_counts_wherever_it_is_stated(turn: int) -> None:
    expected = Image.fromarray(np.ascontiguousarray(TURNS[turn](np.asarray(PHOTO))))
    for name, data in stated_everywhere(turn).items():
        assert difference(decode_photo(data, "a"), expected) <= 25, name
        with Image.open(io.BytesIO(data)) as opened:
            assert ImageOps.exif_transpose(opened).size == expected.size, name


def test_exif_counts_before_xmp_and_damage_not_at_all() -> None:
    xmp = xmp_packet(6, FORMS[0])
    upright = encoded(PHOTO, "JPEG", exif=b"Exif\0\0" + exif_block(1, "H", "<"), xmp=xmp)
    damaged = encoded(PHOTO, "JPEG", exif=b"Exif\0\0" + bytes(20), xmp=xmp)
    assert decode_photo(upright, "a").size == PHOTO.size
    assert decode_photo(damaged, "a").size == (48, 80)
    for turn in (0, 9, 255):
        data = encoded(PHOTO, "JPEG", exif=b"Exif\0\0" + exif_block(turn, "H", ">"))
        assert decode_photo(data, "a").size == PHOTO.size


def test_png_chunks_beside_the_pixels_refuse_nothing() -> None:
    png = encoded(PHOTO, "PNG")
    noise = random.Random(1).randbytes(1000) * 2200  # noqa: S311
    for chunk in (
        png_chunk(b"zTXt", b"workflow\0\0" + zlib.compress(b"node " * 500_000)),
        png_chunk(b"iCCP", b"profile\0\0" + zlib.compress(noise)),
        png_chunk(b"iCCP", b"damaged"),
        png_chunk(b"tIME", bytes(7))[:-1] + b"!",  # a wrong checksum
    ):
        for at in (png.index(b"IDAT") - 4, len(png) - 12):
            assert difference(decode_photo(png[:at] + chunk + png[at:], "a"), PHOTO) == 0
    for kind in (b"IHDR", b"IDAT"):
        at = png.index(kind)
        end = at + 4 + int.from_bytes(png[at - 4 : at], "big")
        assert f"chunk {kind.decode()}" in reason(png[:end] + bytes(4) + png[end + 4 :])
    assert "chunk CgBI" in reason(png[:8] + png_chunk(b"CgBI", bytes(4)) + png[8:])


@given(
    progressive=st.booleans(),
    restart=st.integers(0, 3),
    mode=st.sampled_from(["L", "RGB", "CMYK"]),
    quality=st.integers(5, 95),
    cut=st.integers(1, 300),
)
@settings(max_examples=60, deadline=None)
def test_a_jpeg_without_its_end_is_whole_or_refused(
    progressive: bool, restart: int, mode: str, quality: int, cut: int
) -> None:
    data = encoded(
        PHOTO.convert(mode),
        "JPEG",
        progressive=progressive,
        restart_marker_rows=restart,
        quality=quality,
    )
    whole = decode_photo(data, "a")
    for missing in (1, 2):
        assert decode_photo(data[:-missing], "a").tobytes() == whole.tobytes()
    try:
        photo = decode_photo(data[: -2 - cut], "a")
    except PhotoError as error:
        assert "truncated" in str(error)
    else:  # it lost detail at most: the end of a scan of a progressive one
        assert progressive or difference(photo, whole) <= 8


def test_cmyk_is_inverted_with_adobes_marker_alone() -> None:
    cmyk = PHOTO.convert("CMYK")
    adobe = encoded(cmyk, "JPEG", quality=95)
    at = adobe.index(b"\xff\xee")
    plain = adobe[:at] + adobe[at + 16 :]  # the same values, not inverted
    assert difference(decode_photo(adobe, "a"), cmyk.convert("RGB")) <= 25
    assert difference(decode_photo(plain, "a"), ImageChops.invert(cmyk).convert("RGB")) <= 25


@pytest.mark.parametrize("most", [1, 100, 255, 256, 1023, 4095, 65535])
@pytest.mark.parametrize("channels", [1, 3])
def test_ppm_is_scaled_by_its_greatest_value(most: int, channels: int) -> None:
    pixels = np.asarray(PHOTO, float)[..., :channels] / 255
    values = (pixels * most).round().astype(">u2" if most > 255 else "u1")
    head = f"P{'5' if channels == 1 else '6'}\n# a comment\n80 48\t{most}\n".encode()
    expected = np.broadcast_to(values.astype(float) * 255 / most, (48, 80, 3))
    found = np.asarray(decode_photo(head + values.tobytes(), "a"), float)
    assert np.abs(found - expected).max() <= 1
    assert "truncated" in reason(head + values.tobytes()[:-1])


def test_other_formats_of_pillow_open() -> None:
    bits = PHOTO.convert("1")
    assert difference(decode_photo(encoded(bits, "PPM"), "a"), bits) == 0
    white = Image.new("L", (16, 16), 255)
    assert difference(decode_photo(b"P2 16 16 9 " + b"9 " * 256, "a"), white) == 0
    for options in ({}, {"no_jp2": True}) if JP2 else ():
        assert difference(decode_photo(encoded(PHOTO, "JPEG2000", **options), "a"), PHOTO) == 0


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"\xff\x0a", "JPEG XL needs a decoder: install pillow-jxl-plugin"),
        (b"IIU\0", "camera RAW needs a decoder: install rawpy"),
        (b"FUJIFILMCCD-RAW", "camera RAW needs a decoder: install rawpy"),
        (b"\0\0\0\x18ftypcrx ", "camera RAW needs a decoder: install rawpy"),
        (b"II*\0\x10\0\0\0CR\2\0", "camera RAW needs a decoder: install rawpy"),
        (b"\0\0\0\x18ftypheic", "HEIC needs a decoder"),
    ],
)
def test_a_missing_decoder_can_be_told_from_a_bad_photo(
    start: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("pillow_jxl", "rawpy", "pillow_heif"):
        monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    with pytest.raises(DecoderMissing, match=rf"^a\.x: {words}"):
        decode_photo(start + bytes(20), "a.x")


def test_jpeg_xl_opens_if_its_decoder_is_installed() -> None:
    pytest.importorskip("pillow_jxl", reason="install pillow-jxl-plugin")
    for size in ((80, 48), (64, 64), (300, 200), (257, 255)):
        photo = PHOTO.resize(size)
        data = encoded(photo, "JXL", lossless=True)
        assert difference(decode_photo(data, "a"), photo) == 0
        assert "damaged" in reason(data[: len(data) // 2])


def test_camera_raw_is_developed_and_never_taken_for_its_preview(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    y, x = np.mgrid[0:128, 0:192]
    sensor = ((x * 300 + y * 100) % 60_000).astype(np.uint16)[..., None]
    pattern = {33421: (3, [2, 2]), 33422: (1, [0, 1, 1, 2])}
    raw = tiff_of(
        sensor, photometric=32803, tags={50706: (1, [1, 4, 0, 0]), 50717: (4, [65535]), **pattern}
    )
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "rawpy", None)
        assert "camera RAW needs a decoder" in reason(raw)
    pytest.importorskip("rawpy", reason="install rawpy")
    assert decode_photo(raw, "a").size == (192, 128)
