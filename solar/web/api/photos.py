"""The photos of the index: what is known of them, and small copies without metadata."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from solar.errors import PhotoError
from solar.index import IndexedPhoto
from solar.photos import decode
from solar.web.api.service import Served, Service
from solar.web.api.uploads import path_of

router = APIRouter(tags=["photos"])

Number = Annotated[int, InPath(ge=0, le=2**63 - 1, description="A photo's number in the index.")]
_JPEG: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {}}, "description": "A JPEG, upright."},
    304: {"description": "As it was: see If-None-Match."},
}


class PhotoFacts(BaseModel):
    """What the index knows of a photo."""

    id: int
    path: str = Field(description="Relative to its root.", examples=["paris/eiffel.jpg"])
    root: str = Field(examples=["photos"])
    width: int | None
    height: int | None
    taken: str | None = Field(examples=["2019-07-12T18:30:00+02:00"])
    gps: list[float] | None = Field(description="Degrees north, degrees east.")
    camera: str | None
    size: int = Field(description="Of the file in bytes; -1 if that is not known.")
    has_features: bool
    reason: str | None = Field(description="Why it cannot be found; null if it can.")


class PhotoList(BaseModel):
    """Some photos of all, or of those that a filter lets through."""

    total: int
    photos: list[PhotoFacts]


@router.get("/photos", response_model=PhotoList, summary="Photos of the index")
async def photos(
    service: Served,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    where: Annotated[str | None, Query(max_length=2000, examples=["has gps"])] = None,
) -> dict[str, Any]:
    """By rising id."""

    def work() -> dict[str, Any]:
        index = service.index
        ids = index.ids(where or None)
        part = ids[offset : offset + limit].tolist()
        return {"total": len(ids), "photos": [_facts(p, service) for p in index.photos_of(part)]}

    return await service.quick(work)


@router.get("/photos/{number}", response_model=PhotoFacts, summary="One photo")
async def photo(service: Served, number: Number) -> dict[str, Any]:
    """What the index knows of it."""

    def work() -> dict[str, Any]:
        try:
            return _facts(service.index[number], service)
        except KeyError as error:
            raise HTTPException(404, f"the index holds no photo {number}") from error

    return await service.quick(work)


def _facts(photo: IndexedPhoto, service: Service) -> dict[str, Any]:
    root, path = service.names.of(photo.path)
    reason = photo.reason and service.names.without_paths(photo.reason, service.settings.index)
    return {
        "id": photo.id,
        "path": path,
        "root": root,
        "width": photo.width,
        "height": photo.height,
        "taken": photo.taken,
        "gps": photo.gps,
        "camera": photo.camera,
        "size": photo.size,
        "has_features": photo.has_features,
        "reason": reason,
    }


@router.get(
    "/photos/{number}/thumbnail",
    response_class=Response,
    responses=_JPEG,
    summary="A small copy of a photo",
)
async def thumbnail(
    request: Request,
    service: Served,
    number: Number,
    size: Annotated[int, Query(ge=32, le=512, description="Longest side in pixels.")] = 256,
) -> Response:
    """Upright, and without what the file says of place and time."""
    return await service.quick(_copy, service, number, size, request.headers.get("if-none-match"))


@router.get(
    "/photos/{number}/image",
    response_class=Response,
    responses=_JPEG,
    summary="A copy of a photo to look at",
)
async def image(
    request: Request,
    service: Served,
    number: Number,
    size: Annotated[int, Query(ge=64, le=2560, description="Longest side in pixels.")] = 1280,
) -> Response:
    """Likewise, larger."""
    return await service.quick(_copy, service, number, size, request.headers.get("if-none-match"))


def _copy(service: Service, number: int, size: int, known: str | None) -> Response:
    path = Path(path_of(service, number))
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise HTTPException(404, f"the file of photo {number} is gone") from error
    what = f"{path} {found.st_size} {found.st_mtime_ns} {size}"
    tag = hashlib.sha256(what.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    headers = {"ETag": f'"{tag}"', "Cache-Control": "private, max-age=600"}
    if known is not None and tag in known:
        return Response(status_code=304, headers=headers)
    content = service.copies.get(tag)
    if content is None:
        content = _encoded(path, size, service)
        service.copies.put(tag, content)
    return Response(content, media_type="image/jpeg", headers=headers)


def _encoded(path: Path, size: int, service: Service) -> bytes:
    """A JPEG of the pixels alone."""
    try:
        small = decode(path, wanted=size, draft=True).prepared(size)
    except PhotoError as error:
        raise type(error)(error.reason, service.names.of(path.as_posix())[1]) from error
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
