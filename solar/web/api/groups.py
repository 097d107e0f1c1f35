"""Views of the whole collection: places, and photos that are the same."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from solar import collection
from solar.index import AddReport, Index
from solar.typing import Progress
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


@router.get("/places", response_model=Places, summary="Which photos show one place")
async def places(service: Served) -> dict[str, Any]:
    """As `solar places --json`; 503 while photos are compared, which a job does once."""
    return _made(service, "places", "comparing photos for places", _places)


@router.get("/duplicates", response_model=Copies, summary="Which photos are the same")
async def duplicates(service: Served, same: Rung = "picture") -> dict[str, Any]:
    """As `solar duplicates --json`; 503 while photos are compared, which a job does once."""
    what = f"comparing photos for the same {same}"
    return _made(service, f"duplicates {same}", what, partial(_duplicates, same))


def _made(service: Service, name: str, what: str, make: Any) -> dict[str, Any]:
    """What a job has made of the index's commit, or of the last one while the next is made.

    Raises:
        HTTPException: 503, it is being made: its progress is in /jobs.
    """
    generation = service.index.generation
    kept = service.groups.get(name)
    if kept is None or kept[0] != generation:
        running = [job for job in service.jobs.all() if job.state in ("waiting", "running")]
        if not any(job.what == what for job in running):

            def task(index: Index, progress: Progress) -> AddReport:
                service.groups[name] = index.generation, make(service, index, progress)
                return AddReport()

            service.jobs.begin(what, task)
        if kept is None:
            raise HTTPException(503, f"{what}: try again soon", {"Retry-After": "2"})
    found: dict[str, Any] = kept[1]
    return found


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
