"""A photo, as a person hands it over: a path, bytes, an open file, an image or an array."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from solar.errors import PhotoError, UsageError
from solar.photos._budget import MAX_MEMORY
from solar.photos._sniff import kind_of
from solar.photos.decode import decode_within, finish_image
from solar.photos.prepare import Box, prepare


@dataclass(frozen=True, eq=False)
class DecodedPhoto:
    """A photo that was decoded once, for whatever is asked of it next.

    Attributes:
        name: what errors call it.
        image: mode RGB, upright.
        reduced_from: width and height of the photo itself, upright, if it was not decoded whole.
        draft: decodes it anew by draft, for a side that is wanted; None for what was no JPEG.
    """

    name: str
    image: Image.Image
    reduced_from: tuple[int, int] | None = None
    draft: Callable[[int], DecodedPhoto] | None = field(default=None, repr=False)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the photo, upright; boxes are in its pixels."""
        return self.reduced_from or self.image.size

    def prepared(self, image_size: int, box: Box | None = None) -> Image.Image:
        """See `prepare`.

        Raises:
            UsageError: the image size is below 1, or the box holds no pixel; names the photo.
        """
        try:
            return prepare(self.image, image_size, box, self.size)
        except UsageError as error:
            raise UsageError(str(error), self.name) from error

    def cell(self, at: tuple[float, float], shape: Sequence[int]) -> tuple[int, int]:
        """Row and column of a grid over the photo in which a position lies.

        Args:
            at: x, y in pixels of the photo, upright.
            shape: rows and columns of the grid.

        Raises:
            UsageError: the position lies outside the photo.
        """
        (x, y), (width, height) = at, self.size
        if not (0 <= x < width and 0 <= y < height):
            raise UsageError(f"{self.name}: {x:g},{y:g} is outside its {width}x{height}")
        rows, columns = shape
        return int(y / height * rows), int(x / width * columns)


Photo = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | NDArray[np.uint8] | DecodedPhoto
"""A path; an encoded photo as bytes or as a binary file; a PIL image; an array (H, W, 3) of RGB or
(H, W) of grey, uint8; or one that was decoded before."""


def name_of(photo: Photo, position: int = 0, count: int = 1) -> str:
    """What errors call a photo: its path where it has one, else "photo 3 of 7".

    Args:
        photo: any.
        position: among those asked for, from 0.
        count: of those asked for.
    """
    if isinstance(photo, DecodedPhoto):
        return photo.name
    if isinstance(photo, str | os.PathLike):
        return os.fspath(photo)
    named = getattr(photo, "filename" if isinstance(photo, Image.Image) else "name", None)
    if isinstance(named, str | os.PathLike) and os.fspath(named):
        return os.fspath(named)
    return f"photo {position + 1} of {count}" if count > 1 else "photo"


def decode(
    photo: Photo,
    name: str | None = None,
    wanted: int | None = None,
    *,
    turned: bool = True,
    draft: bool = False,
) -> DecodedPhoto:
    """Decode a photo, whatever it comes as; one that is decoded comes back as it is.

    Unless a draft is wanted of one that was a file: its pixels are the same whether the file was
    decoded before or not.

    Args:
        photo: any.
        name: what errors call it; None for `name_of`.
        wanted: the longest side that is needed, if less than the whole photo is. It matters for a
            JPEG alone that is too large to be decoded whole, or drafted: it comes back smaller.
        turned: by its EXIF orientation; else the pixels stay as they are stored, to which boxes of
            published data sets refer.
        draft: let a JPEG be decoded at the smallest size that is twice as large as wanted.

    Raises:
        DecoderMissing: a decoder must be installed.
        PhotoError: one line with the name, the reason and the way out.
        UsageError: it is nothing that a photo can be.
    """
    if isinstance(photo, DecodedPhoto):
        if draft and photo.draft is not None and wanted and max(photo.size) > 2 * wanted:
            return photo.draft(wanted)
        return photo
    called = name_of(photo) if name is None else name
    if isinstance(photo, Image.Image):
        return DecodedPhoto(called, finish_image(photo, called, turned=turned))
    if isinstance(photo, np.ndarray):
        return DecodedPhoto(called, finish_image(_from_array(photo, called), called))
    if isinstance(photo, str | os.PathLike):
        data = read_photo(Path(photo))
    elif isinstance(photo, bytes):
        data = photo
    elif callable(getattr(photo, "read", None)):
        data = _read(photo, called)
    else:
        kinds = "a path, bytes, a binary file, a PIL image or a uint8 array"
        raise UsageError(f"a {type(photo).__name__} is no photo: give {kinds}", called)
    return _decoded(data, called, wanted, turned, draft=draft)


