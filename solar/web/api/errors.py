"""What a client is told: one line, without a path of this machine."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from solar.errors import IndexLocked, PhotoError, SolarError, UsageError
from solar.files.text import cut
from solar.web.api.service import service_of

log = logging.getLogger("solar.web")


class Problem(BaseModel):
    """Why a request was not answered."""

    error: str = Field(examples=["photo.jpg: not a photo: neither of the kinds that Solar reads"])


_WHY = {
    400: "the request cannot be read",
    401: "no token, or a wrong one",
    403: "not allowed",
    404: "there is no such thing",
    405: "not in this way",
    408: "the request took too long to arrive",
    413: "too large",
    422: "a field, a photo or a filter that cannot be used",
    429: "too many requests of one client at once",
    500: "a fault of the service's own",
    503: "too busy, or it took too long: try again",
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": words} for status, words in _WHY.items()
}
"""Of every route, for the OpenAPI document."""


def answer(status: int, words: str, **headers: str) -> JSONResponse:
    """An error as JSON."""
    return JSONResponse({"error": words}, status, headers)


def add_handlers(app: FastAPI) -> None:
    """Let the app answer errors in one form."""
    app.add_exception_handler(HTTPException, _http)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, _invalid)  # type: ignore[arg-type]
    app.add_exception_handler(SolarError, _ours)  # type: ignore[arg-type]
    app.add_exception_handler(Exception, _fault)


async def _http(request: Request, error: HTTPException) -> JSONResponse:
    return answer(error.status_code, cut(error.detail, 300), **(error.headers or {}))


async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first.get("loc", ())[1:])
    return answer(422, cut(f"{where}: {first.get('msg', 'cannot be used')}", 300))


async def _ours(request: Request, error: SolarError) -> JSONResponse:
    words = service_of(request).plain(error)
    if isinstance(error, IndexLocked):
        return answer(503, words, **{"Retry-After": "5"})
    if isinstance(error, PhotoError | UsageError):
        return answer(422, words)
    log.error("failed", extra={"facts": {"error": str(error)}})
    return answer(500, words)


async def _fault(request: Request, error: Exception) -> JSONResponse:
    log.error("fault", exc_info=error)
    return answer(500, f"a fault of Solar's own ({type(error).__name__}): its log says more")
