"""Attacks on a real server, and its answers."""

from __future__ import annotations

import io
import json
import re
import shutil
import socket
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from PIL import Image

from solar.index import Index
from tests.scenes import scene
from tests.web.server import REPOSITORY, Server, serving

READ, WRITE = "r" * 20 + "ead", "w" * 20 + "rite"


def raw(server: Server, *parts: str) -> bytes:
    """What comes back until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
        for part in parts:
            connection.sendall(part.encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def guarded(scenes_index: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One with tokens, and with narrow limits."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "read").write_text(f"{READ}\n")
    shutil.copytree(scenes_index, folder / "my.index")
    limits = {"upload_bytes": 300_000, "pixels": 1_000_000, "photos": 3, "head_seconds": 1,
              "receive_seconds": 1.5}  # fmt: skip
    options = ["--token-file", str(folder / "read"), "--name", "photos.example.org"]
    environment = {"SOLAR_WRITE_TOKEN": WRITE}
    with serving(
        folder / "my.index", folder / "log", *options, environment=environment, limits=limits
    ) as started:
        yield started


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--host", "0.0.0.0"], "lets other machines in: give a token"),  # noqa: S104
        (["--host", "::"], "lets other machines in: give a token"),
        (["--token-file", "short"], "a token has 16 to 512"),
        (["--token-file", "gone"], "holds no token"),
    ],
)
def test_it_does_not_start_unguarded(
    scenes_index: Path, tmp_path: Path, options: list[str], words: str
) -> None:
    (tmp_path / "short").write_text("1234")
    command = [sys.executable, "-m", "solar", "serve", str(scenes_index), *options]
    environment = {"PYTHONPATH": str(REPOSITORY), "PATH": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_token_is_needed_and_the_right_one(guarded: Server) -> None:
    def ask(method: str, path: str, token: str | None) -> int:
        headers = {} if token is None else bearer(token)
        return httpx.request(method, f"{guarded.address}{path}", headers=headers).status_code

    for path in ("/api/v1/index", "/api/v1/photos/0/thumbnail", "/metrics", "/api/v1/openapi.json"):
        assert [ask("GET", path, token) for token in (None, "x" * 23, READ + "x", READ[:-1])] == [
            401
        ] * 4
        assert ask("GET", path, READ) == ask("GET", path, WRITE) == 200
    for path in ("/health", "/ready"):
        assert ask("GET", path, None) == 200
    for method, path in (("DELETE", "/api/v1/photos/0"), ("POST", "/api/v1/photos")):
        assert [ask(method, path, token) for token in (None, "wrong")] == [401, 401]
        assert ask(method, path, READ) == 403
    assert ask("DELETE", "/api/v1/photos/99", WRITE) == 404
    assert ask("POST", "/api/v1/unheard-of", READ) == 403
    answer = httpx.get(f"{guarded.address}/api/v1/index")
    assert answer.headers["www-authenticate"] == "Bearer"
    basic = httpx.get(f"{guarded.address}/api/v1/index", auth=("user", READ))
    assert basic.status_code == 401
    log = guarded.log.read_text()
    assert READ not in log and WRITE not in log and "wrong" not in log


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "evil.example@127.0.0.1"},
        {"Host": "localhost.evil.example:8000"},
        {"Host": "8.8.8.8"},
        {"Host": "[::1"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ],
)
def test_other_pages_cannot_ask(server: Server, headers: dict[str, str]) -> None:
    for path in ("/api/v1/index", "/api/v1/photos/0/thumbnail"):
        answer = httpx.get(f"{server.address}{path}", headers=headers)
        assert answer.status_code == 403 and list(answer.json()) == ["error"]
    posted = httpx.post(f"{server.address}/api/v1/search", data={"id": 1}, headers=headers)
    assert posted.status_code == 403


def test_its_own_page_can_ask(server: Server, guarded: Server) -> None:
    host = f"localhost:{server.port}"
    headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    assert httpx.get(f"{server.address}/api/v1/index", headers=headers).status_code == 200
    named = {"Host": "Photos.example.org", "Origin": "https://photos.example.org", **bearer(READ)}
    assert httpx.get(f"{guarded.address}/api/v1/index", headers=named).status_code == 200


def test_nothing_can_be_changed_unless_it_says_so(server: Server) -> None:
    with server.client() as client:
        for answer in (
            client.delete("/api/v1/photos/0"),
            client.post("/api/v1/photos", data={"folder": "album"}),
            client.put("/api/v1/photos/0"),
            client.patch("/api/v1/search"),
        ):
            assert answer.status_code == 403
        assert client.get("/api/v1/photos/0").status_code == 200


def test_every_answer_has_the_headers(server: Server) -> None:
    with server.client() as client:
        answers = [client.get(path) for path in ("/", "/health", "/api/v1/index", "/nowhere")]
        answers += [client.get("/api/v1/photos/0/thumbnail"), client.delete("/api/v1/photos/0")]
        answers += [client.post("/api/v1/search"), client.get("/", headers={"Host": "evil"})]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy and "*" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../index.html/../../api/settings.py",
        "/assets/%2e%2e/%2e%2e/api/settings.py",
        "/assets/..%2f..%2fapi%2fsettings.py",
        "/assets//etc/passwd",
        "/api/v1/photos/../../../etc/passwd",
        "/api/v1/photos/%2fetc%2fpasswd/thumbnail",
        "/api/v1/photos/-1/image",
        "/api/v1/photos/0x1/image",
        f"/api/v1/photos/{10**40}/image",
    ],
)
def test_no_path_leads_out(server: Server, path: str) -> None:
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    answer = raw(server, head)
    assert answer.split()[1] in (b"404", b"422", b"400")
    assert b"root:" not in answer and b"dataclass" not in answer


def bomb(width: int, height: int) -> bytes:
    """The head of a PNG of that many pixels, and few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 1000)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def png(photo: Image.Image) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, "PNG")
    return buffer.getvalue()