def _decoded(
    data: bytes, name: str, wanted: int | None, turned: bool, *, draft: bool
) -> DecodedPhoto:
    image, size = decode_within(data, name, wanted, turned=turned, draft=draft)
    again = None
    if kind_of(data) == "JPEG":
        again = partial(_decoded, data, name, turned=turned, draft=True)
    return DecodedPhoto(name, image, None if size == image.size else size, again)


def open_photo(photo: Photo) -> Image.Image:
    """A photo as an image; `decode_photo` says what comes back.

    Args:
        photo: any; of a path, the content decides what it is, not the suffix.

    Returns:
        The photo, decoded: mode RGB, upright.

    Raises:
        PhotoError: one line with the name, the reason and the way out.
        UsageError: it is nothing that a photo can be.
    """
    return decode(photo).image


def decode_each(
    photos: Sequence[Photo],
    position: int,
    wanted: int | None = None,
    *,
    turned: bool = True,
    draft: bool = False,
) -> DecodedPhoto:
    """One of many photos, named by its position where it has no name; the rest as for `decode`.

    Raises:
        PhotoError: as `decode`.
        UsageError: as `decode`.
    """
    name = name_of(photos[position], position, len(photos))
    return decode(photos[position], name, wanted, turned=turned, draft=draft)


def read_photo(path: Path) -> bytes:
    """The bytes of a photo's file.

    Raises:
        PhotoError: it is no regular file, too large, or cannot be read.
    """
    try:
        if not path.exists():
            raise PhotoError("no such file", path)
        if not path.is_file():  # reading a pipe or a device could wait for ever
            raise PhotoError("a folder" if path.is_dir() else "not a regular file", path)
        size = path.stat().st_size
        if size > MAX_MEMORY:
            raise PhotoError(f"too large, {size / 10**9:.1f} GB on disk: scale it down", path)
        return path.read_bytes() if size else b""
    except OSError as error:
        raise PhotoError(f"cannot be read ({error.strerror})", path) from error
    except ValueError as error:  # a null character
        raise PhotoError("no such file", path) from error


def _read(file: BinaryIO, name: str) -> bytes:
    """What is left to read of an open file."""
    try:
        data = file.read(MAX_MEMORY + 1)
    except (OSError, ValueError) as error:
        raise PhotoError(f"cannot be read ({error})", name) from error
    if not isinstance(data, bytes):
        raise UsageError("open this file in binary mode", name)
    if len(data) > MAX_MEMORY:
        raise PhotoError(f"too large, over {MAX_MEMORY / 10**9:g} GB", name)
    return data


def _from_array(array: NDArray[np.uint8], name: str) -> Image.Image:
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,)):
        what = f"an array of {array.dtype} {array.shape}"
        raise UsageError(f"{what}: give uint8, (H, W, 3) of RGB or (H, W) of grey", name)
    return Image.fromarray(np.ascontiguousarray(array))


class AsStored(Sequence[Photo]):
    """Photos, each decoded when it is asked for, and not turned."""

    def __init__(self, photos: Sequence[Photo]) -> None:
        self._photos = photos

    def __len__(self) -> int:
        return len(self._photos)

    def __getitem__(self, position: Any) -> Any:
        return decode(self._photos[position], turned=False)
