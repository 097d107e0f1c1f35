"""Searching: by photos that are sent, by those of the index, by parts of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, UploadFile
from pydantic import BaseModel, Field

from solar.errors import UsageError
from solar.extraction import Failed
from solar.index import Search, search_each
from solar.photos import Photo, parse_box
from solar.web.api.service import Service
from solar.web.api.uploads import Asked, Boxes, Sent, path_of, read_uploads

router = APIRouter(tags=["search"])


class Found(BaseModel):
    """A hit."""

    path: str = Field(description="Relative to its root.", examples=["paris/eiffel.jpg"])
    root: str = Field(description="The name of a folder that was indexed.", examples=["photos"])
    id: int
    score: float = Field(description="Cosine of its descriptor and the query's.", ge=-1.01, le=1.01)
    probability: float | None = Field(
        description="That it shows the same place; null if the model is not calibrated."
    )
    inliers: int | None = Field(None, description="Keypoints that agree, where it was verified.")
    query: int | None = Field(None, description="With which of several photos these agree.")
    gone: bool | None = Field(None, description="Its file is no longer there.")
    taken: str | None = Field(None, description="When, if the file says.")
    camera: str | None = Field(None, description="With what, likewise.")


class Answer(BaseModel):
    """What one search found."""

    query: str | list[str] = Field(description="What the photo was called.", examples=["q.jpg"])
    box: list[float] | list[list[float] | None] | None = None
    alike: bool | None = Field(None, description="Whether any hit is more alike than chance.")
    hits: list[Found]


class Answers(BaseModel):
    """What several searches found, and which photos could not be used."""

    searches: list[Answer]
    failed: list[str] = []


class Descriptor(BaseModel):
    """A photo's descriptor."""

    descriptor: list[float]
    dimensions: int


@router.post(
    "/search",
    response_model=Answer | Answers,
    response_model_exclude_unset=True,
    summary="Find photos of the place that a photo shows",
)
async def search(
    asked: Asked,
    box: Boxes = [],  # noqa: B006 - FastAPI's way to say that none is fine
    not_: Annotated[
        list[UploadFile], File(alias="not", description="Photos that show what is not sought.")
    ] = [],  # noqa: B006
    not_id: Annotated[list[int], Form(description="Likewise, of the index.")] = [],  # noqa: B006
    top: Annotated[int, Form(ge=1, le=1000, description="How many hits.")] = 10,
    where: Annotated[
        str | None, Form(max_length=2000, examples=["taken >= 2020-06"], description="A filter.")
    ] = None,
    rerank: Annotated[str, Form(max_length=100, examples=["default"])] = "default",
    min_probability: Annotated[float | None, Form(ge=0, le=1)] = None,
    distinct: Annotated[bool, Form(description="One of photos that are the same.")] = False,
    together: Annotated[bool, Form(description="All photos show one place.")] = False,
) -> dict[str, Any]:
    """The form of `solar search --json`: one answer, or `searches` of several photos."""
    options: dict[str, Any] = {
        "top": top,
        "where": where or None,
        "rerank": rerank,
        "min_probability": min_probability,
        "distinct": distinct,
        "together": together,
    }
    service = asked.service
    described = asked.files or not_ or any(box)
    do = service.work if described else service.quick
    return await do(_search, asked, box, not_, not_id, options)


def _search(
    asked: Sent,
    boxes: Sequence[str],
    unlike: Sequence[UploadFile],
    unlike_ids: Sequence[int],
    options: dict[str, Any],
) -> dict[str, Any]:
    service = asked.service
    limits, index = service.settings.limits, service.index
    if not 1 <= len(asked.files) + len(asked.ids) <= limits.photos:
        raise UsageError(f"send 1 to {limits.photos} photos, or ids of some")
    uploads, others = asked.uploads(), read_uploads(unlike, limits)
    shown = [each.name for each in uploads]
    shown += [service.names.of(path_of(service, number))[1] for number in asked.ids]
    for number in unlike_ids:
        path_of(service, number)
    photos: list[Photo | int] = [each.content for each in uploads]
    photos += asked.ids
    if boxes and len(boxes) != len(photos):
        raise UsageError(f"{len(boxes)} boxes for {len(photos)} photos: send one for each")
    options["not_"] = [*(each.content for each in others), *unlike_ids]
    options["box"] = [box.strip() or None for box in boxes] or None
    together, found, failed = options["together"], [], []
    for position, answer in enumerate(search_each(index, photos, **options)):
        if isinstance(answer, Failed):
            error = type(answer.error)(answer.error.reason, shown[answer.position])
            if len(photos) == 1 or together:
                raise error
            failed.append(service.plain(error))
        else:
            found.append(_plain(answer, service, shown if together else [shown[position]]))
    if len(photos) > 1 and not together:
        return {"searches": found, "failed": failed}
    return found[0]


def _plain(answer: Search, service: Service, shown: Sequence[str]) -> dict[str, Any]:
    """As `solar search --json`, with names instead of paths."""
    plain: dict[str, Any] = answer.to_json()
    plain["query"] = list(shown) if len(answer.queries) > 1 else shown[0]
    numbers = [hit["id"] for hit in plain["hits"]]
    known = {photo.id: photo for photo in service.index.photos_of(numbers)}
    for hit in plain["hits"]:
        hit["root"], hit["path"] = service.names.of(hit["path"])
        if (photo := known.get(hit["id"])) is not None:
            hit |= {"taken": photo.taken, "camera": photo.camera}
    return plain


@router.post("/describe", response_model=Descriptor, summary="The descriptor of a photo")
async def describe(asked: Asked, box: Annotated[str, Form(max_length=200)] = "") -> dict[str, Any]:
    """As the index's photos were described: unit length."""

    def work() -> dict[str, Any]:
        decoded = asked.one()
        part = parse_box(box, decoded.size) if box.strip() else None
        row = asked.service.index.describe(decoded, part)
        return {"descriptor": row.tolist(), "dimensions": len(row)}

    return await asked.service.work(work)
