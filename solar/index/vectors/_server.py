"""Milvus: where a server is, what an index keeps of that, and calls that outlast its absence.

Secrets are read from the environment each time, and nothing here writes or prints them.
"""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar
from urllib.parse import urlsplit

from solar.errors import IndexDamaged, IndexFolderError, UsageError, naming_extras
from solar.files.atomic import write_atomically

T = TypeVar("T")

PATIENCE = 300.0
"""Seconds for which a writer waits for a server that went away."""

SHORT_PATIENCE = 60.0
"""Seconds for which a reader does."""

CALL = 60.0
"""Seconds for one call."""

INDEXES = ("auto", "FLAT", "HNSW", "IVF_FLAT")

_CONNECTING = 10.0  # Seconds, of which no server needs more unless it is away.
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 5.0
_LARGEST_FILE = 1 << 14
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,200}")
_NOT_FOUND, _NOT_LOADED = 100, 101  # Codes of Milvus.
_REFUSED = re.compile(r"auth|permission|denied|privilege|unauthenticated", re.IGNORECASE)
_WRONG = re.compile(r"invalid|illegal|not supported|unsupported|exceed|quota", re.IGNORECASE)


@dataclass(frozen=True)
class Server:
    """A Milvus server, and how collections are kept there.

    Attributes:
        uri: `http://host:19530`, `https://…` for TLS, or a file of Milvus Lite that ends in `.db`.
        collection: what names of collections begin with.
        database: of the server; empty for its default.
        index: `FLAT`, `HNSW`, `IVF_FLAT`, or `auto`, by the number of photos.
        shards: that writes are spread over.
        replicas: of everything in memory, that searches are spread over.
    """

    uri: str
    collection: str = "solar"
    database: str = ""
    index: str = "auto"
    shards: int = 1
    replicas: int = 1

    def __post_init__(self) -> None:
        """Refuse what no server can be.

        Raises:
            UsageError: instead.
        """
        if not self.lite:
            parts = urlsplit(self.uri)
            if parts.scheme not in ("http", "https", "tcp") or not parts.hostname:
                raise UsageError(
                    f"--milvus-uri {parts.hostname or 'without a host'}: use "
                    "http://host:19530, https://host:19530, or a file that ends in .db"
                )
            if "@" in parts.netloc:
                raise UsageError(
                    "--milvus-uri: leave name and password out, and put them into "
                    "SOLAR_MILVUS_TOKEN as name:password"
                )
        if not _NAME.fullmatch(self.collection):
            raise UsageError(
                f"--milvus-collection {self.collection:.60}: use letters, digits and underscores"
            )
        if self.index not in INDEXES:
            raise UsageError(f"SOLAR_MILVUS_INDEX {self.index:.60}: use {', '.join(INDEXES)}")
        if not (1 <= self.shards <= 64 and 1 <= self.replicas <= 64):
            raise UsageError("SOLAR_MILVUS_SHARDS and SOLAR_MILVUS_REPLICAS: use 1 to 64")

    @property
    def lite(self) -> bool:
        """Whether it is a file of Milvus Lite."""
        return self.uri.endswith(".db")

    def prove(self) -> None:
        """See that it answers, and lets us in.

        Raises:
            IndexFolderError: it does not.
            MissingPackage: pymilvus is not installed.
        """
        Collection(self, "").call(lambda client: client.list_collections(timeout=CALL), 0)

    @classmethod
    def named(cls, uri: str | None = None, collection: str | None = None) -> Server:
        """What is given, and what the environment says of the rest.

        Raises:
            UsageError: neither says where a server is, or something is wrong with it.
        """
        environment = {
            each.name: found
            for each in fields(cls)
            if (found := os.environ.get(f"SOLAR_MILVUS_{each.name.upper()}"))
        }
        given: dict[str, Any] = dict(environment)
        given |= {"uri": uri} if uri else {}
        given |= {"collection": collection} if collection else {}
        if "uri" not in given:
            raise UsageError(
                "kind milvus needs a server: --milvus-uri http://host:19530, a file that ends in "
                ".db for Milvus Lite, or the same in SOLAR_MILVUS_URI"
            )
        for name in ("shards", "replicas"):
            if name in given:
                if not given[name].isdecimal():
                    raise UsageError(f"SOLAR_MILVUS_{name.upper()}: use 1 to 64")
                given[name] = int(given[name])
        if given["uri"].endswith(".db"):
            given["uri"] = str(Path(given["uri"]).absolute())
        return cls(**given)


@dataclass(frozen=True)
class Address:
    """What lies in an index folder of a collection.

    Attributes:
        server: where it is.
        name: of the collection, that no other has.
        home: number that the file system gave the folder that made it; a copy has another.
    """

    server: Server
    name: str
    home: int

    @classmethod
    def new(cls, server: Server, folder: Path) -> Address:
        """Of a collection that is not there yet."""
        return cls(server, f"{server.collection}_{token_hex(6)}", folder.stat().st_ino)

    @classmethod
    def read(cls, file: Path) -> Address:
        """What `write` wrote.

        Raises:
            FileNotFoundError: it is not there.
            IndexDamaged: it cannot be used.
        """
        try:
            if not file.is_file() and file.exists():
                raise ValueError
            with file.open("rb") as opened:
                content = json.loads(opened.read(_LARGEST_FILE))
            server = Server(**content["server"])
            address = cls(server, str(content["name"]), int(content["home"]))
            if not _NAME.fullmatch(address.name):
                raise ValueError
        except (ValueError, KeyError, TypeError, UsageError, RecursionError) as error:
            raise IndexDamaged(
                "does not say where descriptors are: restore it from a copy, or make the index "
                "anew",
                file,
            ) from error
        return address

    def write(self, file: Path) -> None:
        """Keep it.

        Raises:
            SolarError: the file cannot be written.
        """
        with write_atomically(file) as opened:
            opened.write(json.dumps(asdict(self), indent=1).encode() + b"\n")

    def owned_by(self, folder: Path) -> bool:
        """Whether a folder made the collection; a copy of that folder did not."""
        return self.home == folder.stat().st_ino

    @property
    def now(self) -> Server:
        """Where the server is now: `SOLAR_MILVUS_URI` says so, if it is set."""
        moved = os.environ.get("SOLAR_MILVUS_URI")
        return replace(self.server, uri=moved) if moved else self.server


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
        said = " ".join(str(getattr(error, "message", error)).split())[:200]
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
        if _WRONG.search(said) and "channel" not in said:
            raise IndexFolderError(f"{self.server.uri} says: {said}", self.folder) from error

    def _away(self, error: Exception) -> IndexFolderError:
        said = " ".join(str(getattr(error, "message", error)).split())
        why = "" if "connect" in said or "UNAVAILABLE" in said else f" ({said:.160})"
        return IndexFolderError(
            f"no answer from the Milvus server at {self.server.uri}{why}: start it, or say where "
            "it is now in SOLAR_MILVUS_URI; what was committed is safe, so run the same again",
            self.folder,
        )


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
            _clients.pop(key).close()


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


def _code(error: Exception) -> int | None:
    """What kind of failure of Milvus or of the way to it something is; None for any other."""
    module = type(error).__module__.partition(".")[0]
    if module not in ("pymilvus", "grpc"):
        return None
    code = getattr(error, "code", 0)
    code = code() if callable(code) else code
    return code if isinstance(code, int) else 0
