"""Running the service: a socket, a server, and an end that loses nothing."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
import webbrowser
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from solar.errors import SolarError
from solar.web.api.app import create_app
from solar.web.api.metrics import log_to_stderr
from solar.web.api.service import Service
from solar.web.api.settings import Settings

_LEAVE_SECONDS = 15  # for answers that are under way when it is told to stop


class _Impatient(H11Protocol):
    """Lets go of connections over which no request comes, which would use up what there are.

    Attributes:
        head_seconds: in which the head of the first request must have come.
    """

    head_seconds = 10.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._closing = self.loop.call_later(self.head_seconds, self._leave)

    def _leave(self) -> None:
        cycle: object = self.cycle  # which uvicorn types as if there always were one
        if cycle is None and not self.transport.is_closing():
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing.cancel()
        super().connection_lost(exc)


class _Server(uvicorn.Server):
    """Tells the service that it stops, so that streams end by themselves."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._service.stopping.set()
        super().handle_exit(sig, frame)


def serve(settings: Settings, started: Callable[[str], Any], *, browse: bool = False) -> None:
    """Answer until a signal ends it.

    Args:
        settings: see `Settings`.
        started: called with the address once it listens.
        browse: open the page in the person's browser.

    Raises:
        SolarError: the index cannot be opened, or the address is taken.
    """
    service = Service(settings)
    listening = _listen(settings.host, settings.port)
    port = listening.getsockname()[1]
    name = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{name}:{port}/"
    config = uvicorn.Config(
        create_app(service),
        http=type("Http", (_Impatient,), {"head_seconds": settings.limits.head_seconds}),
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        limit_concurrency=settings.limits.connections,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_LEAVE_SECONDS,
        h11_max_incomplete_event_size=32_768,
    )
    log_to_stderr()
    signal.signal(signal.SIGTERM, _end)  # after uvicorn's own, which ends with the signal again
    started(address)
    if browse:
        threading.Timer(0.5, webbrowser.open, [address]).start()
    _Server(config, service).run(sockets=[listening])


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        raise SolarError(
            f"--host {host} --port {port}: {error.strerror or error}: choose another port"
        ) from error
    listening.set_inheritable(False)
    return listening
