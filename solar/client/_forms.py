"""What goes to a service and comes back: photos as forms, answers as results."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from solar.errors import IndexLocked, SolarError, UsageError
from solar.index.results import Hit, IndexedPhoto
from solar.photos import Box, Photo, decode, read_photo

if TYPE_CHECKING:
    import httpx


def checked(answer: httpx.Response) -> httpx.Response:
    """An answer that is one.

    Raises:
        UsageError: the call was wrong.
        IndexLocked: it is to be tried again.
        SolarError: the service failed.
    """
    if answer.is_success:
        return answer
    try:
        words = str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        words = f"answered {answer.status_code}"
    if answer.status_code in (429, 503):
        raise IndexLocked(words)
    raise (UsageError if answer.status_code < 500 else SolarError)(words)


def kind_of(photo: Photo | int) -> str:
    """As what a photo is sent: its content, its number, or its address."""
    if isinstance(photo, int):
        return "id"
    web = isinstance(photo, str) and photo.startswith(("http://", "https://"))
    return "url" if web else "photo"


def form_of(asked: Sequence[Any]) -> tuple[dict[str, Any], list[Any]]:
    """The fields and the files of some photos."""
    kinds = [(kind_of(each), each) for each in asked]
    data = {kind: [each for k, each in kinds if k == kind] for kind in ("url", "id")}
    return data, [file_of("photo", each) for kind, each in kinds if kind == "photo"]


def listed(photos: Any) -> list[Any]:
    return list(photos) if isinstance(photos, list | tuple) else [photos]


def file_of(field: str, photo: Photo) -> tuple[str, tuple[str, bytes]]:
    """A photo as a part of a form, as it is where it is a file."""
    if isinstance(photo, bytes):
        return field, ("photo", photo)
    if isinstance(photo, str | os.PathLike):
        return field, (Path(photo).name, read_photo(Path(photo)))
    buffer = io.BytesIO()
    decoded = decode(photo)
    decoded.image.save(buffer, "PNG")
    return field, (decoded.name, buffer.getvalue())


def box_text(box: Box | None) -> str:
    return "" if box is None else ",".join(f"{edge:g}" for edge in box)


def _named(found: dict[str, Any]) -> str:
    return f"{found['root']}/{found['path']}" if found["root"] else str(found["path"])


def hit_of(found: dict[str, Any]) -> Hit:
    return Hit(
        _named(found),
        found["score"],
        found["id"],
        found.get("inliers"),
        query=found.get("query") or 0,
        probability=found.get("probability"),
    )


def photo_of(found: dict[str, Any]) -> IndexedPhoto:
    return IndexedPhoto(
        id=found["id"],
        path=_named(found),
        root=found["root"],
        sha256=None,
        size=found["size"],
        has_features=found["has_features"],
        reason=found["reason"],
        taken=found["taken"],
        gps=None if found["gps"] is None else (found["gps"][0], found["gps"][1]),
        camera=found["camera"],
        width=found["width"],
        height=found["height"],
    )
