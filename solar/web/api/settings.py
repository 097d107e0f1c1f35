"""What a service is told when it starts: where it listens, who may ask, and how much."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path

from solar.errors import UsageError
from solar.files.threads import cores

READ_TOKEN, WRITE_TOKEN = "SOLAR_TOKEN", "SOLAR_WRITE_TOKEN"
_SHORTEST, _LONGEST = 16, 512  # characters of a token


@dataclass(frozen=True)
class Limits:
    """How much one request, one client and all together may take.

    Attributes:
        upload_bytes: of one request.
        pixels: of one photo that is uploaded.
        photos: in one request.
        top: hits that one search may ask for.
        head_seconds: in which a new connection must have asked something.
        receive_seconds: in which a request must have arrived.
        fetch_seconds: in which a photo that is sent by its address must have arrived here.
        seconds: after which an answer is given up.
        at_once: requests that are worked on; more wait for them.
        waiting: requests that wait or are worked on; more are turned away.
        per_client: of one address.
        connections: open ones.
        jobs: that wait.
    """

    upload_bytes: int = 64_000_000
    pixels: int = 150_000_000
    photos: int = 16
    top: int = 1000
    head_seconds: float = 10.0
    receive_seconds: float = 30.0
    fetch_seconds: float = 10.0
    seconds: float = 60.0
    at_once: int = field(default_factory=lambda: max(8, 2 * cores()))
    waiting: int = 128
    per_client: int = 64
    connections: int = 1024
    jobs: int = 100


@dataclass(frozen=True)
class Settings:
    """What `solar serve` was told.

    Attributes:
        index: its folder.
        host: address or name to listen at.
        port: 0 for any that is free.
        read_token: that searching takes; None for none, at this machine alone.
        write_token: that changing the index takes; it reads too.
        write: whether, at this machine and without tokens, anyone may change the index.
        names: host names by which the service may be called, beside its own.
        uploads: folder for photos that are sent to be added; None to take none.
        watch: whether photos that come into the folders of the index are added as they come.
        exclude: files and folders to leave out of these; see `Index.add`.
        sweep: see `solar.index.watching.watch`.
        fetch: whether photos may be sent by their address, which this machine then asks.
        model: where the index's model lies now; None for where it was.
        engine: see `solar.open_extractor`.
        device: likewise.
        precision: likewise.
        limits: see `Limits`.
    """

    index: Path
    host: str = "127.0.0.1"
    port: int = 8000
    read_token: str | None = field(default=None, repr=False)
    write_token: str | None = field(default=None, repr=False)
    write: bool = False
    names: tuple[str, ...] = ()
    uploads: Path | None = None
    watch: bool = False
    exclude: tuple[str, ...] = ()
    sweep: float | None = None
    fetch: bool = False
    model: str | None = None
    engine: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        """Refuse what would let strangers in.

        Raises:
            UsageError: see above, or a token is too short to be one.
        """
        for token, variable in ((self.read_token, READ_TOKEN), (self.write_token, WRITE_TOKEN)):
            if token is not None and not (_SHORTEST <= len(token) <= _LONGEST and token.isascii()):
                raise UsageError(
                    f"{variable}: a token has {_SHORTEST} to {_LONGEST} plain letters and digits: "
                    "python -c 'import secrets; print(secrets.token_urlsafe())'"
                )
        if self.write_token is not None and self.read_token is None:
            raise UsageError(f"{WRITE_TOKEN} without {READ_TOKEN}: give both, or --write here")
        if not self.local and self.read_token is None:
            raise UsageError(
                f"--host {self.host:.60} lets other machines in: give a token by --token-file or "
                f"{READ_TOKEN}"
            )
        if self.write and self.read_token is not None:
            raise UsageError(f"--write is for a service without tokens: use {WRITE_TOKEN}")

    @property
    def local(self) -> bool:
        """Whether it can be reached from this machine only."""
        return is_loopback(self.host)

    @property
    def writable(self) -> bool:
        """Whether anyone may change the index."""
        return self.write or self.write_token is not None


def is_loopback(host: str) -> bool:
    """Whether an address, or a name, is this machine's own."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.casefold() == "localhost"


def token_from(file: Path | None, variable: str) -> str | None:
    """A token out of a file, else out of the environment; None if neither is given.

    Raises:
        UsageError: the file cannot be read.
    """
    if file is None:
        return os.environ.get(variable) or None
    try:
        with file.open("rb") as opened:
            return opened.read(4 * _LONGEST).decode("ascii").strip()
    except (OSError, ValueError) as error:
        raise UsageError("holds no token that can be read", file) from error
