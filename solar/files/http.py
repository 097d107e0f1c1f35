"""A folder that a web server hands out, read by ranges of bytes; nothing that it says is believed.

Every answer must be the asked one: these bytes, of an object of this size and version, from this
address. Redirects are refused: whoever is sent elsewhere should name that place.
"""

from __future__ import annotations

import http.client
import os
import re
import ssl
import threading
import time
from collections.abc import Iterator
from html import unescape
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from solar.errors import SolarError, UsageError
from solar.files.stores import Stored
from solar.files.text import cut, printable

TIMEOUT = 30.0
_TRIES = 3
_PAUSE = 0.5
_MOST_LISTED = 16 << 20  # Bytes of a list of files.
_LINK = re.compile(rb'href\s*=\s*["\']([^"\'<>]+)["\']', re.I)
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


class _Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class HttpStore:
    """What lies below an http or https address, to read; see `Store`."""

    def __init__(self, address: str) -> None:
        """Take an address.

        Raises:
            UsageError: it is none, or holds a name or a query.
        """
        self.address = address
        try:
            parts = urlsplit(address)
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError as error:
            raise UsageError(f"{printable(address)}: {cut(error)}") from error
        if not self._host or parts.username or parts.query or parts.fragment:
            raise UsageError(
                f"{printable(address)}: give an address without a name and without a query, as "
                "https://host/my.index"
            )
        self._secure, self._path = parts.scheme == "https", parts.path.rstrip("/")
        self._threads = threading.local()

    def list(self) -> Iterator[Stored]:
        """See `Store.list`: of a page that lists files, without sizes and versions.

        Raises:
            SolarError: there is no such page.
        """
        answer = self._ask("GET", "", {}, _MOST_LISTED)
        if answer.status != 200:
            raise SolarError(f"{self._named('')}: does not list its files ({answer.status})")
        for link in sorted(set(_LINK.findall(answer.body))):
            name = unquote(unescape(link.decode("utf-8", "replace"))).removeprefix("./")
            name = name.removeprefix(f"{unquote(self._path)}/")
            if name and "/" not in name and "?" not in name:
                yield Stored(name, -1, "")

    def stat(self, name: str) -> Stored | None:
        """See `Store.stat`."""
        answer = self._ask("HEAD", name, {}, 0)
        if answer.status in (404, 403, 410):
            return None
        if answer.status != 200:
            raise SolarError(f"{self._named(name)}: the server answers {answer.status}")
        length = answer.headers.get("Content-Length", "")
        if not re.fullmatch(r"\d{1,18}", length):
            raise SolarError(f"{self._named(name)}: the server does not say how many bytes it has")
        return Stored(name, int(length), _version(answer))

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        """See `Store.read`."""
        found = self.stat(name)
        if found is None:
            raise FileNotFoundError(2, "No such file", self._named(name))
        return self.part(found, start, found.size if stop is None else min(stop, found.size))

    def part(self, stored: Stored, start: int, stop: int) -> bytes:
        """See `Store.part`."""
        if stop <= start:
            return b""
        name, what = stored.name, self._named(stored.name)
        asked = {"Range": f"bytes={start}-{stop - 1}"}
        answer = self._ask("GET", name, asked, stop - start)
        if answer.status in (404, 410, 412, 416):
            raise SolarError(f"{what}: {_CHANGED}")
        if answer.status == 200 and (start, stop) != (0, stored.size):
            raise SolarError(
                f"{what}: the server sends whole files only: use one that sends ranges"
            )
        if answer.status not in (200, 206):
            raise SolarError(f"{what}: the server answers {answer.status}")
        if answer.status == 206:
            said = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if said is None or (int(said[1]), int(said[2])) != (start, stop - 1):
                raise SolarError(f"{what}: the server sends other bytes than those asked for")
            if int(said[3]) != stored.size:
                raise SolarError(f"{what}: {_CHANGED}")
        if stored.version and _version(answer) != stored.version:
            raise SolarError(f"{what}: {_CHANGED}")
        if len(answer.body) != stop - start:
            raise SolarError(f"{what}: {len(answer.body)} bytes came instead of {stop - start}")
        return answer.body

    def write(self, name: str, data: bytes) -> None:
        """Refuse: see `Store.write`."""
        raise UsageError(f"{self._named(name)}: a web server is only read")

    def create(self, name: str, data: bytes) -> bool:
        """Refuse: see `Store.create`."""
        raise UsageError(f"{self._named(name)}: a web server is only read")

    def remove(self, name: str) -> None:
        """Refuse: see `Store.remove`."""
        raise UsageError(f"{self._named(name)}: a web server is only read")

    def _named(self, name: str) -> str:
        return printable(f"{self.address}/{name}" if name else self.address)

    def _ask(self, method: str, name: str, headers: dict[str, str], most: int) -> _Answer:
        """One answer, at most some bytes of it; lost connections are tried again."""
        reason = ""
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(_PAUSE * attempt)
            try:
                answer = self._asked(method, name, headers, most)
            except (OSError, http.client.HTTPException) as error:
                self._threads.connection = None
                reason = cut(error) or type(error).__name__
                continue
            if 300 <= answer.status < 400:
                where = cut(answer.headers.get("Location", "elsewhere"), 200)
                raise SolarError(f"{self._named(name)}: redirected to {where}: name that address")
            if answer.headers.get("Content-Encoding", "identity") != "identity":
                raise SolarError(f"{self._named(name)}: the server packs what it sends")
            if answer.status < 500:
                return answer
            reason = f"the server answers {answer.status}"
        raise SolarError(f"{self._named(name)}: cannot be read ({reason})")

    def _asked(self, method: str, name: str, headers: dict[str, str], most: int) -> _Answer:
        connection = getattr(self._threads, "connection", None)
        if connection is None or self._threads.process != os.getpid():
            connection = self._threads.connection = self._connection()
            self._threads.process = os.getpid()
        path = f"{self._path}/{quote(name)}"
        given = {"User-Agent": "solar-retrieval", "Accept-Encoding": "identity", **headers}
        connection.request(method, path, headers=given)
        response = connection.getresponse()
        body = response.read(most + 1) if method == "GET" and most else b""
        if response.read(1):  # More than was asked for: it is not waited for.
            connection.close()
        return _Answer(response.status, response.headers, body)

    def _connection(self) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=TIMEOUT, context=context
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT)


_CHANGED = "has changed since it was opened: open the index again"


def _version(answer: _Answer) -> str:
    return answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
