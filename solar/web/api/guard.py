"""Who may ask: before any route sees a request, and around its answer."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import json
import re
import time
from collections import Counter
from collections.abc import Mapping
from urllib.parse import urlsplit

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from solar.web.api.metrics import Metrics
from solar.web.api.settings import Settings, is_loopback

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
"""Of every answer."""

_HOST = re.compile(r"[\w.:\[\]-]{1,255}", re.ASCII)
_DRAINED_SECONDS = 2.0
_OPEN = ("/health", "/ready")
_READING_POSTS = frozenset(
    f"/api/v1/{name}" for name in ("search", "describe", "attention", "match", "explain")
)


class Guard:
    """ASGI middleware: host, origin, token, size, time, and the headers of every answer."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        """Stand before an app."""
        self._app, self._settings, self._metrics = app, settings, metrics
        self._clients: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            client = (scope.get("client") or ("local",))[0]
            self._clients[client] += 1
            try:
                await self._answer(scope, receive, send, client)
            finally:
                self._clients[client] -= 1
                if not self._clients[client]:
                    del self._clients[client]
        else:  # no web socket is served
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, scope: Scope, receive: Receive, send: Send, client: str) -> None:
        started, status, size = time.perf_counter(), 500, 0

        async def guarded_send(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), *_raw(HEADERS)]
            else:
                size += len(message.get("body", b""))
            await send(message)

        try:
            refused = self._refusal(scope, client)
            if refused is None:
                await self._app(scope, self._limited(receive), guarded_send)
            else:
                await _drain(receive)
                await _refuse(guarded_send, refused)
        finally:
            self._metrics.answered(scope, status, size, time.perf_counter() - started, client)

    def _refusal(self, scope: Scope, client: str) -> HTTPException | None:
        """Why a request is not even looked at."""
        headers = _headers(scope)
        path, limits = scope["path"], self._settings.limits
        if not self._known(headers.get("host", "")):
            return HTTPException(403, "this service does not go by that host name: --name adds one")
        if not _same_origin(headers, path):
            return HTTPException(403, "other pages may not ask this service")
        if path not in _OPEN and (refused := self._unauthorised(scope["method"], path, headers)):
            return refused
        if self._clients[client] > limits.per_client:
            return HTTPException(429, "too many requests of yours at once", {"Retry-After": "1"})
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > limits.upload_bytes:
            return _too_large(limits.upload_bytes)
        return None

    def _known(self, host: str) -> bool:
        """Whether a Host header names this service: a name that it was told, or an address.

        A page elsewhere can make its own name point here (DNS rebinding), but not an address.
        """
        if not _HOST.fullmatch(host):
            return False
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in {each.casefold() for each in (self._settings.host, *self._settings.names)}:
            return True
        if is_loopback(name):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return not self._settings.local

    def _unauthorised(
        self, method: str, path: str, headers: Mapping[str, str]
    ) -> HTTPException | None:
        """What is wrong with the token of a request, or with its lack; None if nothing is."""
        s = self._settings
        reading = method in ("GET", "HEAD", "OPTIONS") or (
            method == "POST" and path in _READING_POSTS
        )
        writing = not reading
        if writing and not s.writable:
            return HTTPException(403, "this service only answers: start it with --write to change")
        private = path.startswith("/api/") or path == "/metrics"
        if s.read_token is None or not (private or writing):
            return None
        kind, _, token = headers.get("authorization", "").partition(" ")
        given = kind.casefold() == "bearer"
        writes = given and _same(token, s.write_token)
        if writes or (given and not writing and _same(token, s.read_token)):
            return None
        if given and _same(token, s.read_token):
            return HTTPException(403, "this token reads; changing the index takes another")
        words = "the token is wrong" if given else "a token is needed: Authorization: Bearer ..."
        return HTTPException(401, words, {"WWW-Authenticate": "Bearer"})

    def _limited(self, receive: Receive) -> Receive:
        """What is received, in bounds of bytes and of seconds."""
        limits = self._settings.limits
        end = time.monotonic() + limits.receive_seconds
        total, more = 0, True

        async def limited() -> Message:
            nonlocal total, more
            if not more:
                return await receive()  # whoever waits for a disconnection waits for ever
            try:
                message = await asyncio.wait_for(receive(), max(end - time.monotonic(), 0.001))
            except asyncio.TimeoutError as error:
                words = f"the request took longer than {limits.receive_seconds:g} s to arrive"
                raise HTTPException(408, words, {"Connection": "close"}) from error
            total += len(message.get("body", b""))
            more = bool(message.get("more_body", False))
            if total > limits.upload_bytes:
                await _drain(receive)
                raise _too_large(limits.upload_bytes)
            return message

        return limited


def _too_large(most: int) -> HTTPException:
    words = f"the request is larger than {most / 1e6:g} MB: send fewer or smaller photos"
    return HTTPException(413, words, {"Connection": "close"})


def _same(given: str, token: str | None) -> bool:
    """Whether two tokens are the same, in a time that says nothing of where they differ."""
    digests = [hashlib.sha256((each or "").encode()).digest() for each in (given, token)]
    return hmac.compare_digest(*digests) and token is not None


def _same_origin(headers: Mapping[str, str], path: str) -> bool:
    """Whether a request comes from a page of this service, or from no page at all."""
    origin = headers.get("origin")
    if origin is not None:
        try:
            return urlsplit(origin).netloc.casefold() == headers["host"].casefold()
        except ValueError:
            return False
    shown = headers.get("sec-fetch-mode") == "navigate" and not path.startswith("/api/")
    return shown or headers.get("sec-fetch-site", "none") in ("none", "same-origin")


def _headers(scope: Scope) -> dict[str, str]:
    """By lower-case name; of a name that is there twice, both, which then match nothing."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


async def _drain(receive: Receive) -> None:
    """Let a client that still sends go on for a little: closed at once, it would read no answer."""
    end = time.monotonic() + _DRAINED_SECONDS
    while (wait := end - time.monotonic()) > 0:
        try:
            message = await asyncio.wait_for(receive(), wait)
        except asyncio.TimeoutError:
            return
        if not message.get("more_body", False):
            return


async def _refuse(send: Send, error: HTTPException) -> None:
    body = json.dumps({"error": error.detail}).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    headers |= dict(error.headers or {})
    start = {"type": "http.response.start", "status": error.status_code, "headers": _raw(headers)}
    await send(start)
    await send({"type": "http.response.body", "body": body})