def test_what_is_too_large_is_refused(guarded: Server) -> None:
    with guarded.client(**bearer(READ)) as client:

        def search(*contents: bytes) -> httpx.Response:
            files = [("photo", ("p.png", content)) for content in contents]
            return client.post("/api/v1/search", files=files)

        small = png(scene(1))
        assert search(small).status_code == 200
        assert search(bytes(400_000)).status_code == 413
        many = search(bomb(40_000, 30_000))
        assert many.status_code == 413 and "40000 x 30000 pixels" in many.json()["error"]
        assert search(small, small, small, small).status_code in (413, 422)

        def endless() -> Iterator[bytes]:
            head = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="x"\r\n\r\n'
            yield head
            for _ in range(100):
                yield bytes(10_000)

        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        told = client.post("/api/v1/search", content=endless(), headers=kind)
        assert told.status_code == 413 and "0.3 MB" in told.json()["error"]
        for length in ("-5", "1e9", "9" * 40, "400000"):
            head = (
                f"POST /api/v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n"
            )
            head += f"Authorization: Bearer {READ}\r\n\r\n"
            assert raw(guarded, head).split()[1] in (b"400", b"413")


def test_what_a_photo_is_is_told_by_its_content(server: Server) -> None:
    with server.client() as client:

        def search(name: str, content: bytes, kind: str) -> httpx.Response:
            files = {"photo": (name, content, kind)}
            return client.post("/api/v1/search", files=files)

        assert search("notes.txt", png(scene(1)), "text/html").status_code == 200
        for content in (
            b"<svg onload=alert(1)>",
            b"GIF8 nonsense",
            b"\xff\xd8\xff",
            b"",
            b"%PDF-1",
        ):
            answer = search("photo.jpg", content, "image/jpeg")
            assert answer.status_code == 422 and answer.json()["error"].startswith("photo.jpg: ")
        evil = search("../../<img src=x>\r\nX: y\x1b[2J.jpg", b"no photo", "image/jpeg")
        assert evil.status_code == 422
        assert "\x1b" not in evil.json()["error"] and ".." not in evil.json()["error"][:3]


