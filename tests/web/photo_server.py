"""A server of photos, some of them hostile, which tests take for a public one."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.scenes import scene
from tests.web.test_safety import bomb, png

PUBLIC, PRIVATE = "127.0.0.2", "127.0.0.1"


@dataclass
class Web:
    """A server of photos that counts as public, and one that no stranger may reach.

    Attributes:
        port: of both.
        private: what the second was asked: nothing, as long as all is well.
        heads: of what the first was asked.
    """

    port: int
    private: list[str] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)

    def at(self, path: str, host: str = "photos.example") -> str:
        return f"http://{host}:{self.port}{path}"


def handler(web: Web) -> type[BaseHTTPRequestHandler]:
    """What answers for both."""
    return type("Handler", (_Handler,), {"web": web})


class _Handler(BaseHTTPRequestHandler):
    web: Web

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.connection.getsockname()[0] == PRIVATE:
            self.web.private.append(self.path)
        self.web.heads.append(dict(self.headers))
        with suppress(OSError):
            ANSWERS.get(self.path.lstrip("/").partition("?")[0], _photo)(self)

    def send(self, content: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def drip(self, content: bytes) -> None:
        """Each byte in time, all of them never."""
        for byte in content[:400]:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(0.05)


PHOTO = png(scene(3, (320, 240)))


def _photo(to: _Handler) -> None:
    to.send(PHOTO)


def _endless(to: _Handler) -> None:
    to.send_response(200)
    to.end_headers()
    for _ in range(1000):
        to.wfile.write(bytes(10_000))


def _slow_body(to: _Handler) -> None:
    to.send(PHOTO[:100], Content_Length=str(len(PHOTO)))
    to.drip(PHOTO[100:])


ANSWERS: dict[str, Callable[[_Handler], None]] = {
    "to": lambda to: to.send(b"", 302, Location=to.path.partition("?")[2]),
    "round": lambda to: to.send(b"", 307, Location="/round"),
    "page.jpg": lambda to: to.send(b"<html>secret</html>", Content_Type="image/jpeg"),
    "gone.jpg": lambda to: to.send(PHOTO, 404),
    "packed.png": lambda to: to.send(gzip.compress(PHOTO), Content_Encoding="gzip"),
    "bomb.png": lambda to: to.send(bomb(40_000, 30_000)),
    "large.png": lambda to: to.send(PHOTO, Content_Length=str(10**9)),
    "short.png": lambda to: to.send(PHOTO[:1000], Content_Length=str(len(PHOTO))),
    "endless.png": _endless,
    "slow-body.png": _slow_body,
    "slow-head.png": lambda to: to.drip(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 1000),
}
