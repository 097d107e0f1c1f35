"""Views of the whole collection: places, and photos that are the same."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from solar import collection
from solar.index import AddReport, Index
from solar.typing import Progress
from solar.web.api.jobs import JobState
from solar.web.api.service import Served, Service

router = APIRouter(tags=["collection"])

Rung = Annotated[
    str,
    Query(pattern="^(bytes|picture|moment|view|place)$", description="The weakest sense."),
]


class Member(BaseModel):
    """A photo of a group; more is said by /photos/ID."""

    id: int
    path: str
    root: str


class PlaceSeen(BaseModel):
    """Photos that show one place."""

    cover: int
    photos: list[Member]
    first: str | None
    last: str | None


class Places(BaseModel):
    """The places of a collection, those of most photos first."""

    places: list[PlaceSeen]


class Same(BaseModel):
    """Photos that are the same, the one to keep first."""

    rung: str = Field(examples=["picture"])
    keep: int
    why: str
    photos: list[Member]


class Copies(BaseModel):
    """All groups, the strictest first."""

    groups: list[Same]


_COMPARING: dict[int | str, dict[str, Any]] = {
    202: {"model": JobState, "description": "A job compares photos: ask again."}
}


@router.get(
    "/places",
    response_model=Places,
    responses=_COMPARING,
    summary="Which photos show one place",
)
async def places(service: Served) -> Any:
    """As `solar places --json`; 202 while a job compares photos, once for each commit."""
    return _made(service, "places", "comparing photos for places", _places)


@router.get(
    "/duplicates",
    response_model=Copies,
    responses=_COMPARING,
    summary="Which photos are the same",
)
async def duplicates(service: Served, same: Rung = "picture") -> Any:
    """As `solar duplicates --json`; 202 while a job compares photos, once for each commit."""
    what = f"comparing photos for the same {same}"
    return _made(service, f"duplicates {same}", what, partial(_duplicates, same))


def _made(service: Service, name: str, what: str, make: Any) -> dict[str, Any] | Response:
    """What a job has made of the index's commit, or of the last one while the next is made.

    Returns:
        That; where nothing was made yet, how far the job is.

    Raises:
        HTTPException: 503, too many jobs wait; 500, the job failed, and is begun anew when this is
            asked for again.
    """
    generation = service.index.generation
    kept, job = service.groups.get(name), service.grouping.get(name)
    if kept is not None and kept[0] == generation:
        return kept[1]
    if job is not None and job.state == "failed":
        del service.grouping[name]
        raise HTTPException(500, job.error or "it failed")
    if job is None or job.state == "done":

        def task(index: Index, progress: Progress) -> AddReport:
            service.groups[name] = index.generation, make(service, index, progress)
            return AddReport()

        job = service.grouping[name] = service.jobs.begin(what, task)
    if kept is not None:
        return kept[1]
    return JSONResponse(job.plain(), 202, {"Retry-After": "1"})


def _places(service: Service, index: Index, progress: Progress) -> dict[str, Any]:
    found = collection.places(index, progress)
    return {
        "places": [
            {
                "cover": place.cover,
                "photos": [_member(service, photo.id, photo.path) for photo in place.photos],
                "first": place.first,
                "last": place.last,
            }
            for place in found.places
        ]
    }


def _duplicates(same: str, service: Service, index: Index, progress: Progress) -> dict[str, Any]:
    found = collection.duplicates(index, same, progress)
    return {
        "groups": [
            {
                "rung": group.rung,
                "keep": group.keep,
                "why": service.names.without_paths(group.why, service.settings.index),
                "photos": [_member(service, photo.id, photo.path) for photo in group.photos],
            }
            for group in found.groups
        ]
    }


def _member(service: Service, number: int, path: str) -> dict[str, Any]:
    root, below = service.names.of(path)
    return {"id": number, "path": below, "root": root}
