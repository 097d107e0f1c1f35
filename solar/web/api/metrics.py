"""What the service counts, for Prometheus, and what it writes to its log: one JSON line each."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from starlette.types import Scope

from solar.web.api.service import Served, Service

log = logging.getLogger("solar.web")
router = APIRouter(tags=["service"])


class Metrics:
    """Counters of one service."""

    def __init__(self, service: Service) -> None:
        """Count what a service does."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        kinds = ["method", "route"]
        self._requests = Counter(
            "solar_requests", "Answers.", [*kinds, "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "solar_request_seconds", "Until the answer ended.", kinds, registry=self.registry
        )
        for name, words, value in (
            ("solar_photos", "That can be found.", lambda: len(service.index)),
            ("solar_generation", "Of the index.", lambda: service.index.generation),
            ("solar_pending", "Requests that are worked on, or wait.", lambda: service.pending),
            ("solar_passes", "Of the network.", lambda: service.shared.passes),
            ("solar_described", "Photos of queries.", lambda: service.shared.photos),
        ):
            Gauge(name, words, registry=self.registry).set_function(value)

    def answered(self, scope: Scope, status: int, size: int, seconds: float, client: str) -> None:
        """Count an answer and log it: the route and never the query, which may be private."""
        route = getattr(scope.get("route"), "path", "other")
        self._requests.labels(scope["method"][:10], route, status).inc()
        self._seconds.labels(scope["method"][:10], route).observe(seconds)
        facts = {
            "client": client,
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "bytes": size,
            "ms": round(1000 * seconds, 1),
        }
        log.info("answered", extra={"facts": facts})


class JsonLines(logging.Formatter):
    """A log record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {"time": f"{moment}.{int(record.msecs):03d}Z"}
        line |= {"level": record.levelname.lower(), "what": record.getMessage()}
        line |= getattr(record, "facts", {})
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log_to_stderr() -> None:
    """Write the logs of the service, of the server that runs it and of all others, as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.getLogger().handlers = [handler]
    logging.getLogger("solar.web").setLevel(logging.INFO)


@router.get("/metrics", response_class=PlainTextResponse, summary="Counters, for Prometheus")
async def metrics(request: Request, service: Served) -> PlainTextResponse:
    """Requests by route and status, their seconds, photos, memory."""
    registry = request.app.state.metrics.registry
    text = await service.quick(generate_latest, registry)
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")
