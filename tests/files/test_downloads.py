"""Downloads from a real server on this machine: resume, verify, fall back, explain."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from solar.errors import SolarError, UsageError
from solar.files.downloads import download

CONTENT = bytes(range(256)) * 20_000  # 5 MB
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """/whole and /ranged serve CONTENT; /cut drops the connection half way; /other lies."""

    def __init__(self, seen: list[tuple[str, str | None]], *arguments: object) -> None:
        self.seen = seen
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.seen.append((self.path, asked))
        if self.path == "/missing":
            self.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if self.path == "/whole":
            start = 0
        body = b"other" if self.path == "/other" else CONTENT[start:]
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(CONTENT) // 2] if self.path == "/cut" else body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep the test's output quiet."""


Server = tuple[str, list[tuple[str, str | None]]]


@pytest.fixture
def server() -> Iterator[Server]:
    seen: list[tuple[str, str | None]] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, seen)) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", seen
        running.shutdown()
        thread.join()


def test_fetches_reports_progress_and_does_not_fetch_twice(server: Server, tmp_path: Path) -> None:
    base, seen = server
    steps: list[tuple[int, int | None]] = []
    target = tmp_path / "deep/er/file.pth"
    for _ in range(2):
        download([f"{base}/whole"], target, DIGEST, len(CONTENT), lambda d, t: steps.append((d, t)))
    assert target.read_bytes() == CONTENT
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert len(seen) == 1
    assert [p.name for p in target.parent.iterdir()] == ["file.pth"]


def test_goes_on_where_the_connection_broke(server: Server, tmp_path: Path) -> None:
    base, seen = server
    with pytest.raises(SolarError, match=r"connection ended|IncompleteRead"):
        download([f"{base}/cut"], tmp_path / "f", DIGEST)
    assert not (tmp_path / "f").exists()
    download([f"{base}/ranged"], tmp_path / "f", DIGEST)
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert seen[-1] == ("/ranged", f"bytes={len(CONTENT) // 2}-")


def test_without_a_checksum_only_the_same_address_is_continued(
    server: Server, tmp_path: Path
) -> None:
    base, seen = server
    with pytest.raises(SolarError):
        download([f"{base}/cut"], tmp_path / "f")
    with pytest.raises(SolarError):
        download([f"{base}/cut"], tmp_path / "f", size=len(CONTENT) + 1)
    download([f"{base}/ranged"], tmp_path / "f")
    ranges = [None, f"bytes={len(CONTENT) // 2}-", None]
    assert seen == list(zip(["/cut", "/cut", "/ranged"], ranges, strict=True))
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_server_without_ranges_begins_anew(server: Server, tmp_path: Path) -> None:
    base, _ = server
    (tmp_path / "f.partial").write_bytes(CONTENT[:1000])
    download([f"{base}/whole"], tmp_path / "f", DIGEST)
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_finished_partial_is_accepted(server: Server, tmp_path: Path) -> None:
    base, _ = server
    (tmp_path / "f.partial").write_bytes(CONTENT)
    download([f"{base}/ranged"], tmp_path / "f", DIGEST)
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_takes_the_next_address_when_one_fails_or_lies(server: Server, tmp_path: Path) -> None:
    base, seen = server
    addresses = [f"{base}/missing", f"{base}/other", f"{base}/ranged"]
    download(addresses, tmp_path / "f", DIGEST)
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert [path for path, _ in seen] == ["/missing", "/other", "/ranged"]


@pytest.mark.parametrize("size", [None, 17])
def test_without_a_good_source_says_which_file_to_put_where(
    server: Server, tmp_path: Path, size: int | None
) -> None:
    base, _ = server
    with pytest.raises(SolarError, match="Put it at") as caught:
        download([f"{base}/other"], tmp_path / "f", DIGEST, size)
    assert str(tmp_path / "f") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_other_schemes_are_not_fetched(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="only http"):
        download([(tmp_path / "x").as_uri()], tmp_path / "f")
