"""Why a hit was found: attention, matches, and what each part of it adds to the score."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Form
from fastapi.responses import Response
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from solar.matching import match as match_photos
from solar.photos import Box, DecodedPhoto, parse_box
from solar.web.api.service import Service
from solar.web.api.uploads import Asked, Sent, indexed_photo

router = APIRouter(tags=["why"])

_MOST_SIDE = 640  # pixels: 1,600 positions of stride 16, whose maps are 2.5 MB
Part = Annotated[str, Form(alias="box", max_length=200, description="The part of the query.")]
HitId = Annotated[int, Form(ge=0, le=2**63 - 1, description="The hit, by its number.")]
_MAPS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Little-endian uint16 h and w, then h*w rows of h*w uint8: row y*w+x is the "
        "map of that position, 255 where it attends most.",
        "content": {"application/octet-stream": {}},
    }
}


class Matched(BaseModel):
    """What two photos have in common."""

    inliers: int
    lines: list[list[float]] = Field(
        description="x1, y1 in the query, x2, y2 in the hit, as parts of widths and heights."
    )
    homography: list[list[float]] | None = Field(
        description="3x3, from parts of the query to parts of the hit; null where none fits."
    )
    same_place: bool
    summary: str
    query_size: list[int]
    hit_size: list[int]


class Contributions(BaseModel):
    """What each cell of a photo adds to the score."""

    h: int
    w: int
    values: list[float] = Field(description="h*w of them, by rows; they sum to the score.")


class Explained(BaseModel):
    """What the cosine of two photos is made of, at one scale."""

    score: float
    query: Contributions
    hit: Contributions


@router.post(
    "/attention",
    response_class=Response,
    responses=_MAPS,
    summary="To which positions each position of a photo attends",
)
async def attention(
    asked: Asked,
    stage: Annotated[str, Form(max_length=40, description="A stage's name or number.")] = "5",
) -> Response:
    """The maps of all positions at once."""

    def work() -> bytes:
        service = asked.service
        attends = service.tools.attention
        name = attends.stage(int(stage) if stage.isdecimal() and len(stage) < 4 else stage)
        size = min(service.index.extraction.image_size, _MOST_SIDE)
        maps = attends.maps(asked.one(), name, size).all()  # (h * w, h, w)
        maps *= 255 / maps.max((1, 2), keepdims=True)
        return struct.pack("<HH", *maps.shape[1:]) + np.rint(maps).astype(np.uint8).tobytes()

    return Response(await asked.service.work(work), media_type="application/octet-stream")


@router.post("/match", response_model=Matched, summary="What a photo and a hit have in common")
async def match(asked: Asked, hit: HitId, part: Part = "") -> dict[str, Any]:
    """Keypoints that agree with one homography."""
    return await asked.service.work(_with_hit, _matched, asked, hit, part)


def _with_hit(
    compare: Callable[[Service, DecodedPhoto, Box | None, DecodedPhoto], dict[str, Any]],
    asked: Sent,
    hit: int,
    part: str,
) -> dict[str, Any]:
    query, other = asked.one(), indexed_photo(asked.service, hit)
    box = parse_box(part, query.size) if part.strip() else None
    return compare(asked.service, query, box, other)


def _matched(
    service: Service, query: DecodedPhoto, box: Box | None, hit: DecodedPhoto
) -> dict[str, Any]:
    (width, height), across = query.image.size, query.image.width / query.size[0]
    left, top, image = 0, 0, query.image
    if box is not None:
        query.prepared(1, box)  # refuses one that holds no pixel
        left, top = (max(0, int(edge * across)) for edge in box[:2])
        right, bottom = int(box[2] * across), int(box[3] * across)
        right, bottom = max(left + 16, min(right, width)), max(top + 16, min(bottom, height))
        image = query.image.crop((left, top, right, bottom))
    found = match_photos(image, hit, model=service.tools.patches)
    first, second = (xy[found.inliers] for xy in found.xy)
    whole = np.array([width, height], np.float32)
    ends = (first + np.array([left, top])) / whole, second / found.sizes[1]
    fits = found.same_place and found.geometry is not None
    return {
        "inliers": int(found.inliers.sum()),
        "lines": np.hstack(ends).clip(0, 1).round(5).tolist(),
        "homography": _in_parts(found.geometry, left, top, whole, found.sizes[1]) if fits else None,
        "same_place": found.same_place,
        "summary": found.summary,
        "query_size": query.size,
        "hit_size": found.sizes[1],
    }


def _in_parts(
    matrix: Any, left: int, top: int, whole: NDArray[np.float32], hit: tuple[int, int]
) -> list[list[float]]:
    """A homography of pixels as one of parts of widths and heights."""
    to_pixels = np.array([[whole[0], 0, -left], [0, whole[1], -top], [0, 0, 1]], np.float64)
    parts = np.diag([1 / hit[0], 1 / hit[1], 1.0]) @ matrix @ to_pixels
    return (parts / parts[2, 2]).tolist()  # type: ignore[no-any-return]


@router.post("/explain", response_model=Explained, summary="Which parts a score comes from")
async def explain(asked: Asked, hit: HitId, part: Part = "") -> dict[str, Any]:
    """What each cell adds to the cosine of both photos at one scale; docs/explain.md says how."""
    return await asked.service.work(_with_hit, _explained, asked, hit, part)


def _explained(
    service: Service, query: DecodedPhoto, box: Box | None, hit: DecodedPhoto
) -> dict[str, Any]:
    found = service.tools.explainer.explain(query, hit, box)
    return {"score": found.score, "query": _plain(found.query), "hit": _plain(found.hit)}


def _plain(cells: NDArray[np.float32]) -> dict[str, Any]:
    return {"h": cells.shape[0], "w": cells.shape[1], "values": cells.ravel().tolist()}