def test_a_body_that_is_no_form_is_refused(server: Server) -> None:
    with server.client() as client:
        for kind in ("multipart/form-data", "multipart/form-data; boundary=b", "application/json"):
            body = b"--c\r\n\xff\xff\xff nonsense"
            headers = {"Content-Type": kind}
            answer = client.post("/api/v1/search", content=body, headers=headers)
            assert answer.status_code in (400, 422) and list(answer.json()) == ["error"]


@pytest.mark.slow
def test_slow_clients_are_let_go(guarded: Server) -> None:
    started = time.monotonic()
    assert raw(guarded) == raw(guarded, "GET /health HT") == b""
    head = (
        f"POST /api/v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {READ}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n\r\n--b"
    )
    answer = raw(guarded, head)
    assert b" 408 " in answer.splitlines()[0] and b"to arrive" in answer
    assert time.monotonic() - started < 60
    assert httpx.get(f"{guarded.address}/health").status_code == 200


@pytest.mark.slow
def test_too_much_at_once_is_turned_away(scenes_index: Path, tmp_path: Path) -> None:
    limits = {"at_once": 1, "waiting": 2}
    with serving(scenes_index, tmp_path / "log", limits=limits) as server:

        def search(number: int) -> httpx.Response:
            data = {"id": number % 8, "box": "0,0,200,200"}
            return httpx.post(f"{server.address}/api/v1/search", data=data, timeout=60)

        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(search, range(24)))
        statuses = {answer.status_code for answer in answers}
        assert statuses == {200, 503}
        refused = next(answer for answer in answers if answer.status_code == 503)
        assert refused.headers["retry-after"] == "1" and "try again" in refused.json()["error"]
        assert search(0).status_code == 200


@pytest.mark.slow
def test_one_client_cannot_take_all(scenes_index: Path, tmp_path: Path) -> None:
    with serving(scenes_index, tmp_path / "log", limits={"per_client": 2}) as server:

        def search(number: int) -> int:
            data = {"id": number % 8, "box": "0,0,200,200"}
            address = f"{server.address}/api/v1/search"
            return httpx.post(address, data=data, timeout=60).status_code

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(search, range(16))) == {200, 429}


@pytest.mark.slow
def test_copies_carry_nothing_that_the_photo_says(tmp_path: Path) -> None:
    photo, exif = scene(5, (320, 240)), Image.Exif()
    exif[271], exif[274] = "SECRET MAKER", 6
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 0.0), 3: "E", 4: (2.0, 17.0, 0.0)})
    (tmp_path / "p").mkdir()
    photo.save(tmp_path / "p" / "a.jpg", exif=exif, comment=b"SECRET")
    with Index.create(tmp_path / "i", local=None) as index:
        index.add(tmp_path / "p")
    with serving(tmp_path / "i", tmp_path / "log") as server, server.client() as client:
        assert client.get("/api/v1/photos/0").json()["gps"] is not None
        for path in ("thumbnail", "image"):
            content = client.get(f"/api/v1/photos/0/{path}").content
            copy = Image.open(io.BytesIO(content))
            assert copy.size[0] < copy.size[1]  # upright
            assert b"SECRET" not in content and b"Exif" not in content and not copy.getexif()


def test_a_failure_says_no_path(tmp_path: Path, scenes_index: Path) -> None:
    shutil.copytree(scenes_index, tmp_path / "secret-folder" / "my.index")
    index = tmp_path / "secret-folder" / "my.index"
    with serving(index, tmp_path / "log") as server, server.client() as client:
        for file in index.iterdir():
            file.unlink()
        answer = client.post("/api/v1/search", data={"id": 1})
        assert answer.status_code == 500 and "my.index" in answer.json()["error"]
        assert "secret-folder" not in answer.text and "Traceback" not in answer.text


def test_every_line_of_the_log_is_json(server: Server) -> None:
    with server.client() as client:
        client.get("/health?token=in-the-query")
        client.get("/api/v1/photos/1%0a%22")
    lines = server.log.read_text().splitlines()[1:]
    facts = [json.loads(line) for line in lines]
    assert {"time", "level", "what", "status", "ms", "client", "method"} <= facts[-1].keys()
    assert not re.search("in-the-query|Bearer", server.log.read_text())
