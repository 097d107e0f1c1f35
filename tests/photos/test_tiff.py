"""TIFF of every layout gives the pixels that were stored, or is refused in one line."""

from __future__ import annotations

import io
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from solar.errors import PhotoError
from solar.photos import decode_photo
from tests.photos.tiffs import Order, tiff_of

HEIGHT, WIDTH = 40, 50
Y, X = np.mgrid[0:HEIGHT, 0:WIDTH]
PATTERN = np.stack([X * 5, Y * 6, (X + Y) * 2, X * Y, X * 2 + Y], -1).astype(np.uint8)  # (H, W, 5)
PATTERN[0, :2] = [[0], [255]]  # so that it has black and white


def shown(pixels: NDArray[Any], photometric: int, extra: int | None) -> NDArray[Any]:
    """What (H, W, S) of 0 to 255 looks like in RGB."""
    values = pixels.astype(float)
    if photometric == 0:
        values = 255 - values
    if photometric == 5:
        flat = np.ascontiguousarray(pixels[..., :4])
        return np.asarray(Image.frombytes("CMYK", (WIDTH, HEIGHT), flat.tobytes()).convert("RGB"))
    colours = 3 if photometric == 2 else 1
    picture = values[..., :colours]
    if extra:
        alpha = values[..., colours : colours + 1]
        picture = (picture if extra == 1 else picture * alpha / 255) + 255 - alpha
    return np.broadcast_to(picture, (HEIGHT, WIDTH, 3))


def difference(data: bytes, expected: NDArray[Any]) -> float:
    photo = np.asarray(decode_photo(data, "a"), float)
    assert photo.shape == expected.shape
    return float(np.abs(photo - expected).max())


ORDERS: tuple[Order, Order] = ("<", ">")
LAYOUTS = [(0, 1, None), (1, 1, None), (1, 2, 0), (1, 2, 1), (1, 2, 2), (2, 3, None), (2, 4, None)]
LAYOUTS += [(2, 4, 0), (2, 4, 1), (2, 4, 2), (5, 4, None), (5, 5, 0)]


def wide(pixels: NDArray[np.uint8], kind: str) -> NDArray[Any]:
    """0 to 255 as samples of another type, from its black to its white."""
    if kind == "int8":
        return (pixels.astype(int) - 128).astype(np.int8)
    if kind.startswith("float"):
        return np.asarray(pixels / 255, kind)
    if kind == "uint32":
        return np.asarray(pixels.astype(np.uint32) * np.uint32(0x01010101))
    if kind == "int16":
        return (pixels.astype(int) * 257 - 32768).astype(np.int16)
    return np.asarray(pixels.astype(kind) * {"uint8": 1, "uint16": 257}[kind], kind)


@pytest.mark.parametrize(("photometric", "samples", "extra"), LAYOUTS)
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_every_layout_gives_what_was_stored(
    photometric: int, samples: int, extra: int | None, kind: str
) -> None:
    pixels = PATTERN[..., :samples].copy()
    if extra == 1:
        pixels[..., :-1] = np.minimum(pixels[..., :-1], pixels[..., -1:])
        pixels[0, :2, 0] = pixels[0, :2, -1] = [0, 255]
    unnamed = extra is None and samples == 4 and photometric == 2  # taken for alpha, as by Pillow
    expected = shown(pixels, photometric, 2 if unnamed else extra)
    tags = {} if extra is None else {338: (3, [extra])}
    stored = wide(pixels, kind)
    for planar, order, compression, predictor, tile in itertools.product(
        (1, 2), ORDERS, (1, 8), (1, 2, 3), (None, (16, 32))
    ):
        if (predictor > 1 and compression == 1) or (predictor == 3) > (kind == "float32"):
            continue
        if predictor == 2 and kind == "float32":
            continue
        data = tiff_of(
            stored,
            photometric=photometric,
            planar=planar,
            order=order,
            compression=compression,
            predictor=predictor,
            tile=tile,
            rows=7,
            tags=tags,
        )
        layout = (planar, order, compression, predictor, tile)
        assert difference(data, expected) <= (2 if extra or unnamed else 1), layout


@pytest.mark.parametrize("kind", ["int8", "int16", "uint32", "float16", "float64"])
@pytest.mark.parametrize("photometric", [0, 1])
def test_grey_without_a_fixed_white_is_stretched(kind: str, photometric: int) -> None:
    pixels = PATTERN[..., :1]
    data = tiff_of(wide(pixels, kind), photometric=photometric)
    assert difference(data, shown(pixels, photometric, None)) <= 1


