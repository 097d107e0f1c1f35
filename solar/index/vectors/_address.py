"""Where a Milvus server is, and what an index folder keeps of that: no secrets."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

from solar.errors import IndexDamaged, UsageError
from solar.files.atomic import write_atomically

INDEXES = ("auto", "FLAT", "HNSW", "IVF_FLAT")

_LARGEST_FILE = 1 << 14
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,200}")


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
