"""Decode a photo from hostile bytes: an upright RGB image, or a `PhotoError` of one line.

The content decides what a file is, never its name. Sizes and tags are checked before anything is
decoded, so that all files that are decoded at once stay within `MAX_MEMORY`. Each format has a
module of its own where more than Pillow is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from PIL import Image, UnidentifiedImageError

from solar.errors import PhotoError
from solar.photos import _rare
from solar.photos._avif import open_avif
from solar.photos._budget import BUDGET, MAX_MEMORY
from solar.photos._gif import open_gif
from solar.photos._jpeg import open_jpeg
from solar.photos._orientation import orientation, upright
from solar.photos._pixels import rgb
from solar.photos._png import open_png
from solar.photos._quiet import QUIET
from solar.photos._sniff import kind_of, need_decoder, why_unsupported
from solar.photos._source import Source, with_pillow
from solar.photos._tiff import open_tiff
from solar.photos._words import AGAIN

MIN_SIDE = 16
"""Pixels: the stride of the first second-order attention block, so one position of its map."""

MAX_ASPECT = 64
"""Longest side over shortest: at the usual 1024 pixels, more would leave less than `MIN_SIDE`."""

_OPENERS: dict[str, Callable[[bytes], Source]] = {
    "AVIF": open_avif,
    "BMP": _rare.open_bmp,
    "GIF": open_gif,
    "JPEG": open_jpeg,
    "JXL": _rare.open_jxl,
    "PNG": open_png,
    "PPM": _rare.open_ppm,
    "RAW": _rare.open_raw,
    "TIFF": open_tiff,
}


def decode_photo(data: bytes, name: str) -> Image.Image:
    """Decode the first picture of an encoded photo.

    Args:
        data: a JPEG, PNG, WebP, TIFF, BMP, GIF, PPM, JPEG 2000 or AVIF file; HEIC, JPEG XL or
            camera RAW where a decoder of it is installed.
        name: what to call the photo in an error, such as its path.

    Returns:
        The photo in mode RGB, upright by its EXIF orientation, without metadata. Alpha is
        composited on white. Grey and colours of 16 bits keep their high byte, those of 10, 12 and
        14 bits the highest eight of theirs; 32-bit grey, which has no fixed white, is stretched
        from its darkest to its brightest pixel. ICC profiles are not applied.

    Raises:
        DecoderMissing: a decoder must be installed.
        PhotoError: one line with the name, the reason and the way out.
    """
    return decode_within(data, name, None)[0]


def decode_within(
    data: bytes, name: str, wanted: int | None, *, turned: bool = True, draft: bool = False
) -> tuple[Image.Image, tuple[int, int]]:
    """See `decode_photo`; and the size of the photo, which may be larger than what comes back.

    Args:
        data: an encoded photo.
        name: what to call it in an error.
        wanted: the longest side that is needed. A JPEG that does not fit into `MAX_MEMORY` is then
            decoded at a half, a quarter or an eighth of its size, but to this side at least.
        turned: by the EXIF orientation; else the pixels stay as they are stored.
        draft: a JPEG is decoded no larger than needed for twice the side that is wanted, which
            takes a third of the time; else one that fits is decoded whole, whatever is wanted.
    """
    kind = kind_of(data)
    if kind is None:
        raise PhotoError(why_unsupported(data), name)
    with _plain_errors(name, kind):
        need_decoder(kind)
        opener = _OPENERS.get(kind)
        whole = opener(data) if opener else with_pillow(data, kind)
        _check_sides(*whole.size)
        source = _fitting(whole, wanted, draft=draft)
        turn = source.turn if turned else 1
        with BUDGET.share(source.memory):
            photo = _plain(upright(rgb(source.load()), turn))
        BUDGET.hold(photo)
        if source is whole:
            return photo, photo.size
        width, height = whole.size
        return photo, (height, width) if turn > 4 else (width, height)


def size_of(data: bytes, name: str) -> tuple[int, int]:
    """Width and height of an encoded photo as it is stored, by its head; nothing is decoded.

    Args:
        data: see `decode_photo`.
        name: what to call it in an error.

    Raises:
        DecoderMissing: a decoder must be installed.
        PhotoError: it is no photo, or its head is damaged.
    """
    return size_and_turn_of(data, name)[0]


def size_and_turn_of(data: bytes, name: str) -> tuple[tuple[int, int], int]:
    """See `size_of`; and the EXIF orientation, 1 to 8, by which it would be turned upright."""
    kind = kind_of(data)
    if kind is None:
        raise PhotoError(why_unsupported(data), name)
    with _plain_errors(name, kind):
        need_decoder(kind)
        opener = _OPENERS.get(kind)
        source = opener(data) if opener else with_pillow(data, kind)
        return source.size, source.turn


def finish_image(photo: Image.Image, name: str, *, turned: bool = True) -> Image.Image:
    """An image of Pillow's, opened or made by somebody else, as `decode_photo` gives it.

    Args:
        photo: of any mode; it is left as it is, though its pixels are loaded.
        name: what to call the photo in an error.
        turned: see `decode_within`.

    Raises:
        PhotoError: one line with the name, the reason and the way out.
    """
    with _plain_errors(name, photo.format or "image"):
        _check_sides(*photo.size)
        photo.load()
        plain = upright(rgb(photo), orientation(photo.info) if turned else 1)
        return _plain(plain.copy() if plain is photo else plain)


@contextmanager
def _plain_errors(name: str, kind: str) -> Iterator[None]:
    """Say in one line, with the photo's name, what a decoder says in many ways."""
    try:
        with QUIET:
            yield
    except PhotoError as error:
        raise type(error)(error.reason, name) from error.__cause__
    except UnidentifiedImageError as error:
        words = f"truncated, damaged or unusual {kind} header: {AGAIN}"
        raise PhotoError(words, name) from error
    except MemoryError as error:
        words = "too large to decode in the memory there is: scale it down"
        raise PhotoError(words, name) from error
    except (OSError, SyntaxError, ValueError, EOFError, RuntimeError) as error:
        words = " ".join(str(error).split())[:100]
        raise PhotoError(f"truncated or damaged {kind} ({words}): {AGAIN}", name) from error


def _plain(photo: Image.Image) -> Image.Image:
    """The same pixels, not copied, without what Pillow read beside them."""
    plain = photo._new(photo.im)
    plain.info.clear()
    return plain


def _check_sides(width: int, height: int) -> None:
    size = f"{width} x {height} pixels"
    if min(width, height) < MIN_SIDE:
        raise PhotoError(f"too small, {size}: the network needs {MIN_SIDE} on each side")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise PhotoError(f"too narrow, {size}: beyond 1:{MAX_ASPECT} too little is left: crop it")


def _fitting(source: Source, wanted: int | None, *, draft: bool) -> Source:
    """The source, or the same photo reduced: as far as a draft may be, or to fit the memory."""
    sources = [source]
    if wanted is not None and source.reduced is not None:
        sources += map(source.reduced, (2, 4, 8))
        if draft:  # what there is of at least twice the side, the smallest first
            enough = [each for each in sources if max(each.size) >= 2 * wanted]
            sources = [*reversed(enough), *sources]
    for each in sources:
        if each.memory <= MAX_MEMORY and (each is source or max(each.size) >= (wanted or 0)):
            return each
    raise PhotoError(
        f"too large, {source.size[0]} x {source.size[1]} pixels: decoding takes "
        f"{source.memory / 10**9:.1f} GB, more than {MAX_MEMORY / 10**9:g} GB: scale it down"
    )