@given(
    bits=st.sampled_from([9, 10, 11, 12, 13, 14, 15]),
    samples=st.sampled_from([1, 3]),
    planar=st.sampled_from([1, 2]),
    compression=st.sampled_from([1, 8]),
    tile=st.sampled_from([None, (16, 16)]),
)
@settings(max_examples=40)
def test_samples_that_share_bytes_are_scaled_by_their_bits(
    bits: int, samples: int, planar: int, compression: int, tile: tuple[int, int] | None
) -> None:
    pixels = PATTERN[..., :samples]
    stored = (pixels.astype(np.uint16) << (bits - 8)) | (pixels >> (16 - bits))
    data = tiff_of(
        stored,
        photometric=1 if samples == 1 else 2,
        bits=bits,
        planar=planar,
        compression=compression,
        tile=tile,
    )
    assert difference(data, np.broadcast_to(pixels, (HEIGHT, WIDTH, 3))) == 0


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("samples", [1, 3])
def test_few_significant_bits_in_16_are_scaled_by_their_own_range(bits: int, samples: int) -> None:
    pixels = PATTERN[..., :samples]
    stored = pixels.astype(np.uint16) << (bits - 8)
    photometric = 1 if samples == 1 else 2
    expected = np.broadcast_to(pixels, (HEIGHT, WIDTH, 3))
    assert difference(tiff_of(stored, photometric=photometric), expected) == 0
    dark = np.minimum(stored, 1 << (bits - 9))  # whatever is stored, the stated white counts
    data = tiff_of(dark, photometric=photometric, tags={281: (3, [(1 << bits) - 1] * samples)})
    assert difference(data, (dark >> (bits - 8)) + np.zeros((HEIGHT, WIDTH, 3))) <= 1


def test_float_colours_beyond_one_are_scaled_down() -> None:
    stored = (PATTERN[..., :3] / 64).astype(np.float32)
    assert difference(tiff_of(stored, photometric=2), PATTERN[..., :3]) <= 1
    stored[3, 3, 1] = np.nan
    with pytest.raises(PhotoError, match=r"^a: its pixels are not finite"):
        decode_photo(tiff_of(stored, photometric=2), "a")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"photometric": 8}, "photometric interpretation 8"),
        ({"photometric": 2, "tags": {258: (3, [16, 16, 8])}}, "differ in size"),
        ({"photometric": 5, "tags": {277: (3, [4]), 332: (3, [2])}}, "inks other than"),
        ({"photometric": 2, "tags": {259: (3, [7])}}, "compression 7"),
        ({"photometric": 2, "tags": {339: (3, [6] * 3)}}, "in format 6"),
        ({"photometric": 2, "tags": {317: (3, [5])}}, "predictor 5"),
        ({"photometric": 1, "tags": {277: (3, [100])}}, "100 samples"),
        ({"photometric": 2, "tags": {273: (4, [10**9] * 3)}}, "truncated or damaged"),
        ({"photometric": 2, "tags": {256: (4, [0])}}, "too small"),
    ],
)
def test_what_would_be_misread_is_refused(options: dict[str, Any], words: str) -> None:
    data = tiff_of(wide(PATTERN[..., :3], "uint16"), **options)
    with pytest.raises(PhotoError, match=r"^a: ") as caught:
        decode_photo(data, "a")
    assert words in str(caught.value) and str(caught.value).isprintable()


def test_subsampled_colours_that_are_not_packed_are_refused() -> None:
    with pytest.raises(PhotoError, match="lower resolution"):
        decode_photo(tiff_of(PATTERN[..., :3], photometric=6), "a")
    data = tiff_of(PATTERN[..., :3], photometric=6, tags={530: (3, [1, 1])})
    flat = Image.frombytes("YCbCr", (WIDTH, HEIGHT), PATTERN[..., :3].tobytes())
    assert difference(data, np.asarray(flat.convert("RGB"), float)) == 0


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("value_type", [3, 4])
@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_orientation_is_applied_once_whoever_reads_the_samples(
    turn: int, value_type: int, kind: str
) -> None:
    plain = tiff_of(wide(PATTERN[..., :3], kind), photometric=2)
    tags = {274: (value_type, [turn])}
    data = tiff_of(wide(PATTERN[..., :3], kind), photometric=2, tags=tags)
    exif = Image.Exif()
    exif[274] = turn
    stream = io.BytesIO()
    decode_photo(plain, "a").save(stream, "PNG", exif=exif)
    assert difference(data, np.asarray(decode_photo(stream.getvalue(), "b"), float)) == 0
