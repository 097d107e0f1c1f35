"""Photos by address: asked of public addresses alone, within bounds of bytes and of time."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from solar.errors import UsageError
from solar.files.text import cut

REDIRECTS = 4
"""That are followed."""
PORTS = {"http": 80, "https": 443}
"""The one port of each scheme that is asked: what listens at others is no server of photos."""

_AT_ONCE = 65_536
_LONGEST = 2000  # characters of an address
_PLAIN = "/%:@!$&'()*+,;=~-._"  # in paths, beside letters and digits
_HERE = "leads to no public address"  # also where there is none: what names exist is not told

_V6 = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NOT_PUBLIC = [
    ipaddress.ip_network(each)
    for each in (
        "192.0.0.0/24",  # of protocols
        "192.88.99.0/24",  # to 6to4, which
        "2002::/16",  # leads to an IPv4 address,
        "2001::/32",  # as Teredo does
        "3fff::/20",  # of documentation
        "168.63.129.16/32",  # of Azure's hosts, from inside alone
    )
]


@dataclass(frozen=True)
class _Target:
    """What one request asks for.

    Attributes:
        scheme: http or https.
        host: a name, or an address without brackets.
        netloc: as a Host header says it.
        path: with its query, escaped.
    """

    scheme: str
    host: str
    netloc: str
    path: str


def fetch(address: str, most: int, seconds: float) -> bytes:
    """What lies at an address, whatever that is.

    The name is looked up once, and what was checked is what is connected to, so that a name cannot
    mean something else a moment later (DNS rebinding). Each redirect is checked likewise. No proxy,
    cookie or password is used.

    Args:
        address: http or https.
        most: bytes.
        seconds: for all of it.

    Raises:
        UsageError: it is no such address, leads to none that is public, or nothing is there; the
            message names the host alone.
    """
    end = time.monotonic() + seconds
    target = _target(address)
    for _ in range(1 + REDIRECTS):
        found = _asked(target, most, end)
        if time.monotonic() >= end:
            raise UsageError(f"{cut(target.host)}: took longer than {seconds:.1f} s")
        if isinstance(found, bytes):
            return found
        before, address = target, urljoin(address, found)
        target = _target(address)
        if before.scheme == "https" and target.scheme == "http":
            raise UsageError(f"{before.host}: leads from https to http")
    raise UsageError(f"{target.host}: leads on more than {REDIRECTS} times")


def is_public(address: str) -> bool:
    """Whether an address may be asked: not private, local, reserved, for many, or one in disguise.

    Args:
        address: IPv4 or IPv6, as the system writes it.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None or found in _NAT64:
            found = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        elif found not in _V6 or found.scope_id:
            return False
    special = found.is_multicast or found.is_reserved or not found.is_global
    return not special and not any(found in each for each in _NOT_PUBLIC)


def _target(address: str) -> _Target:
    """The parts of an address.

    Raises:
        UsageError: other readers might take it for another, or it is no web address.
    """
    odd = len(address) > _LONGEST or any(c <= " " or c in "\\\x7f" for c in address)
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").encode("idna").decode().casefold()
        port = parts.port
    except ValueError:  # of ports, brackets and names
        odd, host, port, parts = True, "", None, urlsplit("")
    if odd or parts.scheme not in PORTS or not host or "@" in parts.netloc:
        raise UsageError(f"url: {cut(address)!r} is no http or https address of a photo")
    if port not in (None, PORTS[parts.scheme]):
        raise UsageError(f"{cut(host)}: asked at port {PORTS[parts.scheme]} alone")
    query = f"?{quote(parts.query, safe=_PLAIN + '?')}" if parts.query else ""
    netloc = parts.netloc if parts.netloc.isascii() else host
    return _Target(parts.scheme, host, netloc, quote(parts.path or "/", safe=_PLAIN) + query)


def _asked(target: _Target, most: int, end: float) -> bytes | str:
    """The content of a target, or where it leads on to."""
    name = cut(target.host)
    try:
        with _connected(target, end) as connected:
            connection = http.client.HTTPConnection(target.host)
            connection.auto_open, connection.sock = 0, connected  # never connects by the name
            headers = {"Host": target.netloc, "User-Agent": "solar", "Accept": "image/*"}
            connection.request("GET", target.path, headers={**headers, "Connection": "close"})
            answer = connection.getresponse()
            if answer.status in (301, 302, 303, 307, 308) and answer.headers["Location"]:
                return str(answer.headers["Location"])
            if answer.status != 200:
                raise UsageError(f"{name}: answered {answer.status}")
            content = _content(answer, name, most)
    except ssl.SSLCertVerificationError as error:
        raise UsageError(f"{name}: its certificate is not valid") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        if time.monotonic() < end:
            raise UsageError(f"{name}: does not answer as web servers do") from error
        return b""  # cut off
    return content


def _content(answer: http.client.HTTPResponse, name: str, most: int) -> bytes:
    content = bytearray()
    large = f"{name}: sent more than {most / 1e6:g} MB"
    if (answer.length or 0) > most:
        raise UsageError(large)
    while part := answer.read(_AT_ONCE):
        content += part
        if len(content) > most:
            raise UsageError(large)
    if answer.length:
        raise http.client.IncompleteRead(b"", answer.length)
    return bytes(content)


@contextmanager
def _connected(target: _Target, end: float) -> Iterator[socket.socket]:
    """A connection to one of a target's addresses, all of which are public; cut off in time."""
    with closing(_connection(target, end)) as plain:
        made, host = plain, target.host
        if target.scheme == "https":
            made = ssl.create_default_context().wrap_socket(
                plain, server_hostname=host, do_handshake_on_connect=False
            )
        timer = threading.Timer(max(end - time.monotonic(), 0.001), _cut_off, [made])
        timer.daemon = True
        timer.start()
        try:
            if isinstance(made, ssl.SSLSocket):
                made.do_handshake()
            yield made
        finally:
            timer.cancel()
            made.close()


def _cut_off(connected: socket.socket) -> None:
    """End what a slow server would stretch: each byte may come in time, and all of them never."""
    with suppress(OSError):
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


def _connection(target: _Target, end: float) -> socket.socket:
    refused, failure = UsageError(f"{cut(target.host)}: {_HERE}"), OSError("no address")
    try:
        port = PORTS[target.scheme]
        found = socket.getaddrinfo(target.host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        raise refused from error
    if not all(is_public(str(address[0])) for *_, address in found):
        raise refused
    for family, kind, protocol, _, address in found:
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(max(end - time.monotonic(), 0.001))
            made.connect(address)
            if made.getsockname()[0] == made.getpeername()[0]:
                raise refused  # an address of this machine's own
            return made
        except OSError as error:
            failure = error
            made.close()
        except UsageError:
            made.close()
            raise
    raise failure
