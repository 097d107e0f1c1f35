"""The service about itself and its index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from solar.index import Index
from solar.web.api.service import Served, Service

open_router = APIRouter(tags=["service"])
router = APIRouter(tags=["index"])


class Status(BaseModel):
    """That it runs."""

    status: str = Field(examples=["ok"])


class Facts(BaseModel):
    """What photos say of themselves, over all."""

    taken: list[str] | None = Field(description="The first and the last day.")
    gps: int = Field(description="Photos that say where they were taken.")


class About(BaseModel):
    """What an index holds."""

    name: str = Field(examples=["my.index"])
    photos: int = Field(description="That can be found.")
    generation: int
    model: str = Field(examples=["solar-r18"])
    kind: str = Field(examples=["exact"])
    dimensions: int
    features: bool = Field(description="Whether hits can be verified by keypoints.")
    calibrated: bool = Field(description="Whether hits say how probable they are.")
    roots: list[str]
    writable: bool
    watched: bool = Field(description="Whether photos are added as they come into its folders.")
    fetches: bool = Field(description="Whether photos may be sent by their address.")
    attention: list[str] = Field(description="Stages of which attention can be shown.")
    facts: Facts


@open_router.get("/health", response_model=Status, summary="Whether it runs")
async def health() -> dict[str, str]:
    """Also while it cannot answer yet."""
    return {"status": "ok"}


@open_router.get("/ready", response_model=Status, summary="Whether it answers")
async def ready(service: Served) -> dict[str, str]:
    """503 until the model is loaded, and while it stops."""
    if not service.ready or service.stopping.is_set():
        raise HTTPException(503, "stopping" if service.ready else "the model is being loaded")
    return {"status": "ok"}


@router.get("/index", response_model=About, summary="What the index holds")
async def about(service: Served) -> dict[str, Any]:
    """As of its last commit."""
    return await service.quick(_about, service)


def _about(service: Service) -> dict[str, Any]:
    index = service.index
    made = index.extraction
    return {
        "name": service.settings.index.name,
        "photos": len(index),
        "generation": index.generation,
        "model": Path(made.model).name,
        "kind": index.kind,
        "dimensions": made.dimensions,
        "features": index.keeps_features,
        "calibrated": index.calibration is not None,
        "roots": list(service.names.roots),
        "writable": service.settings.writable,
        "watched": service.settings.watch,
        "fetches": service.settings.fetch,
        "attention": service.tools.stages,
        "facts": service.remembered("facts", _facts),
    }


def _facts(index: Index) -> dict[str, Any]:
    taken, gps = [], 0
    for photo in index.photos():
        gps += photo.gps is not None
        if photo.taken:
            taken.append(photo.taken[:10])
    return {"taken": (min(taken), max(taken)) if taken else None, "gps": gps}
