"""Photos that come with a request: checked before anything is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated

from fastapi import File, Form, UploadFile
from starlette.exceptions import HTTPException

from solar.errors import PhotoError, UsageError
from solar.files.text import printable
from solar.photos import DecodedPhoto, decode, size_of
from solar.web.api.service import Service
from solar.web.api.settings import Limits

Files = Annotated[
    list[UploadFile], File(description="Photos; what they are is told by their content.")
]
Ids = Annotated[list[int], Form(description="Photos of the index by their number.")]
Boxes = Annotated[
    list[str],
    Form(description='For each photo, then each id: x1,y1,x2,y2 in its pixels, or "" for all.'),
]


@dataclass(frozen=True)
class Upload:
    """A photo that was sent.

    Attributes:
        name: the last part of what the client called it.
        content: its bytes.
    """

    name: str
    content: bytes


def read_uploads(files: Sequence[UploadFile], limits: Limits) -> list[Upload]:
    """What was sent, within the limits; called in a worker's thread, which bounds the memory.

    Raises:
        HTTPException: 413 where there are too many, or one has too many pixels.
    """
    if len(files) > limits.photos:
        raise HTTPException(413, f"{len(files)} photos: send at most {limits.photos}")
    found = []
    for file in files:
        upload = Upload(_name(file.filename or ""), file.file.read())
        with suppress(PhotoError):  # whoever decodes it says what is wrong
            width, height = size_of(upload.content, upload.name)
            if width * height > limits.pixels:
                size = f"{width} x {height} pixels, more than {limits.pixels / 1e6:g} million"
                raise HTTPException(413, f"{upload.name}: {size}: scale it down")
        found.append(upload)
    return found


def _name(given: str) -> str:
    """The name of a file without any folder, for messages alone."""
    name = PurePosixPath(PureWindowsPath(given).name or "photo").name
    return printable(name)[:100] or "photo"


def one_photo(service: Service, files: Sequence[UploadFile], ids: Sequence[int]) -> DecodedPhoto:
    """The one photo that a request is about.

    Raises:
        UsageError: there is none, or more than one.
        HTTPException: it is too large, or not in the index.
        PhotoError: it is no photo.
    """
    if len(files) + len(ids) != 1:
        raise UsageError("send one photo, or the id of one")
    if ids:
        return indexed_photo(service, ids[0])
    (upload,) = read_uploads(files, service.settings.limits)
    return decode(upload.content, upload.name)


def indexed_photo(service: Service, number: int) -> DecodedPhoto:
    """A photo of the index, decoded.

    Raises:
        HTTPException: 404, it is not in the index.
        PhotoError: its file is gone, or is no photo any more.
    """
    path = path_of(service, number)
    try:
        return decode(path)
    except PhotoError as error:
        raise type(error)(error.reason, service.names.of(path)[1]) from error


def path_of(service: Service, number: int) -> str:
    """The path of a photo, which never leaves the service.

    Raises:
        HTTPException: 404, it is not in the index.
    """
    try:
        return service.index[number].path
    except KeyError as error:
        raise HTTPException(404, f"the index holds no photo {number}") from error
