"""A web server of this machine that sends ranges of files, counts bytes, and lies on demand."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Lie = Callable[["Handler", str, bytes, dict[str, str]], "tuple[int, bytes, dict[str, str]] | None"]
"""Takes the name of a file, the answer's body and headers; returns another answer, or None."""


class Served(ThreadingHTTPServer):
    """Serves a folder.

    Attributes:
        sent: bytes of bodies, by file.
        asked: requests, by file.
        lie: what to answer instead; None for the truth.
        lists: whether the folder's list of files is shown.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.lie, self.lists = folder, None, True
        self.sent, self.asked = Counter[str](), Counter[str]()

    lie: Lie | None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{self.folder.name}"


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD, with ranges."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Served

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        file = self.server.folder / name
        self.server.asked[name] += 1
        if not name and self.server.lists:
            names = sorted(path.name for path in self.server.folder.iterdir())
            links = "".join(f'<a href="{name}">{name}</a>' for name in names)
            return self.answer(200, links.encode(), {"Content-Type": "text/html"})
        if not name or not file.is_file():
            return self.answer(404, b"", {})
        content, found = file.read_bytes(), file.stat()
        headers = {"ETag": f'"{found.st_mtime_ns:x}-{found.st_size:x}"'}
        code, body = 200, content
        if asked := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")):
            start, stop = int(asked[1]), min(int(asked[2]) + 1, len(content))
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
            code, body = 206, content[start:stop]
        if self.server.lie and (told := self.server.lie(self, name, body, dict(headers))):
            code, body, headers = told
        return self.answer(code, body, headers)

    def answer(self, code: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.server.sent[self.path.rpartition("/")[2]] += len(body)
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """Serve a folder as long as it takes."""
    with Served(folder) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
