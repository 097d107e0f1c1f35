"""Photos that come with a request: checked before anything is decoded."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from tempfile import SpooledTemporaryFile
from typing import Annotated, BinaryIO, cast
from urllib.parse import unquote, urlsplit

from fastapi import Depends, File, Form, UploadFile
from starlette.exceptions import HTTPException

from solar.errors import PhotoError, UsageError
from solar.files.text import printable
from solar.photos import DecodedPhoto, decode, size_of
from solar.web.api.fetch import fetch
from solar.web.api.service import Served, Service
from solar.web.api.settings import Limits

Files = Annotated[
    list[UploadFile], File(description="Photos; what they are is told by their content.")
]
Ids = Annotated[list[int], Form(description="Photos of the index by their number.")]
Addresses = Annotated[
    list[str],
    Form(
        description="Addresses of photos, http or https, which the service fetches where it is "
        "started with --fetch; of public hosts alone.",
        examples=[["https://example.org/photo.jpg"]],
    ),
]
Boxes = Annotated[
    list[str],
    Form(
        description='For each photo, then each url, then each id: x1,y1,x2,y2 in its pixels, or "" '
        "for all."
    ),
]
_IN_MEMORY = 1_000_000  # bytes of a photo that was fetched; what is more waits on disk


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


@dataclass(frozen=True)
class Sent:
    """The photos that a request is about.

    Attributes:
        service: that is asked.
        files: photos that were sent, then those that were fetched.
        ids: photos of the index, which come after them.
    """

    service: Service
    files: Sequence[UploadFile]
    ids: Sequence[int]

    def uploads(self) -> list[Upload]:
        """Those that are not of the index; see `read_uploads`."""
        return read_uploads(self.files, self.service.settings.limits)

    def one(self) -> DecodedPhoto:
        """The one photo of a request about one.

        Raises:
            UsageError: there is none, or more than one.
            HTTPException: it is too large, or not in the index.
            PhotoError: it is no photo.
        """
        if len(self.files) + len(self.ids) != 1:
            raise UsageError("send one photo, or the id of one")
        if self.ids:
            return indexed_photo(self.service, self.ids[0])
        (upload,) = self.uploads()
        return decode(upload.content, upload.name)


async def _sent(
    service: Served,
    photo: Files = [],  # noqa: B006 - FastAPI's way to say that none is fine
    url: Addresses = [],  # noqa: B006
    id: Ids = [],  # noqa: B006
) -> Sent:
    limits = service.settings.limits
    if url and not service.settings.fetch:
        raise HTTPException(403, "this service fetches nothing: start it with --fetch")
    if len(photo) + len(url) > limits.photos:
        raise HTTPException(413, f"{len(photo) + len(url)} photos: send at most {limits.photos}")
    fetched = await service.fetch(_fetched, url, limits) if url else []
    return Sent(service, [*photo, *fetched], id)


def _fetched(addresses: Sequence[str], limits: Limits) -> list[UploadFile]:
    """Photos that lie at addresses, kept on disk as those that are sent.

    Raises:
        UsageError: see `fetch`.
        PhotoError: something else lies there.
    """
    end, left, found = time.monotonic() + limits.fetch_seconds, limits.upload_bytes, []
    for address in addresses:
        content = fetch(address, left, max(end - time.monotonic(), 0.0))
        left -= len(content)
        name = _name(unquote(urlsplit(address).path))
        size_of(content, name)
        file = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed with the request
        file.write(content)
        file.seek(0)
        found.append(UploadFile(cast("BinaryIO", file), filename=name))
    return found


Asked = Annotated[Sent, Depends(_sent)]


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
