"""Photos by address: attacks that would have a real service ask what strangers may not reach."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solar import Client
from solar.errors import UsageError
from solar.web.api import fetch as fetching
from solar.web.api.fetch import fetch, is_public
from tests.web.photo_server import PHOTO, PRIVATE, PUBLIC, Web, handler
from tests.web.server import Server, serving

PRETEND = f"""
import socket
from solar.web.api import fetch
fetch.PORTS = dict.fromkeys(("http", "https"), @)
honest, look, asked = fetch.is_public, socket.getaddrinfo, []
fetch.is_public = lambda address: address == "{PUBLIC}" or honest(address)
def getaddrinfo(host, *rest, **more):
    asked.append(host)
    if host in ("photos.example", "bücher.example", "xn--bcher-kva.example"):
        return look("{PUBLIC}", *rest, **more)
    if host == "rebind.example":
        return look("{PUBLIC}" if asked.count(host) % 2 else "{PRIVATE}", *rest, **more)
    if host == "both.example":
        return [*look("{PUBLIC}", *rest, **more), *look("{PRIVATE}", *rest, **more)]
    if host == "metadata.internal":
        return look("169.254.169.254", *rest, **more)
    return look(host, *rest, **more)
socket.getaddrinfo = getaddrinfo
"""


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    made = Web(0)
    private = ThreadingHTTPServer((PRIVATE, 0), handler(made))
    made.port = private.server_address[1]
    try:
        public = ThreadingHTTPServer((PUBLIC, made.port), handler(made))
    except OSError:
        private.server_close()
        pytest.skip("this system has no second address of its own to play a public one")
    for server in (public, private):
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    for server in (public, private):
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def fetches(
    scenes_index: Path, web: Web, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    limits = {"fetch_seconds": 1.0, "upload_bytes": 300_000}
    log, before = tmp_path_factory.mktemp("fetches") / "log", PRETEND.replace("@", str(web.port))
    with serving(scenes_index, log, "--fetch", limits=limits, before=before) as started:
        yield started


def search(server: Server, *addresses: str, **fields: Any) -> httpx.Response:
    data = {"url": list(addresses), "top": 2, **fields}
    return httpx.post(f"{server.address}/api/v1/search", data=data, timeout=60)


@pytest.mark.slow
def test_photos_are_found_by_their_address(fetches: Server, web: Web) -> None:
    found = search(fetches, web.at("/folder/a%20b.png?size=large")).json()
    assert found["query"] == "a b.png" and found["hits"][0]["id"] == 3
    head = web.heads[-1]
    assert head["Host"] == f"photos.example:{web.port}" and "Authorization" not in head
    assert search(fetches, web.at("/to?/b.png")).json()["hits"][0]["id"] == 3
    assert search(fetches, web.at("/c.png", "bücher.example")).json()["hits"][0]["id"] == 3
    both = search(fetches, web.at("/d.png"), id=1, together=True, box=["", "0,0,300,200"]).json()
    assert both["query"] == ["d.png", "01.png"] and both["box"] == [None, [0, 0, 300, 200]]
    with Client(fetches.address) as client:
        assert client.info()["fetches"]
        address = web.at("/e.png")
        assert client.search([1, address], 2, box=[(0, 0, 300, 200), None])[0].id in (1, 3)
        assert client.describe(address).shape == (client.info()["dimensions"],)
        with pytest.raises(UsageError, match="no public address"):
            client.search(f"http://{PRIVATE}:{web.port}/a.png")


def test_it_fetches_nothing_unless_it_says_so(server: Server, web: Web) -> None:
    before = len(web.heads)
    answer = search(server, f"http://{PRIVATE}:{web.port}/a.png")
    assert answer.status_code == 403 and "--fetch" in answer.json()["error"]
    assert len(web.heads) == before
    with server.client() as client:
        assert client.get("/api/v1/index").json()["fetches"] is False
        document = client.get("/api/v1/openapi.json").text
    assert "which the service fetches" in document


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:{port}/a.png",
        "http://localhost:{port}/a.png",
        "http://LOCALHOST.:{port}/a.png",
        "http://ｌｏｃａｌｈｏｓｔ:{port}/a.png",
        "http://127.1:{port}/a.png",
        "http://2130706433:{port}/a.png",
        "http://0x7f000001:{port}/a.png",
        "http://017700000001:{port}/a.png",
        "http://127。0。0。1:{port}/a.png",
        "http://0.0.0.0:{port}/a.png",
        "http://0:{port}/a.png",
        "http://[::]:{port}/a.png",
        "http://[::1]:{port}/a.png",
        "http://[::ffff:127.0.0.1]:{port}/a.png",
        "http://[::ffff:7f00:1]:{port}/a.png",
        "http://[::127.0.0.1]:{port}/a.png",
        "http://[64:ff9b::7f00:1]:{port}/a.png",
        "http://[2002:7f00:1::]:{port}/a.png",
        "http://[fe80::1%25lo]:{port}/a.png",
        "http://metadata.internal:{port}/latest",
        "http://169.254.169.254:{port}/latest",
        "http://both.example:{port}/a.png",
        "http://10.0.0.1:{port}/a.png",
        "http://photos.example:{port}/to?http://127.0.0.1:{port}/a.png",
        "http://photos.example:{port}/to?//127.0.0.1:{port}/a.png",
        "http://photos.example:{port}/to?http://[::ffff:127.0.0.1]:{port}/a.png",
        "http://photos.example:{port}/to?/to?http://127.1:{port}/a.png",
        "http://photos.example:{port}/to?http://photos.example:22/a.png",
        "http://photos.example:{port}/to?file:///etc/passwd",
        "http://photos.example:{port}/round",
        "http://photos.example:6379/a.png",
        "http://photos.example@127.0.0.1:{port}/a.png",
        "http://photos.example:{port}@127.0.0.1/a.png",
        "http://127.0.0.1:{port}\\@photos.example/a.png",
        "http://127.0.0.1:{port}#@photos.example/a.png",
        "http://photos.example:{port}/a.png HTTP/1.1\r\nX-Y: z",
        "http://photos.example\t:{port}/a.png",
        "http://photos.example\u2100.127.0.0.1:{port}/a.png",
        "file:///etc/passwd",
        "ftp://photos.example:{port}/a.png",
        "gopher://127.0.0.1:{port}/_GET",
        "//127.0.0.1:{port}/a.png",
        "http:///etc/passwd",
        "http://[::1/a.png",
        "http://photos.example:99999/a.png",
        "http://photos.example:{port}/" + "a" * 3000,
        "",
    ],
)
def test_no_address_leads_inside(fetches: Server, web: Web, address: str) -> None:
    answer = search(fetches, address.format(port=web.port))
    assert answer.status_code == 422, answer.text
    assert list(answer.json()) == ["error"] and "secret" not in answer.text
    assert web.private == []


def test_a_name_cannot_come_to_mean_something_else(fetches: Server, web: Web) -> None:
    statuses = [search(fetches, web.at("/a.png", "rebind.example")).status_code for _ in range(4)]
    assert statuses == [200, 422, 200, 422] and web.private == []
    again = web.at(f"/to?{web.at('/a.png', 'rebind.example')}", "rebind.example")
    assert search(fetches, again).status_code == 422, "each redirect is looked up and checked"
    assert web.private == []


def test_names_inside_are_not_told_from_those_that_are_none(fetches: Server, web: Web) -> None:
    for host in ("metadata.internal", "no-such-name.invalid"):
        told = search(fetches, web.at("/a.png", host)).json()["error"]
        assert told == f"{host}: leads to no public address"


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("page.jpg", 422, "page.jpg: "),
        ("packed.png", 422, "packed.png: "),
        ("gone.jpg", 422, "answered 404"),
        ("large.png", 422, "more than 0.3 MB"),
        ("endless.png", 422, "more than 0.3 MB"),
        ("short.png", 422, "does not answer as web servers do"),
        ("slow-head.png", 422, "took longer than 1.0 s"),
        ("slow-body.png", 422, "took longer than 1.0 s"),
        ("bomb.png", 413, "40000 x 30000 pixels"),
    ],
)
def test_what_is_sent_is_bounded(
    fetches: Server, web: Web, path: str, status: int, words: str
) -> None:
    answer = search(fetches, web.at(f"/{path}"))
    assert answer.status_code == status and words in answer.json()["error"], answer.text
    assert "secret" not in answer.text


@pytest.mark.slow
def test_slow_servers_hold_up_nobody_else(fetches: Server, web: Web) -> None:
    slow = [
        threading.Thread(target=search, args=[fetches, web.at("/slow-head.png")]) for _ in range(24)
    ]
    for thread in slow:
        thread.start()
    photo = {"photo": ("p.png", PHOTO)}
    answer = httpx.post(f"{fetches.address}/api/v1/search", files=photo, timeout=60)
    assert answer.status_code == 200 and any(thread.is_alive() for thread in slow)
    for thread in slow:
        thread.join()
    assert search(fetches, *[web.at("/a.png")] * 17).status_code == 413


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.0.1",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.9",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.7",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::8.8.8.8",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::8.8.8.8",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:808:808::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "2600::1%eth0",
        "8.8.8.8:80",
        "name",
    ],
)
def test_no_such_address_is_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.215.14", "2600::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]
)
def test_these_are(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_in_disguise_is_what_it_is(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    for prefix in (0xFFFF << 32, int(ipaddress.IPv6Address("64:ff9b::"))):
        assert is_public(str(ipaddress.IPv6Address(prefix + number))) == is_public(str(address))
    assert not is_public(str(address)) or address.is_global


def test_nothing_is_asked_at_other_ports_or_without_encryption_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for address in ("http://8.8.8.8:22/a", "https://8.8.8.8:80/a", "http://8.8.8.8:443/a"):
        with pytest.raises(UsageError, match="asked at port"):
            fetch(address, 1000, 1.0)
    monkeypatch.setattr(fetching, "_asked", lambda *_: "http://photos.example/a.png")
    with pytest.raises(UsageError, match="from https to http"):
        fetch("https://photos.example/a.png", 1000, 1.0)
