"""Calls to a Milvus server that outlast its absence, and say what is wrong in one line.

Secrets are read from the environment each time, and nothing here writes or prints them.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from solar.errors import IndexFolderError, UsageError, naming_extras
from solar.index.vectors._address import Address, Server

T = TypeVar("T")

PATIENCE = 300.0
"""Seconds for which a writer waits for a server that went away."""

SHORT_PATIENCE = 60.0
"""Seconds for which a reader does."""

CALL = 60.0
"""Seconds for one call."""

_CONNECTING = 10.0  # Seconds, of which no server needs more unless it is away.
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 5.0
_NOT_FOUND, _NOT_LOADED = 100, 101  # Codes of Milvus.
_WRONG = range(1100, 1200)  # What was asked for, by the same.
_REFUSED = re.compile(
    r"auth check|authenticat|missing authorization|permission|denied|privilege", re.IGNORECASE
)
_UNTRUSTED = re.compile(r"certificate|handshake", re.IGNORECASE)


class Collection:
    """A collection, and calls that try again while its server is away."""

    def __init__(self, server: Server, name: str, folder: Path | None = None) -> None:
        """Connect at the first call.

        Args:
            server: where it is.
            name: of the collection.
            folder: of the index, to be named in errors.
        """
        self.server, self.name, self.folder = server, name, folder

    @classmethod
    def at(cls, address: Address, folder: Path) -> Collection:
        """The one of an index."""
        return cls(address.now, address.name, folder)

    def call(self, work: Callable[[Any], T], patience: float = SHORT_PATIENCE) -> T:
        """What some work with a client gives, once it succeeds.

        Args:
            work: called with a `pymilvus.MilvusClient`, perhaps several times: it must do no harm
                the second time.
            patience: seconds, if the server was there and has gone.

        Raises:
            IndexFolderError: the server is away, refuses, or has lost the collection.
        """
        began, wait, loaded = time.monotonic(), _FIRST_WAIT, False
        while True:
            try:
                return work(_client(self.server))
            except Exception as error:
                code = _code(error)
                if code is None:
                    raise
                if code == _NOT_LOADED and not loaded:
                    loaded = True
                    self._load()
                    continue
                self._refuse(error, code)
                limit = patience if self.server in _connected else 0.0
                if time.monotonic() + wait > began + limit:
                    raise self._away(error) from error
                _forget(self.server)
                time.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)

    def ask(self, what: str, patience: float = SHORT_PATIENCE, **given: Any) -> Any:
        """What a method of the client gives for this collection; see `call`."""
        return self.call(
            lambda client: getattr(client, what)(self.name, timeout=CALL, **given), patience
        )

    def _load(self) -> None:
        """Bring it into memory, if someone has let it go."""
        client, replicas = _client(self.server), self.server.replicas
        try:
            client.load_collection(self.name, timeout=CALL, replica_number=replicas)
        except Exception as error:
            if _code(error) is None:
                raise
            self._refuse(error, _code(error))

    def _refuse(self, error: Exception, code: int | None) -> None:
        """Give up at once where waiting would not help."""
        said = _said(error)
        if code == _NOT_FOUND or "can't find collection" in said:
            raise IndexFolderError(
                f"collection {self.name} is not on {self.server.uri} (any more): if the index was "
                "compacted or converted meanwhile, open it again; else restore it there from a "
                "copy, or describe the photos again",
                self.folder,
            ) from error
        if _REFUSED.search(said):
            raise IndexFolderError(
                f"{self.server.uri} refuses: put name:password, or a key that may do this, into "
                "SOLAR_MILVUS_TOKEN",
                self.folder,
            ) from error
        if _UNTRUSTED.search(said):
            raise IndexFolderError(
                f"{self.server.uri} shows a certificate that is not trusted, or asks for one: say "
                "who signed it in SOLAR_MILVUS_CA, and what to show in SOLAR_MILVUS_CERTIFICATE",
                self.folder,
            ) from error
        if code in _WRONG or type(error).__name__.startswith(("Param", "Data")):
            raise IndexFolderError(f"{self.server.uri} says: {said:.200}", self.folder) from error

    def _away(self, error: Exception) -> IndexFolderError:
        said = _said(error)
        why = "" if re.search("connect|UNAVAILABLE", said) else f" ({said:.160})"
        return IndexFolderError(
            f"no answer from the Milvus server at {self.server.uri}{why}: start it, or say where "
            "it is now in SOLAR_MILVUS_URI; what was committed is safe, so run the same again",
            self.folder,
        )


def prove(server: Server) -> None:
    """See that a server answers, and lets us in.

    Raises:
        IndexFolderError: it does not.
        MissingPackage: pymilvus is not installed.
    """
    Collection(server, "").call(lambda client: client.list_collections(timeout=CALL), 0)


_clients: dict[tuple[object, ...], Any] = {}
_connected: set[Server] = set()
_lock = threading.Lock()


def _client(server: Server) -> Any:
    """The client of a server, of this process.

    Raises:
        MissingPackage: pymilvus is not installed.
        IndexFolderError: there is no such server.
    """
    secrets = _secrets()
    key = os.getpid(), server.uri, server.database, *sorted(secrets.items())
    with _lock:
        if key not in _clients:
            with naming_extras():
                from pymilvus import MilvusClient
            quiet = logging.getLogger("pymilvus")  # It logs each error, with a stack trace.
            if quiet.level == logging.NOTSET:
                quiet.setLevel(logging.CRITICAL + 1)
            _clients[key] = MilvusClient(
                server.uri, db_name=server.database, timeout=_CONNECTING, dedicated=True, **secrets
            )
            _connected.add(server)
        return _clients[key]


def _forget(server: Server) -> None:
    """Connect anew the next time."""
    with _lock:
        for key in [
            key for key in _clients if key[:3] == (os.getpid(), server.uri, server.database)
        ]:
            del _clients[key]  # Not closed: another thread may be waiting for its answer.


def _secrets() -> dict[str, str]:
    """What a client is made with, from the environment: token, and files for TLS."""
    names = {
        "token": "TOKEN",
        "server_pem_path": "CA",
        "client_pem_path": "CERTIFICATE",
        "client_key_path": "KEY",
        "server_name": "SERVER_NAME",
    }
    found = {
        name: value
        for name, variable in names.items()
        if (value := os.environ.get(f"SOLAR_MILVUS_{variable}"))
    }
    if "client_pem_path" in found:  # Both sides show a certificate.
        found["ca_pem_path"] = found.pop("server_pem_path", "")
    for name in ("server_pem_path", "ca_pem_path", "client_pem_path", "client_key_path"):
        if name in found and not Path(found[name]).is_file():
            raise UsageError(f"SOLAR_MILVUS_*: no such file {found[name]}")
    return found


def _said(error: BaseException | None) -> str:
    """What a server, or the way to it, says of a failure."""
    parts = []
    while error is not None:
        details = getattr(error, "details", None)
        parts.append(str(getattr(error, "message", "") or error))
        parts += [str(details())] if callable(details) else []
        error = error.__cause__ if error.__cause__ is not error else None
    return " ".join(" ".join(parts).split())


def _code(error: Exception) -> int | None:
    """What kind of failure of Milvus or of the way to it something is; None for any other."""
    module = type(error).__module__.partition(".")[0]
    if module not in ("pymilvus", "grpc"):
        return None
    code = getattr(error, "code", 0)
    code = code() if callable(code) else code
    return code if isinstance(code, int) else 0
