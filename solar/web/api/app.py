"""The app: routes, the page, and the guard before both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.responses import FileResponse, PlainTextResponse, Response
from fastapi.security import HTTPBearer
from starlette.staticfiles import StaticFiles

import solar
from solar.web.api import about, changes, groups, jobs, map, metrics, photos, search, watching, why
from solar.web.api.errors import RESPONSES, add_handlers
from solar.web.api.guard import Guard
from solar.web.api.service import Service

API = "/api/v1"
STATIC = Path(__file__).parents[1] / "static"
"""The built page."""


def create_app(service: Service) -> FastAPI:
    """The app of a service.

    Args:
        service: that it asks; closed when the app ends.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        warming = asyncio.create_task(asyncio.to_thread(service.warm))
        warming.add_done_callback(lambda done: done.exception())
        yield
        await asyncio.to_thread(service.close)

    app = FastAPI(
        title="Solar",
        summary="Find the same place again in anyone's photos.",
        version=solar.__version__,
        openapi_url=f"{API}/openapi.json",
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        responses=RESPONSES,
        lifespan=lifespan,
    )
    app.state.service = service
    service.jobs = jobs.Jobs(service)
    changes.prepare_uploads(service)
    watching.watch_folders(service)
    app.state.metrics = metrics.Metrics(service)
    bearer = [Depends(HTTPBearer(auto_error=False, description="Where the service has a token."))]
    app.include_router(about.open_router)
    app.include_router(metrics.router, dependencies=bearer)
    for room in (about, search, photos, why, map, groups, changes, jobs):
        app.include_router(room.router, prefix=API, dependencies=bearer)
    _add_page(app)
    add_handlers(app)
    app.add_middleware(Guard, settings=service.settings, metrics=app.state.metrics)
    return app


class _Assets(StaticFiles):
    """Files whose names stay while their content changes: browsers ask each time whether it did."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "no-cache"
        return response


def _add_page(app: FastAPI) -> None:
    """Serve what was built."""
    if (STATIC / "assets").is_dir():
        app.mount("/assets", _Assets(directory=STATIC / "assets"), name="assets")

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        file = STATIC / "index.html"
        if not file.is_file():
            return PlainTextResponse("the page was not built; the API answers below /api/v1", 404)
        return FileResponse(file, headers={"Cache-Control": "no-cache"})
